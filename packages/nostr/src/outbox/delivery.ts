import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel, every } from '@nostr-dm-agent/kit/timers';
import { tellTiming } from '@nostr-dm-agent/kit/timings';
import type { AnnouncedRelays } from '../lists/relay-list-cache.ts';
import type { RelayLists } from '../lists/relay-lists.ts';
import type { PublicKey, Recipient } from '../nostr-types.ts';
import type { Relays } from '../relay/relay.ts';
import type { EventRoom } from '../text/event-size.ts';
import { attemptDelivery } from './delivery-attempt.ts';
import { destinationsOf } from './destinations.ts';
import type { OutboxStore, Outgoing, Progress, StoredOutgoing } from './outbox-store.ts';
import { createRefusingRelays, type RefusingRelay } from './refusing-relays.ts';
import { defaultRetryLimits, type RetryLimits } from './retry-policy.ts';
import { neededRoom, roomAt } from './room.ts';
import { createWorkshop } from './work.ts';

export type DeliveryOptions = {
  readonly relays: Relays;
  readonly lists: RelayLists;
  readonly store: OutboxStore;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly limits?: Partial<RetryLimits>;
  /** The same message in several that fit; undefined when it can't be split. */
  readonly smaller: (message: StoredOutgoing, room: EventRoom) => readonly Outgoing[] | undefined;
};

export type OutboxStatus = {
  /** Messages that no relay has accepted yet. */
  readonly pending: number;
  /** Texts (not reactions) that were given up in the last days. */
  readonly undeliverable: number;
  /** Relays that take nothing of late. */
  readonly refusing: readonly RefusingRelay[];
  /** The last refusal or silence of a relay. `at` in Unix ms. */
  readonly lastProblem: { readonly text: string; readonly at: number } | undefined;
};

type DeliveryLoop = {
  /** Looks for something to deliver to somebody. Does nothing before `start`. */
  readonly kick: (recipient: PublicKey) => void;
  /** What the relays take where a message to somebody would go now. */
  readonly roomFor: (to: Pick<Recipient, 'publicKey' | 'protocol' | 'fallbackRelays'>) => EventRoom;
  readonly start: (signal: AbortSignal) => void;
  readonly flush: (timeoutMs: number, signal: AbortSignal) => Promise<boolean>;
  readonly status: () => OutboxStatus;
};

/** Messages to one recipient that are underway at the same time. */
const MAX_UNDERWAY = 64;
/** The longest sleep of the loop, whenever the next attempt is: the system's clock may be set meanwhile. */
const MAX_SLEEP_MS = 60_000;
/** After a fault of our own, such as a full disk. */
const PAUSE_MS = 30_000;
const PRUNE_FIRST_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;

