import type { Clock } from '@nostr-dm-agent/kit/clock';
import { signEvent } from '../event.ts';
import type { EventId, EventTemplate, Identity, PublicKey, Recipient } from '../nostr-types.ts';
import type { Outgoing } from '../outbox/outbox-store.ts';
import { sharedX } from '../wrap/ecdh.ts';
import { giftWrap } from '../wrap/gift-wrap.ts';
import * as nip04 from '../wrap/nip04.ts';
import { chunk } from './chunks.ts';

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
 * @throws TokenTooLongError
 */
export function composeText(
  to: Recipient,
  text: string,
  options: ComposeOptions,
): { readonly outgoing: readonly Outgoing[]; readonly rest: string } {
  const { messages, rest } = chunk(text);
  if (messages.length === 0) return { outgoing: [], rest };
  const first = options.takeTimestamps(to.publicKey, messages.length);
  const outgoing = messages.map((content, index) => {
    const message = { created_at: first + index, tags: textTags(to), content };
    return to.protocol === 'nip17'
      ? wrapped(to, 'text', { ...message, kind: 14 }, options)
      : legacy(to, message, options);
  });
  return { outgoing, rest };
}

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
