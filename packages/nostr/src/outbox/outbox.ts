import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { EventId, Identity, Recipient } from '../nostr-types.ts';
import {
  type ComposeOptions,
  composeReaction,
  composeSmaller,
  composeText,
  type ReactionTarget,
  referredBy,
} from '../text/compose.ts';
import { createDelivery, type DeliveryOptions, type OutboxStatus } from './delivery.ts';
import type { Outgoing } from './outbox-store.ts';

export type { OutboxStatus, ReactionTarget };

export type Sent = {
  /** Under which the recipient can refer to the messages, in order; none when the text is only whitespace. */
  readonly ids: readonly EventId[];
  /** What was not sent because a reply has a greatest length; can be sent on. Empty when all of it was. */
  readonly rest: string;
};

type OutboxOptions = Omit<DeliveryOptions, 'smaller'> & { readonly identity: Identity };

/**
 * Sends direct messages. What is given to `send` and `react` is encrypted and on disk when they return (they can be
 * part of the caller's transaction) and is delivered behind, over restarts, by `start`.
 */
export type Outbox = {
  /**
   * Sends a text, in several messages when it is long (see `chunk`), in the protocol that `to` names.
   * @throws TokenTooLongError a token in it fits into no message; nothing is sent then
   */
  readonly send: (to: Recipient, text: string) => Sent;
  /** Reacts to a message, such as with 👀. False: nothing was sent, NIP-04 has no reactions. */
  readonly react: (to: Recipient, target: ReactionTarget, reaction: string) => boolean;
  /** Which message the one with this id answered, or reacted to; undefined when it is not ours, answered none, or is forgotten. */
  readonly answered: (messageId: EventId) => EventId | undefined;
  /** Delivers until the signal aborts, beginning with what an earlier life left. To be called once. */
  readonly start: (signal: AbortSignal) => void;
  /** Waits until nothing is pending. False when the time was up or the signal aborted before. */
  readonly flush: (timeoutMs: number, signal: AbortSignal) => Promise<boolean>;
  readonly status: () => OutboxStatus;
};

export function createOutbox(options: OutboxOptions): Outbox {
  const { identity, store, clock, random, lists } = options;
  const composing: ComposeOptions = {
    identity,
    clock,
    random,
    takeTimestamps: (peer, count) => store.takeTimestamps(peer, unixSeconds(clock), count),
  };
  const delivery = createDelivery({
    ...options,
    smaller: (message, room) => composeSmaller(message, room, composing),
  });

  const enqueue = <Composed extends { readonly outgoing: readonly Outgoing[] }>(
    to: Recipient,
    compose: () => Composed,
  ): Composed => {
    lists.warm(to.publicKey);
    const composed = store.atomically(() => {
      const result = compose();
      store.insert(result.outgoing, clock.now());
      return result;
    });
    // By then the caller's transaction is over, one way or the other.
    queueMicrotask(delivery.kick);
    return composed;
  };

  return {
    send: (to, text) => {
      const { outgoing, rest } = enqueue(to, () => composeText(to, text, delivery.roomFor(to), composing));
      return { ids: outgoing.map(({ messageId }) => messageId), rest };
    },
    react: (to, target, reaction) => {
      if (to.protocol !== 'nip17') return false;
      enqueue(to, () => ({ outgoing: [composeReaction(to, target, reaction, composing)] }));
      return true;
    },
    answered: (messageId) => {
      const message = store.byMessageId(messageId);
      return message && referredBy(message, identity);
    },
    start: delivery.start,
    flush: delivery.flush,
    status: delivery.status,
  };
}