/**
 * Publishes what is in the store until a relay of the recipient accepts it. To one recipient everything begins in the
 * order in which it was stored, so a connection carries it in that order, without waiting for one OK after the other.
 * Everything is remembered in the store alone; what is published twice is the same event.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one loop, whose parts share who is underway and when to look again
export function createDelivery(options: DeliveryOptions): DeliveryLoop {
  const { store, lists, clock, log, relays, random } = options;
  const limits = { ...defaultRetryLimits, ...options.limits };
  const own = relays.own.map(({ url }) => url);
  const underway = new Map<PublicKey, Set<number>>();
  const lanes = new Map<PublicKey, Promise<void>>();
  const workshop = createWorkshop();
  const refusing = createRefusingRelays();
  const flushing = new Set<() => void>();
  let life: AbortSignal | undefined;
  let cancel: Cancel = () => {};
  let pausedUntil = 0;
  let wakeAt = Number.POSITIVE_INFINITY;
  let lastProblem: OutboxStatus['lastProblem'];

  /** Looks after one recipient, or (`undefined`) all: thousands may wait for a relay, and each that ends looks again. */
  const kick = (recipient: PublicKey | undefined) => {
    if (life === undefined || life.aborted) return;
    try {
      const now = clock.now();
      if (now >= pausedUntil) {
        for (const one of recipient === undefined ? store.dueRecipients(now) : [recipient])
          beginDue(one, now, life);
      }
      wakeBy(store.nextDueAfter(now) ?? Number.POSITIVE_INFINITY, recipient === undefined);
    } catch (error) {
      pause(error);
      wakeBy(pausedUntil, true);
    }
  };
  /** All are looked after then (Unix ms), or earlier; `anew`: not before. */
  const wakeBy = (wanted: number, anew: boolean) => {
    const now = clock.now();
    const at = Math.max(now + 1, pausedUntil, Math.min(wanted, now + MAX_SLEEP_MS));
    if (life === undefined || (!anew && at >= wakeAt)) return;
    cancel();
    wakeAt = at;
    cancel = after(at - now, { name: 'delivery', log, signal: life }, () => kick(undefined));
  };
  const pause = (error: unknown) => {
    pausedUntil = clock.now() + PAUSE_MS;
    lastProblem = { text: 'delivering failed inside the bot', at: clock.now() };
    log.error({ error }, 'delivering messages failed');
  };
  const beginDue = (recipient: PublicKey, now: number, signal: AbortSignal): void => {
    const here = underway.get(recipient) ?? new Set();
    if (here.size >= MAX_UNDERWAY) return;
    for (const seq of store.due(recipient, now, MAX_UNDERWAY)) {
      if (here.has(seq) || here.size >= MAX_UNDERWAY) continue;
      underway.set(recipient, here.add(seq));
      begin(seq, recipient, signal);
    }
  };
  /** After everything that was begun before for this recipient is on the wire. */
  const begin = (seq: number, recipient: PublicKey, signal: AbortSignal) => {
    const before = lanes.get(recipient);
    const end = (error?: unknown) => {
      underway.get(recipient)?.delete(seq);
      if (error !== undefined && !signal.aborted) pause(error);
      kick(recipient);
    };
    const onTheWire = async () => {
      await before;
      const announced = await lists.lookUp(recipient);
      // Not awaited: that would be a round trip for each message.
      deliver(seq, announced, signal).then(() => end(), end);
    };
    lanes.set(recipient, onTheWire().catch(end));
  };
  const deliver = async (seq: number, announced: AnnouncedRelays, signal: AbortSignal) => {
    const message = signal.aborted ? undefined : store.get(seq);
    if (message === undefined) return;
    const destinations = destinationsOf(message, announced, own);
    const room = neededRoom(message, destinations, relays.capacities);
    const smaller = room && options.smaller(message, room);
    if (smaller !== undefined) {
      store.replace(seq, smaller, clock.now());
      log.info(
        { messageId: message.messageId, into: smaller.length },
        'a message was too large for its relay',
      );
      return;
    }
    let arrived = message.state === 'sent';
    await attemptDelivery(message, destinations, {
      ...{ relays, clock, random, limits, signal, workshop },
      isRefusing: refusing.isRefusing,
      unsplittable: room !== undefined,
      save: (progress) => {
        store.save(seq, progress);
        if (progress.state !== 'pending') for (const check of flushing) check();
        if (progress.state === 'undeliverable') logGivenUp(log, message, progress);
      },
      onOutcome: (url, { state, message: said }) => {
        if (state === 'accepted') {
          refusing.took(url);
          // The first relay counts; that others take it, too, is not waited for.
          if (!arrived) tellTiming({ name: 'reply_delivery', ms: clock.now() - message.createdAt });
          arrived = true;
          return;
        }
        refusing.refused(url, said);
        lastProblem = { text: `${url}: ${said}`, at: clock.now() };
        log.debug({ relay: url, messageId: message.messageId, state, said }, 'message not accepted');
      },
    });
  };

  return {
    kick,
    roomFor: (to) => roomAt(destinationsOf(to, lists.known(to.publicKey), own).primary, relays.capacities),
    start: (signal) => {
      if (signal.aborted) return;
      life = signal;
      const prune = () => store.prune(clock.now() - 3 * DAY_MS, clock.now() - 14 * DAY_MS);
      const timer = { name: 'pruning of the outbox', log, signal };
      after(PRUNE_FIRST_MS, timer, prune);
      every(DAY_MS / 4, timer, prune);
      store.hurry(clock.now());
      kick(undefined);
    },
    flush: async (timeoutMs, signal) => {
      const isEmpty = () => store.counts().pending === 0;
      if (isEmpty()) return life?.aborted !== true;
      if (life === undefined || life.aborted) return false;
      const { promise, resolve } = Promise.withResolvers<true>();
      const check = () => isEmpty() && resolve(true);
      const ends = AbortSignal.any([signal, life, AbortSignal.timeout(timeoutMs)]);
      flushing.add(check);
      return untilAborted(promise, ends)
        .catch(() => false)
        .finally(() => flushing.delete(check));
    },
    status: () => {
      const { pending, undeliverableTexts } = store.counts();
      return { pending, undeliverable: undeliverableTexts, refusing: refusing.all(), lastProblem };
    },
  };
}

function logGivenUp(log: Logger, message: StoredOutgoing, { deliveries }: Progress): void {
  const { messageId, recipient, content } = message;
  const facts = { messageId, recipient, content, relays: Object.fromEntries(deliveries) };
  if (content === 'text') log.warn(facts, 'a message could not be delivered');
  else log.debug(facts, 'a reaction could not be delivered');
}
