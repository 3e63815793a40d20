import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { AnnouncedRelays, RelayLists } from '../lists/relay-lists.ts';
import type { PublicKey, RelayUrl } from '../nostr-types.ts';
import type { Relays } from '../relay/relay.ts';
import { attemptDelivery } from './delivery-attempt.ts';
import { destinationsOf } from './destinations.ts';
import type { Delivery, OpenDelivery, OutboxStore, StoredOutgoing } from './outbox-store.ts';
import { afterAttempt, defaultRetryLimits, type RetryLimits, relaysToTry } from './retry-policy.ts';

export type DeliveryOptions = {
  readonly relays: Relays;
  readonly lists: RelayLists;
  readonly store: OutboxStore;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly limits?: Partial<RetryLimits>;
};

export type OutboxStatus = {
  /** Messages that no relay has accepted yet. */
  readonly pending: number;
  /** Texts (not reactions) that were given up in the last days. */
  readonly undeliverable: number;
  /** The last refusal or silence of a relay. `at` in Unix ms. */
  readonly lastProblem: { readonly text: string; readonly at: number } | undefined;
};

export type DeliveryLoop = {
  /** Looks for something to deliver. Does nothing before `start`. */
  readonly kick: () => void;
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
const DAY_MS = 24 * 60 * 60_000;
const PRUNE_EVERY_MS = DAY_MS / 4;

/**
 * Publishes what is in the store until a relay of the recipient accepts it. To one recipient everything begins in the
 * order in which it was stored, so a connection carries it in that order, without waiting for one OK after the other.
 * Everything is remembered in the store alone; what is published twice is the same event.
 */
export function createDelivery(options: DeliveryOptions): DeliveryLoop {
  const { store, lists, clock, log, relays, random } = options;
  const limits = { ...defaultRetryLimits, ...options.limits };
  const own = relays.own.map(({ url }) => url);
  const underway = new Map<PublicKey, Set<number>>();
  const lanes = new Map<PublicKey, Promise<void>>();
  const flushing = new Set<() => void>();
  let life: AbortSignal | undefined;
  let cancel: Cancel | undefined;
  let pausedUntil = 0;
  let prunedAt = 0;
  let lastProblem: OutboxStatus['lastProblem'];

  const kick = () => {
    if (life === undefined || life.aborted) return;
    cancel?.();
    let wakeAt = 0;
    try {
      wakeAt = pump(life);
    } catch (error) {
      pause(error);
    }
    const pauseMs = Math.max(1, Math.max(wakeAt, pausedUntil) - clock.now());
    cancel = after(pauseMs, { name: 'delivery', log, signal: life }, kick);
  };

  const pause = (error: unknown) => {
    pausedUntil = clock.now() + PAUSE_MS;
    lastProblem = { text: 'delivering failed inside the bot', at: clock.now() };
    log.error({ error }, 'delivering messages failed');
  };

  /** Begins what is due. Returns when to look again (Unix ms). */
  const pump = (signal: AbortSignal): number => {
    const now = clock.now();
    if (now < pausedUntil) return pausedUntil;
    if (now - prunedAt >= PRUNE_EVERY_MS) {
      prunedAt = now;
      store.prune(now - 3 * DAY_MS, now - 14 * DAY_MS);
    }
    const { due, wakeAt } = whatIsDue(store.open(), now);
    for (const { seq, recipient } of due) {
      const here = underway.get(recipient) ?? new Set();
      if (here.has(seq) || here.size >= MAX_UNDERWAY) continue;
      underway.set(recipient, here.add(seq));
      begin(seq, recipient, signal);
    }
    return wakeAt;
  };

  /** After everything that was begun before for this recipient is on the wire. */
  const begin = (seq: number, recipient: PublicKey, signal: AbortSignal) => {
    const before = lanes.get(recipient);
    const end = (error?: unknown) => {
      underway.get(recipient)?.delete(seq);
      if (error !== undefined && !signal.aborted) pause(error);
      kick();
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
    const urls = relaysToTry(destinations, message.deliveries, message.attempts, limits);
    const deliveries = new Map(message.deliveries);
    const attempts = message.attempts + 1;
    let waiting = urls.length;
    const onDelivery = (url: RelayUrl, delivery: Delivery) => {
      waiting -= 1;
      if (signal.aborted) return;
      deliveries.set(url, delivery);
      if (delivery.state !== 'accepted') onProblem(message, url, delivery);
      // It has arrived: that is known at once, though another relay may keep us waiting.
      else if (waiting > 0) save({ state: 'sent', nextAt: message.nextAt });
    };
    const save = (result: ReturnType<typeof afterAttempt>) => {
      store.save(seq, { ...result, deliveries, attempts });
      if (result.state !== 'pending') for (const check of flushing) check();
    };
    await attemptDelivery(message, urls, { relays, clock, publishMs: limits.publishMs, signal, onDelivery });
    if (signal.aborted) return;
    const now = clock.now();
    const result = afterAttempt(message, destinations, deliveries, attempts, { now, random, limits });
    save(result);
    if (result.state === 'undeliverable') onGivenUp(message, deliveries);
  };

  const onProblem = (message: StoredOutgoing, url: RelayUrl, { state, message: said }: Delivery) => {
    lastProblem = { text: `${url}: ${said}`, at: clock.now() };
    log.debug({ relay: url, messageId: message.messageId, state, said }, 'message not accepted');
  };

  const onGivenUp = (message: StoredOutgoing, deliveries: ReadonlyMap<RelayUrl, Delivery>) => {
    const { messageId, recipient, content } = message;
    const facts = { messageId, recipient, content, relays: Object.fromEntries(deliveries) };
    if (content === 'text') log.warn(facts, 'a message could not be delivered');
    else log.debug(facts, 'a reaction could not be delivered');
  };

  return {
    kick,
    start: (signal) => {
      if (signal.aborted) return;
      life = signal;
      store.hurry(clock.now());
      kick();
    },
    flush: async (timeoutMs, signal) => {
      const isEmpty = () => store.counts().pending === 0;
      if (life === undefined || life.aborted || isEmpty()) return life?.aborted !== true && isEmpty();
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const check = () => isEmpty() && resolve(true);
      const giveUp = () => resolve(false);
      const ends = AbortSignal.any([signal, life, AbortSignal.timeout(timeoutMs)]);
      ends.addEventListener('abort', giveUp, { once: true });
      if (ends.aborted) giveUp();
      flushing.add(check);
      try {
        return await promise;
      } finally {
        flushing.delete(check);
        ends.removeEventListener('abort', giveUp);
      }
    },
    status: () => {
      const { pending, undeliverableTexts } = store.counts();
      return { pending, undeliverable: undeliverableTexts, lastProblem };
    },
  };
}

/** What is due, with everything that waits for the same recipient: it would arrive after what is newer otherwise. */
function whatIsDue(open: readonly OpenDelivery[], now: number) {
  const isPending = ({ state }: OpenDelivery) => state === 'pending';
  const recipients = new Set(
    open.filter((item) => isPending(item) && item.nextAt <= now).map(({ recipient }) => recipient),
  );
  const isDue = (item: OpenDelivery) =>
    item.nextAt <= now || (isPending(item) && recipients.has(item.recipient));
  const wakeAt = open
    .filter((item) => !isDue(item))
    .reduce((earliest, { nextAt }) => Math.min(earliest, nextAt), now + MAX_SLEEP_MS);
  return { due: open.filter(isDue), wakeAt };
}
