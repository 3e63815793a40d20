import type { Clock } from '@nostr-dm-agent/kit/clock';
import { z } from 'zod';
import { signEvent } from '../event.ts';
import type { EventId, EventTemplate, Identity, PublicKey, Recipient } from '../nostr-types.ts';
import type { Outgoing } from '../outbox/outbox-store.ts';
import { sharedX } from '../wrap/ecdh.ts';
import { giftWrap } from '../wrap/gift-wrap.ts';
import * as nip04 from '../wrap/nip04.ts';
import { conversationKey, decrypt } from '../wrap/nip44.ts';
import { referencesIn } from '../wrap/rumor.ts';
import { chunkToFit, type Series } from './chunks.ts';
import { type EventRoom, eventSize, fitsInto } from './event-size.ts';

/** What a reaction refers to: a message that the bot received. */
export type ReactionTarget = {
  readonly id: EventId;
  readonly author: PublicKey;
  readonly kind: number;
};

export type ComposeOptions = {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly random: () => number;
  /** Takes `count` rising timestamps (Unix seconds) for messages to `peer`; the first is returned. */
  readonly takeTimestamps: (peer: PublicKey, count: number) => number;
};

/**
 * The encrypted messages of a text, in the protocol of the recipient: kind 14 in gift wraps (NIP-17) or kind 4; and what
 * is too long for one reply, see `chunk`. Clients sort by a resolution of one second, so each message is dated at least
 * one second after the one before.
 * @param room what the relays take where it goes; what stands alone, a token, may be larger all the same
 * @param series of which answer it is a part
 * @throws TokenTooLongError
 */
export function composeText(
  to: Recipient,
  text: string,
  room: EventRoom,
  options: ComposeOptions,
  series?: Series,
): { readonly outgoing: readonly Outgoing[]; readonly rest: string } {
  const tags = textTags(to);
  const fits = (content: string) => fitsInto(room, eventSize(to.protocol, content, tags));
  const { messages, rest } = chunkToFit(text, fits, series);
  return { outgoing: composeMessages(to, messages, tags, options), rest };
}

/**
 * What was composed once, in smaller messages: the relays where it goes do not take it as it is. What was said stands in
 * the event alone, and the bot can read what it wrote.
 * @returns undefined when it can't be made smaller
 */
export function composeSmaller(
  message: Outgoing,
  room: EventRoom,
  options: ComposeOptions,
): readonly Outgoing[] | undefined {
  const { recipient: publicKey, protocol, fallbackRelays } = message;
  const { content, tags } = readOwn(message, options.identity);
  const fits = (text: string) => fitsInto(room, eventSize(protocol, text, tags));
  const { messages, rest } = chunkToFit(content, fits);
  if (messages.length < 2 || rest !== '' || !messages.every(fits)) return undefined;
  return composeMessages({ publicKey, protocol, fallbackRelays }, messages, tags, options);
}

function composeMessages(
  to: Recipient,
  messages: readonly string[],
  tags: string[][],
  options: ComposeOptions,
): readonly Outgoing[] {
  if (messages.length === 0) return [];
  const first = options.takeTimestamps(to.publicKey, messages.length);
  return messages.map((content, index) => {
    const message = { created_at: first + index, tags, content };
    return to.protocol === 'nip17'
      ? wrapped(to, 'text', { ...message, kind: 14 }, options)
      : legacy(to, message, options);
  });
}

/** A file at a server, encrypted: what a message says of it (NIP-17, kind 15). Keys and sums in hex. */
export type FileMessage = {
  readonly url: string;
  /** Before encryption. */
  readonly mime: string;
  readonly key: string;
  readonly nonce: string;
  /** Of the encrypted bytes, and of those in them. */
  readonly sha256: string;
  readonly plainSha256: string;
  /** Of the encrypted bytes. */
  readonly size: number;
  readonly caption: string;
};

/** A file (kind 15) in a gift wrap. */
export function composeFile(to: Recipient, file: FileMessage, options: ComposeOptions): Outgoing {
  const tags = [
    ...textTags(to),
    ['file-type', file.mime],
    ['encryption-algorithm', 'aes-gcm'],
    ['decryption-key', file.key],
    ['decryption-nonce', file.nonce],
    ['x', file.sha256],
    ['ox', file.plainSha256],
    ['size', `${file.size}`],
    ['alt', file.caption],
  ];
  const createdAt = options.takeTimestamps(to.publicKey, 1);
  return wrapped(to, 'text', { kind: 15, created_at: createdAt, tags, content: file.url }, options);
}

/** The message that one of the bot's own refers to (its `e` tag). */
export const referredBy = (message: Outgoing, identity: Identity): EventId | undefined =>
  referencesIn(readOwn(message, identity).tags)[0];

/** @throws when the event is not one of the bot's own to this recipient: what is in the outbox always is */
function readOwn({ event, seal, recipient }: Outgoing, { secretKey }: Identity) {
  if (seal === undefined) {
    return { content: nip04.decrypt(event.content, sharedX(secretKey, recipient)), tags: event.tags };
  }
  return ownRumor.parse(JSON.parse(decrypt(seal.content, conversationKey(secretKey, recipient))));
}

const ownRumor = z.object({ content: z.string(), tags: z.array(z.array(z.string())) });

/** A reaction (NIP-25) in a gift wrap (NIP-17). */
export function composeReaction(
  to: Recipient,
  target: ReactionTarget,
  reaction: string,
  options: ComposeOptions,
): Outgoing {
  const tags = [
    ['e', target.id],
    ['p', target.author],
    ['k', `${target.kind}`],
  ];
  const createdAt = options.takeTimestamps(to.publicKey, 1);
  return wrapped(to, 'reaction', { kind: 7, created_at: createdAt, tags, content: reaction }, options);
}

function wrapped(
  to: Recipient,
  content: Outgoing['content'],
  rumor: EventTemplate,
  options: ComposeOptions,
): Outgoing {
  const { identity, clock, random } = options;
  const { rumorId, seal, wrap } = giftWrap(rumor, { from: identity, to: to.publicKey, clock, random });
  return { ...addressed(to), content, messageId: rumorId, event: wrap, seal };
}

function legacy(to: Recipient, message: Omit<EventTemplate, 'kind'>, { identity }: ComposeOptions): Outgoing {
  const content = nip04.encrypt(message.content, sharedX(identity.secretKey, to.publicKey));
  const event = signEvent({ ...message, kind: 4, content }, identity.secretKey);
  return { ...addressed(to), content: 'text', messageId: event.id as EventId, event, seal: undefined };
}

const addressed = ({ publicKey, protocol, fallbackRelays }: Recipient) => ({
  recipient: publicKey,
  protocol,
  fallbackRelays,
});

function textTags({ publicKey, inReplyTo, fallbackRelays }: Recipient): string[][] {
  const to = ['p', publicKey];
  if (inReplyTo === undefined) return [to];
  const [hint] = fallbackRelays;
  return [to, hint === undefined ? ['e', inReplyTo] : ['e', inReplyTo, hint]];
}
