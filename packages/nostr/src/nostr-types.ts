import type { Brand } from '@nostr-dm-agent/kit/brand';
import type { Event } from 'nostr-tools/core';
import type { Filter } from 'nostr-tools/filter';

/** A signed Nostr event (NIP-01). */
export type NostrEvent = Event;
export type { Filter };

/** 64 lower-case hex characters: an x-only secp256k1 public key (NIP-01). */
export type PublicKey = Brand<string, 'PublicKey'>;

/** 64 lower-case hex characters: the sha256 of the serialised event (NIP-01). */
export type EventId = Brand<string, 'EventId'>;

/** A normalised, permitted relay URL: `wss://…`, or `ws://…` for loopback only. See `relay-url.ts`. */
export type RelayUrl = Brand<string, 'RelayUrl'>;

/** The wire protocol of a DM: NIP-17 gift wraps or NIP-04 kind 4. An answer goes back in the same one. */
export type Protocol = 'nip17' | 'nip04';

/** The bot's own key pair. The secret stays in this object: it is never logged or handed to a subprocess. */
export type Identity = {
  readonly publicKey: PublicKey;
  readonly secretKey: Uint8Array;
};

/** What is asked to be signed; the signer adds pubkey, id and sig. */
export type EventTemplate = Pick<NostrEvent, 'kind' | 'created_at' | 'content' | 'tags'>;

/** Signs as the bot. May be slow or fail (a remote signer), so callers give it a timeout. */
export type Signer = (template: EventTemplate, signal: AbortSignal) => Promise<NostrEvent>;

/**
 * One inbound DM after unwrapping and every check of docs/design.md#what-makes-an-event-a-message.
 * `id` is the recomputed rumor id (NIP-17) or the kind-4 event id (NIP-04).
 */
export type InboundMessage = {
  readonly id: EventId;
  readonly sender: PublicKey;
  readonly protocol: Protocol;
  /** 14 chat, 15 file, 7 reaction, 5 delete (NIP-17); 4 (NIP-04). */
  readonly kind: 4 | 5 | 7 | 14 | 15;
  /**
   * For kind 7 the reaction; beside files what is said of them, without their addresses. The `[//]: # (nip18)` first line is
   * already gone.
   */
  readonly text: string;
  /** Ids in `e` tags: what is replied to, reacted to or deleted. */
  readonly references: readonly EventId[];
  /** Files that came with it (kind 15; kind 14 with `imeta`). Absent: none. */
  readonly files?: readonly SharedFile[];
  /** Unix seconds, as the sender states it (the rumor's, not the wrap's); now when that lies ahead. */
  readonly createdAt: number;
  /** How far the sender's clock is ahead, when that is worth telling. Not stored. */
  readonly aheadSeconds?: number;
  /** It has no date, or one that lies ahead: `createdAt` is when it came, each time that it comes. Not stored. */
  readonly isDatedNow?: true;
  /** Relay that delivered it first: the answer goes there when the sender has announced no DM relays. */
  readonly relay: RelayUrl;
};

/** A file as its sender describes it (NIP-17 kind 15, NIP-92 `imeta`): every word of it is a claim. */
export type SharedFile = {
  readonly url: string;
  /** AES-GCM, as it was written: hex or base64. Absent: it is not encrypted. */
  readonly encryption?: { readonly key: string; readonly nonce: string };
  /** SHA-256 in hex, of what the server has and of the file itself. */
  readonly sha256?: string;
  readonly plainSha256?: string;
};

/** Where a reply goes and how. */
export type Recipient = {
  readonly publicKey: PublicKey;
  readonly protocol: Protocol;
  /** Tried when the recipient has announced no DM relays. */
  readonly fallbackRelays: readonly RelayUrl[];
  /** The message that is answered: becomes the `e` tag. */
  readonly inReplyTo?: EventId;
};
