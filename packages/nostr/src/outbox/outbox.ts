import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { EventId, Identity, Recipient } from '../nostr-types.ts';
import type { Series } from '../text/chunks.ts';
import {
  type ComposeOptions,
  composeFile,
  composeReaction,
  composeSmaller,
  composeText,
  type FileMessage,
  type ReactionTarget,
  referredBy,
} from '../text/compose.ts';
import { createDelivery, type DeliveryOptions, type OutboxStatus } from './delivery.ts';
import { destinationsOf } from './destinations.ts';
import type { Outgoing } from './outbox-store.ts';

export type { OutboxStatus, ReactionTarget, Series };

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
   * @param series where it is a part of an answer that is sent bit by bit
   * @throws TokenTooLongError a token in it fits into no message; nothing is sent then
   */
  readonly send: (to: Recipient, text: string, series?: Series) => Sent;
  /**
   * Says something short without a word on disk, for when nothing can be written there: once, to every relay where the
   * recipient may read, and forgotten.
   */
  readonly sendUnstored: (to: Recipient, text: string, signal: AbortSignal) => void;
  /** Sends a file that is at a server. False: nothing was sent, NIP-04 has no encrypted files. */
  readonly sendFile: (to: Recipient, file: FileMessage) => boolean;
  /** Reacts to a message, such as with 👀. False: nothing was sent, NIP-04 has no reactions. */
  readonly react: (to: Recipient, target: ReactionTarget, reaction: string) => boolean;
  /** Whether an event was sent by `sendUnstored` in this life. */
  readonly isUnstored: (eventId: EventId) => boolean;
  /** Which message the one with this id answered, or reacted to; undefined when it is not ours, answered none, or is forgotten. */
  readonly answered: (messageId: EventId) => EventId | undefined;
  /** Delivers until the signal aborts, beginning with what an earlier life left. To be called once. */
  readonly start: (signal: AbortSignal) => void;
  /** Waits until nothing is pending. False when the time was up or the signal aborted before. */
  readonly flush: (timeoutMs: number, signal: AbortSignal) => Promise<boolean>;
  readonly status: () => OutboxStatus;
};

const UNSTORED_MS = 10_000;
const anyRoom = { bytes: undefined, content: undefined };

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

  const unstored = new Set<EventId>();
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
    queueMicrotask(() => delivery.kick(to.publicKey));
    return composed;
  };

  return {
    send: (to, text, series) => {
      const compose = () => composeText(to, text, delivery.roomFor(to), composing, series);
      const { outgoing, rest } = enqueue(to, compose);
      return { ids: outgoing.map(({ messageId }) => messageId), rest };
    },
    sendUnstored: (to, text, signal) => {
      const own = options.relays.own.map(({ url }) => url);
      const { primary, reserve } = destinationsOf(to, lists.known(to.publicKey), own);
      const takeTimestamps = () => unixSeconds(clock);
      const { outgoing } = composeText(to, text, anyRoom, { ...composing, takeTimestamps });
      for (const { event, messageId } of outgoing) {
        unstored.add(event.id as EventId).add(messageId);
        for (const url of [...primary, ...reserve]) {
          void options.relays.borrow(url, (relay) => relay.publish(event, UNSTORED_MS, signal));
        }
      }
    },
    isUnstored: (eventId) => unstored.has(eventId),
    sendFile: (to, file) => {
      if (to.protocol !== 'nip17') return false;
      enqueue(to, () => ({ outgoing: [composeFile(to, file, composing)] }));
      return true;
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
