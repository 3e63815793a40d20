import type { EventId, NostrEvent, Protocol, PublicKey, RelayUrl } from '../nostr-types.ts';

/** A message that is about to be sent: all of it encrypted. */
export type Outgoing = {
  /** What replies and reactions to it will refer to: the rumor's id (NIP-17) or the event's (NIP-04). */
  readonly messageId: EventId;
  readonly recipient: PublicKey;
  readonly protocol: Protocol;
  readonly content: 'text' | 'reaction';
  readonly fallbackRelays: readonly RelayUrl[];
  readonly event: NostrEvent;
  /** NIP-17 only: what is wrapped anew for a relay that refuses back-dated events. */
  readonly seal: NostrEvent | undefined;
};

/** What became of a message at one relay. */
export type Delivery = {
  /** `refused` is for good; `failed` is tried again; `redate`: it wants a wrap that is not back-dated. */
  readonly state: 'accepted' | 'refused' | 'failed' | 'redate';
  /** What the relay said, or why nothing was heard. */
  readonly message: string;
};

export type Deliveries = ReadonlyMap<RelayUrl, Delivery>;

/** What changes while a message is delivered. */
export type Progress = {
  /** `sent` once a relay accepted it, `undeliverable` when that was given up. */
  readonly state: 'pending' | 'sent' | 'undeliverable';
  readonly deliveries: Deliveries;
  readonly attempts: number;
  /** Unix ms of the next attempt; undefined when nothing is left to be tried. */
  readonly nextAt: number | undefined;
};

export type StoredOutgoing = Outgoing & Progress & { readonly seq: number; readonly createdAt: number };

/** Outgoing messages on disk; the program implements it. Synchronous, so that it can join a transaction. */
export type OutboxStore = {
  /** One transaction, or part of the one that is open. */
  readonly atomically: <Result>(change: () => Result) => Result;
  /** Stores messages in the order in which they are to arrive, due at once. */
  readonly insert: (messages: readonly Outgoing[], now: number) => void;
  /** Those for whom something is to be tried by now (Unix ms). */
  readonly dueRecipients: (now: number) => readonly PublicKey[];
  /**
   * What is to be tried now for one recipient, and everything pending that waits behind it, which would arrive after what is
   * newer otherwise: at most so many, in the order in which they were stored.
   */
  readonly due: (recipient: PublicKey, now: number, most: number) => readonly number[];
  /** When the next is to be tried that is not yet (Unix ms). */
  readonly nextDueAfter: (now: number) => number | undefined;
  readonly get: (seq: number) => StoredOutgoing | undefined;
  /** Whether a message with this id went, or goes, through here. */
  readonly knows: (messageId: EventId) => boolean;
  readonly byMessageId: (messageId: EventId) => StoredOutgoing | undefined;
  readonly save: (seq: number, progress: Progress) => void;
  /** Puts others in the place of one, due at once, in one transaction. */
  readonly replace: (seq: number, messages: readonly Outgoing[], now: number) => void;
  /** Makes everything pending due at once. */
  readonly hurry: (now: number) => void;
  readonly counts: () => { readonly pending: number; readonly undeliverableTexts: number };
  /**
   * Takes `count` timestamps in a row for messages to a peer.
   * @returns the first, in Unix seconds: `now`, or later when the last one to this peer was not before that
   */
  readonly takeTimestamps: (peer: PublicKey, nowSeconds: number, count: number) => number;
  /** Forgets what was sent before `sentBefore` and given up when stored before `undeliverableBefore` (Unix ms). */
  readonly prune: (sentBefore: number, undeliverableBefore: number) => void;
};
