import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { eventHash, InvalidKeyError, isEvent, isUnsignedEvent, verifyEvent } from '../event.ts';
import type { Identity, InboundMessage, NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import { DecryptionError } from './decryption.ts';
import { sharedX } from './ecdh.ts';
import * as nip04 from './nip04.ts';
import * as nip44 from './nip44.ts';
import { isJunk, type RejectionReason } from './rejection.ts';
import { hasOwnId, isExpired, isMessageKind, referencesIn, tagValues, typedText } from './rumor.ts';

/** What one event from a relay turned out to be. */
export type Verdict =
  | { readonly verdict: 'message'; readonly message: InboundMessage }
  | { readonly verdict: 'rejected'; readonly reason: RejectionReason };

/** Judges one kind 1059 or kind 4 event. Never throws, whatever it is given. */
export type Unwrap = (event: NostrEvent, relay: RelayUrl) => Verdict;

/** How strangers become members. They cost no more than `mayBeRead` allows, and get silence unless `isInvited`. */
export type StrangerPolicy = {
  /** Whether a stranger's message is opened at all, before its author is proven. True costs one of a bounded number. */
  readonly mayBeRead: (author: PublicKey) => boolean;
  /** Whether what they say makes them a member. They are who signed it. */
  readonly isInvited: (message: InboundMessage) => boolean;
};

type UnwrapOptions = {
  readonly identity: Identity;
  /** The allow-list, asked before the costly half of the work. */
  readonly isOwner: (author: PublicKey) => boolean;
  /** Absent: all strangers are turned away. */
  readonly strangers?: StrangerPolicy;
  readonly clock: Clock;
};

type KeyOf = (peer: PublicKey) => Uint8Array;
/** The NIP-44 conversation key with a peer, and the NIP-04 secret. */
type Keys = { readonly conversation: KeyOf; readonly shared: KeyOf };
/** Where and when an event is judged. */
type Circumstances = { readonly bot: PublicKey; readonly relay: RelayUrl; readonly now: number };

const MAX_AHEAD_SECONDS = 15 * 60;
/** Peers whose keys are kept: owners only, strangers never get that far. */
const CACHED_KEYS = 256;

const rejected = (reason: RejectionReason): Verdict => ({ verdict: 'rejected', reason });

/** Whether the event has exactly one `p` tag, and it is `publicKey`. */
export function isAddressedTo(event: NostrEvent, publicKey: PublicKey): boolean {
  const recipients = tagValues(event.tags, 'p');
  return recipients.length === 1 && recipients[0] === publicKey;
}

/**
 * Builds the judge of inbound events (NIP-17, NIP-59, NIP-04; the order of the checks, cheap ones first, and why:
 * docs/design.md#what-makes-an-event-a-message): a stranger costs one signature, one ECDH and one decryption.
 */
export function createUnwrap({ identity, isOwner, strangers, clock }: UnwrapOptions): Unwrap {
  const { publicKey: bot, secretKey } = identity;
  const fresh: Keys = {
    conversation: (peer) => nip44.conversationKey(secretKey, peer),
    shared: (peer) => sharedX(secretKey, peer),
  };
  // They belong to this identity: a cache by peer alone, shared between identities, would mix up their keys.
  const kept: Keys = { conversation: boundedCache(fresh.conversation), shared: boundedCache(fresh.shared) };

  /** Opens what an owner wrote, or a stranger who may be read. */
  const from = (sender: PublicKey, open: (keys: Keys) => Verdict): Verdict => {
    if (sender === bot) return rejected('self');
    if (isOwner(sender)) return open(kept);
    if (strangers?.mayBeRead(sender) !== true) return rejected('stranger');
    const opened = open(fresh);
    if (opened.verdict === 'message' && strangers.isInvited(opened.message)) return opened;
    // What else is wrong with it does not matter: it is junk.
    return opened.verdict === 'rejected' && isJunk(opened.reason) ? opened : rejected('stranger');
  };

  return (event, relay) => {
    if (!isEvent(event) || (event.kind !== 1059 && event.kind !== 4)) return rejected('kind');
    if (!isAddressedTo(event, bot)) return rejected('recipient');
    const at: Circumstances = { bot, relay, now: unixSeconds(clock) };
    const author = event.pubkey as PublicKey;
    if (event.kind === 4) return from(author, ({ shared }) => openLegacy(event, author, shared, at));
    if (!verifyEvent(event)) return rejected('signature');
    if (isExpired(event.tags, at.now)) return rejected('expired');
    const seal = openJson(event.content, author, fresh.conversation);
    if (seal === undefined) return rejected('undecryptable');
    // NIP-59 wants no tags on a seal, NIP-17 wants `expiration` there: tags are accepted.
    if (!isEvent(seal.json) || seal.json.kind !== 13) return rejected('seal');
    const sealed = seal.json;
    return from(sealed.pubkey as PublicKey, ({ conversation }) => openSeal(sealed, conversation, at));
  };
}

function openSeal(seal: NostrEvent, keyOf: KeyOf, { bot, relay, now }: Circumstances): Verdict {
  const sender = seal.pubkey as PublicKey;
  // Not redundant with the MAC: who holds the bot's key could compute that for any sender.
  if (!verifyEvent(seal)) return rejected('seal-signature');
  if (isExpired(seal.tags, now)) return rejected('expired');
  const rumor = openJson(seal.content, sender, keyOf);
  if (rumor === undefined) return rejected('seal-undecryptable');
  if (!isUnsignedEvent(rumor.json)) return rejected('rumor');
  if (rumor.json.pubkey !== sender) return rejected('impersonation');
  if (!hasOwnId(rumor.json)) return rejected('rumor-id');
  const { id, kind, tags, content, created_at: createdAt } = rumor.json;
  const isParty = (key: string | undefined) => key === bot || key === sender;
  if (!tagValues(tags, 'p').every(isParty)) return rejected('group');
  if (createdAt > now + MAX_AHEAD_SECONDS) return rejected('future');
  if (isExpired(tags, now)) return rejected('expired');
  if (!isMessageKind(kind)) return rejected('other-kind');
  const text = kind === 14 ? typedText(content) : content;
  const references = referencesIn(tags);
  return {
    verdict: 'message',
    message: { id, sender, protocol: 'nip17', kind, text, references, createdAt, relay },
  };
}

function openLegacy(event: NostrEvent, sender: PublicKey, keyOf: KeyOf, at: Circumstances): Verdict {
  if (!verifyEvent(event)) return rejected('signature');
  const { content, tags, created_at: createdAt } = event;
  if (createdAt > at.now + MAX_AHEAD_SECONDS) return rejected('future');
  if (isExpired(tags, at.now)) return rejected('expired');
  const plaintext = attempt(() => nip04.decrypt(content, keyOf(sender)));
  if (plaintext === undefined) return rejected('undecryptable');
  const [id, text, references] = [eventHash(event), typedText(plaintext), referencesIn(tags)];
  return {
    verdict: 'message',
    message: { id, sender, protocol: 'nip04', kind: 4, text, references, createdAt, relay: at.relay },
  };
}

/** Decrypts NIP-44 and parses JSON; `undefined` when either fails. Boxed, because `null` is JSON as well. */
function openJson(payload: string, peer: PublicKey, keyOf: KeyOf): { readonly json: unknown } | undefined {
  return attempt(() => {
    const json: unknown = JSON.parse(nip44.decrypt(payload, keyOf(peer)));
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
function boundedCache(compute: KeyOf): KeyOf {
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
