import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import { type ComposeOptions, composeReaction, composeText, type ReactionTarget } from '../text/compose.ts';
import type { EventId, Identity, Recipient } from '../types.ts';
import { createDelivery, type DeliveryOptions, type OutboxStatus } from './delivery.ts';
import type { Outgoing } from './store.ts';

export type { OutboxStatus, ReactionTarget };

export type OutboxOptions = DeliveryOptions & { readonly identity: Identity };

/**
 * Sends direct messages. What is given to `send` and `react` is encrypted and on disk when they return (they can be
 * part of the caller's transaction) and is delivered behind, over restarts, by `start`.
 */
export type Outbox = {
  /**
   * Sends a text, in several messages when it is long (see `chunk`), in the protocol that `to` names.
   * @returns the ids under which the recipient can refer to them, in order; none when the text is only whitespace
   * @throws TokenTooLongError a token in it fits into no message; nothing is sent then
   */
  readonly send: (to: Recipient, text: string) => readonly EventId[];
  /** Reacts to a message, such as with 👀. False: nothing was sent, NIP-04 has no reactions. */
  readonly react: (to: Recipient, target: ReactionTarget, reaction: string) => boolean;
  /** Delivers until the signal aborts, beginning with what an earlier life left. To be called once. */
  readonly start: (signal: AbortSignal) => void;
  /** Waits until nothing is pending. False when the time was up or the signal aborted before. */
  readonly flush: (timeoutMs: number, signal: AbortSignal) => Promise<boolean>;
  readonly status: () => OutboxStatus;
};

export function createOutbox(options: OutboxOptions): Outbox {
  const { identity, store, clock, random, lists } = options;
  const delivery = createDelivery(options);
  const compose: ComposeOptions = {
    ...{ identity, clock, random },
    takeTimestamps: (peer, count) => store.takeTimestamps(peer, unixSeconds(clock), count),
  };

  const enqueue = (to: Recipient, composed: () => readonly Outgoing[]): readonly EventId[] => {
    lists.warm(to.publicKey);
    const messages = store.atomically(() => {
      const outgoing = composed();
      store.insert(outgoing, clock.now());
      return outgoing;
    });
    // By then the caller's transaction is over, one way or the other.
    queueMicrotask(delivery.kick);
    return messages.map(({ messageId }) => messageId);
  };

  return {
    send: (to, text) => enqueue(to, () => composeText(to, text, compose)),
    react: (to, target, reaction) => {
      if (to.protocol !== 'nip17') return false;
      enqueue(to, () => [composeReaction(to, target, reaction, compose)]);
      return true;
    },
    start: delivery.start,
    flush: delivery.flush,
    status: delivery.status,
  };
}
