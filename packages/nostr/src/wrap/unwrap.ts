import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { eventHash, InvalidKeyError, isEvent, verifyEvent } from '../event.ts';
import type { Identity, InboundMessage, NostrEvent, PublicKey, RelayUrl } from '../types.ts';
import { DecryptionError, sharedX } from './ecdh.ts';
import * as nip04 from './nip04.ts';
import * as nip44 from './nip44.ts';
import {
  hasOwnId,
  isExpired,
  isMessageKind,
  isUnsignedEvent,
  referencesIn,
  tagValues,
  typedText,
} from './rumor.ts';

/** Why an event is not a message, in the order of the checks. */
export const REJECTION_REASONS = [
  /** Neither a gift wrap (1059) nor a NIP-04 DM (4). */
  'kind',
  /** Not exactly one `p`, or not the bot's. */
  'recipient',
  /** The outer event's id or signature is wrong. The one verdict that the event's id does not settle. */
  'signature',
  /** The outer layer does not decrypt with the bot's key. */
  'undecryptable',
  /** What is inside the wrap is no signed event of kind 13. */
  'seal',
  /** The bot's own copy of something that it sent. */
  'self',
  /** The author may not command the bot. */
  'stranger',
  'seal-signature',
  'seal-undecryptable',
  /** What is inside the seal is no event: a field is missing or of the wrong type. */
  'rumor',
  /** The rumor names another author than the one who signed the seal. */
  'impersonation',
  /** The rumor states no id, or not its hash. */
  'rumor-id',
  /** Somebody besides the bot and the sender is addressed. */
  'group',
  /** Dated more than 15 minutes ahead. */
  'future',
  /** Its NIP-40 expiration has passed. */
  'expired',
  /** A kind that is no DM, such as a Marmot welcome. */
  'other-kind',
] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** What comes out before an author is proven to be an owner: anybody can make as much of it as he likes. */
const JUNK: ReadonlySet<RejectionReason> = new Set([
  'kind',
  'recipient',
  'signature',
  'undecryptable',
  'seal',
  'self',
  'stranger',
  'seal-signature',
]);

/** Whether an event rejected for this reason may be part of a flood. */
export const isJunk = (reason: RejectionReason): boolean => JUNK.has(reason);

/** Whether the event has exactly one `p` tag, and it is `publicKey`. */
export function isAddressedTo(event: NostrEvent, publicKey: PublicKey): boolean {
  const recipients = tagValues(event.tags, 'p');
  return recipients.length === 1 && recipients[0] === publicKey;
}

/** What one event from a relay turned out to be. */
export type Verdict =
  | { readonly verdict: 'message'; readonly message: InboundMessage }
  | { readonly verdict: 'rejected'; readonly reason: RejectionReason };

/** Judges one kind 1059 or kind 4 event. Never throws, whatever it is given. */
export type Unwrap = (event: NostrEvent, relay: RelayUrl) => Verdict;

/** How strangers are let in. They cost no more than `mayKnock` allows, and get silence unless `isInvited`. */
export type Guests = {
  /** Whether the message of a stranger is opened at all, before its author is proven. True costs one of a bounded number. */
  readonly mayKnock: (author: PublicKey) => boolean;
  /** Whether what he says lets him in. He is who signed it. */
  readonly isInvited: (message: InboundMessage) => boolean;
};

export type UnwrapOptions = {
  readonly identity: Identity;
  /** The allow-list, asked before the costly half of the work. */
  readonly isOwner: (author: PublicKey) => boolean;
  /** Strangers who may be let in. Absent: none ever. */
  readonly guests?: Guests;
  readonly clock: Clock;
  /**
   * Off: only the id of a wrap is checked. Its throwaway key says nothing about the sender, and the MAC binds the
   * content to it; NIP-44 demands the check all the same, so it is on unless a flood makes the time dear.
   */
  readonly verifyWrapSignature?: boolean;
};

const MAX_AHEAD_SECONDS = 15 * 60;
/** Peers whose conversation key is kept: owners only, strangers never get that far. */
const CACHED_KEYS = 256;

const rejected = (reason: RejectionReason): Verdict => ({ verdict: 'rejected', reason });

/**
 * Builds the judge of inbound events (NIP-17, NIP-59, NIP-04; the order of the checks, cheap ones first, and why:
 * docs/design.md#what-makes-an-event-a-message): a stranger costs one signature, one ECDH and one decryption.
 */
