import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { eventHash, InvalidKeyError, isEvent, verifyEvent } from '../event.ts';
import type { Identity, InboundMessage, NostrEvent, Protocol, PublicKey, RelayUrl } from '../nostr-types.ts';
import { isAddressedTo, tagValues } from './addressed.ts';
import { DecryptionError } from './decryption.ts';
import { sharedX } from './ecdh.ts';
import * as nip04 from './nip04.ts';
import * as nip44 from './nip44.ts';
import { type FaultyReason, isJunk, type RejectionReason } from './rejection.ts';
import { authorOf, isExpired, isMessageKind, keysIn, readRumor, referencesIn, typedText } from './rumor.ts';
import { filesIn, textBeside } from './shared-files.ts';

/** What one event from a relay turned out to be. */
export type Verdict =
  | { readonly verdict: 'message'; readonly message: InboundMessage }
  /**
   * `refusal`: an owner sent it, which is proven. `ownCopyAt`: somebody who has the bot's key wrote it, at that time (Unix
   * seconds); the bot sends itself no copies.
   */
  | {
      readonly verdict: 'rejected';
      readonly reason: RejectionReason;
      readonly refusal?: Refusal;
      readonly ownCopyAt?: number;
    };

/** What an owner sent and nobody acts on. */
export type Refusal = {
  readonly reason: FaultyReason;
  readonly sender: PublicKey;
  readonly protocol: Protocol;
  /** The relay that delivered it. */
  readonly relay: RelayUrl;
  /** Unix seconds, as stated; undefined when that could not be read. */
  readonly createdAt: number | undefined;
  readonly kind: number | undefined;
};

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

/** A clock that is further ahead is told of; a message from the future is one of now. */
const TOLD_AHEAD_SECONDS = 3 * 60;
/** Messages that one deletion names. */
const MOST_DELETED = 100;
/** Characters of a message. */
const MAX_TEXT_LENGTH = 128 * 1024;
/** Peers whose keys are kept: owners only, strangers never get that far. */
const CACHED_KEYS = 256;

const rejected = (reason: RejectionReason) => ({ verdict: 'rejected', reason }) as const;

type About = Pick<Refusal, 'sender' | 'protocol' | 'relay'> & Partial<Pick<Refusal, 'createdAt' | 'kind'>>;
const refused = (reason: FaultyReason, { createdAt, kind, ...about }: About): Verdict => ({
  verdict: 'rejected',
  reason,
  refusal: { reason, createdAt, kind, ...about },
});

/**
 * Builds the judge of inbound events (NIP-17, NIP-59, NIP-04; the order of the checks, cheap ones first, and why:
 * docs/design.md#what-makes-an-event-a-message): a stranger costs one ECDH and one decryption.
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
    // What else is wrong with it does not matter: it is junk, and nobody is told.
    return opened.verdict === 'rejected' && isJunk(opened.reason)
      ? rejected(opened.reason)
      : rejected('stranger');
  };

  return (event, relay) => {
    if (!isEvent(event) || ![1059, 4, 5].includes(event.kind)) return rejected('kind');
    if (event.kind !== 5 && !isAddressedTo(event, bot)) return rejected('recipient');
    const at: Circumstances = { bot, relay, now: unixSeconds(clock) };
    const author = event.pubkey as PublicKey;
    if (event.kind === 5) return from(author, () => openDeletion(event, author, at));
    if (event.kind === 4) return from(author, ({ shared }) => openLegacy(event, author, shared, at));
    // Its id covers its author and its content, so what it opens to is the same whoever signed it: a stranger's is not worth a
    // signature.
    if (eventHash(event) !== event.id) return rejected('signature');
    const seal = openJson(event.content, author, fresh.conversation);
    if (seal === undefined) return rejected('undecryptable');
    // NIP-59 wants no tags on a seal, NIP-17 wants `expiration` there: tags are accepted.
    if (!isEvent(seal.json) || seal.json.kind !== 13) return rejected('seal');
    const sealed = seal.json;
    const late = isExpired(event.tags, at.now);
    if (sealed.pubkey === bot)
      return verifyEvent(event) ? ownCopy(sealed, kept.conversation, bot) : rejected('signature');
    return from(sealed.pubkey as PublicKey, ({ conversation }) =>
      verifyEvent(event) ? openSeal(sealed, conversation, late, at) : rejected('signature'),
    );
  };
}

/** @param late the wrap around it has expired */
function openSeal(
  seal: NostrEvent,
  keyOf: KeyOf,
  late: boolean,
  { bot, relay, now }: Circumstances,
): Verdict {
  const sender = seal.pubkey as PublicKey;
  // Not redundant with the MAC: who holds the bot's key could compute that for any sender.
  if (!verifyEvent(seal)) return rejected('seal-signature');
  // From here on its author is proven: they are told what is wrong, and it is read as it was meant.
  const about = { sender, protocol: 'nip17', relay } as const;
  const opened = openJson(seal.content, sender, keyOf);
  if (opened === undefined) return refused('seal-undecryptable', about);
  if ((authorOf(opened.json) ?? sender) !== sender) return refused('impersonation', about);
  const rumor = readRumor(opened.json, sender, seal.created_at);
  if (typeof rumor === 'string') return refused(rumor, about);
  const { id, kind, tags, content, statedAt } = rumor;
  const known = { ...about, kind, createdAt: statedAt };
  if (!keysIn(tags).every((key) => key === bot || key === sender)) return refused('group', known);
  if (late || isExpired(seal.tags, now) || isExpired(tags, now)) return refused('expired', known);
  if (!isMessageKind(kind)) return refused('other-kind', known);
  if (content.length > MAX_TEXT_LENGTH) return refused('too-large', known);
  const files = filesIn(kind, content, tags);
  const said = files.length > 0 ? textBeside(kind, content, tags, files) : content;
  const text = kind === 14 ? typedText(said) : said;
  const message = {
    ...{ id, kind, text, references: referencesIn(tags), ...datedAt(statedAt, now) },
    ...(files.length > 0 ? { files } : {}),
  };
  return { verdict: 'message', message: { ...about, ...message } };
}