export function createUnwrap(options: UnwrapOptions): Unwrap {
  const { identity, isOwner, guests, clock, verifyWrapSignature = true } = options;
  // Both belong to this identity: a cache by peer alone, shared between identities, would mix up their keys.
  const conversationKeys = boundedCache((peer) => nip44.conversationKey(identity.secretKey, peer));
  const sharedSecrets = boundedCache((peer) => sharedX(identity.secretKey, peer));

  function unwrapGift(wrap: NostrEvent, relay: RelayUrl): Verdict {
    const genuine = verifyWrapSignature ? verifyEvent(wrap) : wrap.id === eventHash(wrap);
    if (!genuine) return rejected('signature');
    if (isExpired(wrap.tags, unixSeconds(clock))) return rejected('expired');
    const wrapKey = wrap.pubkey as PublicKey;
    const seal = openJson(wrap.content, () => nip44.conversationKey(identity.secretKey, wrapKey));
    if (seal === undefined) return rejected('undecryptable');
    // NIP-59 wants no tags on a seal, NIP-17 wants `expiration` there: tags are accepted.
    if (!isEvent(seal.json) || seal.json.kind !== 13) return rejected('seal');
    return unseal(seal.json, relay);
  }

  function unseal(seal: NostrEvent, relay: RelayUrl): Verdict {
    const sender = seal.pubkey as PublicKey;
    if (sender === identity.publicKey) return rejected('self');
    if (isOwner(sender)) return openSeal(seal, sender, relay, conversationKeys);
    if (guests?.mayKnock(sender) !== true) return rejected('stranger');
    return asGuest(openSeal(seal, sender, relay, (peer) => nip44.conversationKey(identity.secretKey, peer)));
  }

  function openSeal(
    seal: NostrEvent,
    sender: PublicKey,
    relay: RelayUrl,
    keyWith: (peer: PublicKey) => Uint8Array,
  ): Verdict {
    // Not redundant with the MAC: who holds the bot's key could compute that for any sender.
    if (!verifyEvent(seal)) return rejected('seal-signature');
    if (isExpired(seal.tags, unixSeconds(clock))) return rejected('expired');
    const rumor = openJson(seal.content, () => keyWith(sender));
    if (rumor === undefined) return rejected('seal-undecryptable');
    if (!isUnsignedEvent(rumor.json)) return rejected('rumor');
    if (rumor.json.pubkey !== sender) return rejected('impersonation');
    if (!hasOwnId(rumor.json)) return rejected('rumor-id');
    const { id, kind, tags, content, created_at: createdAt } = rumor.json;
    const isParty = (key: string | undefined) => key === identity.publicKey || key === sender;
    if (!tagValues(tags, 'p').every(isParty)) return rejected('group');
    if (createdAt > unixSeconds(clock) + MAX_AHEAD_SECONDS) return rejected('future');
    if (isExpired(tags, unixSeconds(clock))) return rejected('expired');
    if (!isMessageKind(kind)) return rejected('other-kind');
    const text = kind === 14 ? typedText(content) : content;
    const references = referencesIn(tags);
    return {
      verdict: 'message',
      message: { id, sender, protocol: 'nip17', kind, text, references, createdAt, relay },
    };
  }

  function unwrapLegacy(event: NostrEvent, relay: RelayUrl): Verdict {
    const sender = event.pubkey as PublicKey;
    if (sender === identity.publicKey) return rejected('self');
    if (isOwner(sender)) return openLegacy(event, sender, relay, sharedSecrets);
    if (guests?.mayKnock(sender) !== true) return rejected('stranger');
    return asGuest(openLegacy(event, sender, relay, (peer) => sharedX(identity.secretKey, peer)));
  }

  function openLegacy(
    event: NostrEvent,
    sender: PublicKey,
    relay: RelayUrl,
    secretWith: (peer: PublicKey) => Uint8Array,
  ): Verdict {
    if (!verifyEvent(event)) return rejected('signature');
    if (event.created_at > unixSeconds(clock) + MAX_AHEAD_SECONDS) return rejected('future');
    if (isExpired(event.tags, unixSeconds(clock))) return rejected('expired');
    const content = attempt(() => nip04.decrypt(event.content, secretWith(sender)));
    if (content === undefined) return rejected('undecryptable');
    return {
      verdict: 'message',
      message: {
        id: eventHash(event),
        sender,
        protocol: 'nip04',
        kind: 4,
        text: typedText(content),
        references: referencesIn(event.tags),
        createdAt: event.created_at,
        relay,
      },
    };
  }

  /** What is wrong with a stranger's message does not matter: it is junk, unless it lets him in. */
  function asGuest(opened: Verdict): Verdict {
    if (opened.verdict === 'message') {
      return guests?.isInvited(opened.message) === true ? opened : rejected('stranger');
    }
    return isJunk(opened.reason) ? opened : rejected('stranger');
  }

  return (event, relay) => {
    if (!isEvent(event) || (event.kind !== 1059 && event.kind !== 4)) return rejected('kind');
    if (!isAddressedTo(event, identity.publicKey)) return rejected('recipient');
    return event.kind === 1059 ? unwrapGift(event, relay) : unwrapLegacy(event, relay);
  };
}

/** Decrypts NIP-44 and parses JSON; `undefined` when either fails. Boxed, because `null` is JSON as well. */
function openJson(payload: string, key: () => Uint8Array): { readonly json: unknown } | undefined {
  return attempt(() => {
    const json: unknown = JSON.parse(nip44.decrypt(payload, key()));
    return { json };
  });
}

/** The result, or `undefined` when the input was at fault; a fault of the program passes through. */
function attempt<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof DecryptionError || error instanceof InvalidKeyError || error instanceof SyntaxError)
      return undefined;
    throw error;
  }
}

/** Remembers the last results of a costly function of a peer's key. */
function boundedCache(compute: (peer: PublicKey) => Uint8Array): (peer: PublicKey) => Uint8Array {
  const results = new Map<PublicKey, Uint8Array>();
  return (peer) => {
    const result = results.get(peer) ?? compute(peer);
    results.delete(peer);
    results.set(peer, result);
    const [oldest] = results.keys();
    if (results.size > CACHED_KEYS && oldest !== undefined) results.delete(oldest);
    return result;
  };
}