/** What the bot's key has sealed, if it has: a stranger may write that key on a seal. */
function ownCopy(seal: NostrEvent, keyOf: KeyOf, bot: PublicKey): Verdict {
  const opened = verifyEvent(seal) ? openJson(seal.content, bot, keyOf) : undefined;
  const rumor = opened === undefined ? undefined : readRumor(opened.json, bot, seal.created_at);
  return typeof rumor === 'object' && rumor.statedAt !== undefined
    ? { ...rejected('self'), ownCopyAt: rumor.statedAt }
    : rejected('self');
}

function openLegacy(
  event: NostrEvent,
  sender: PublicKey,
  keyOf: KeyOf,
  { relay, now }: Circumstances,
): Verdict {
  if (!verifyEvent(event)) return rejected('signature');
  const { content, tags, kind, created_at: createdAt } = event;
  const about = { sender, protocol: 'nip04', relay } as const;
  const known = { ...about, kind, createdAt };
  if (isExpired(tags, now)) return refused('expired', known);
  if (content.length > 2 * MAX_TEXT_LENGTH) return refused('too-large', known);
  const plaintext = attempt(() => nip04.decrypt(content, keyOf(sender)));
  if (plaintext === undefined) return refused('seal-undecryptable', known);
  const [id, text, references] = [eventHash(event), typedText(plaintext), referencesIn(tags)];
  return {
    verdict: 'message',
    message: { ...about, id, kind: 4, text, references, ...datedAt(createdAt, now) },
  };
}

/** A deletion in public (NIP-09), as clients delete old messages. */
function openDeletion(event: NostrEvent, sender: PublicKey, { relay, now }: Circumstances): Verdict {
  if (!verifyEvent(event)) return rejected('signature');
  const { tags, created_at: createdAt } = event;
  const kinds = tagValues(tags, 'k');
  // Of a note, of a reaction.
  if (kinds.length > 0 && !kinds.some((kind) => kind === '4')) return rejected('recipient');
  const references = referencesIn(tags).slice(0, MOST_DELETED);
  const about = { sender, protocol: 'nip04', relay } as const;
  const message = {
    id: eventHash(event),
    kind: 5,
    text: '',
    references,
    ...datedAt(createdAt, now),
  } as const;
  return { verdict: 'message', message: { ...about, ...message } };
}

/** A message from the future is one of now, and how far its clock is ahead is kept. */
function datedAt(
  statedAt: number | undefined,
  now: number,
): Pick<InboundMessage, 'createdAt' | 'aheadSeconds' | 'isDatedNow'> {
  if (statedAt !== undefined && statedAt <= now) return { createdAt: statedAt };
  const ahead = (statedAt ?? now) - now;
  return {
    createdAt: now,
    isDatedNow: true,
    ...(ahead > TOLD_AHEAD_SECONDS ? { aheadSeconds: ahead } : {}),
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
