import type { Clock } from '@nostr-dm-agent/kit/clock';
import { CLOCK_TOLERANCE_MS } from '@nostr-dm-agent/kit/compare-clock';
import type { NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { PublishOutcome, Relay, Relays } from '../relay/relay.ts';
import { rewrapNow } from '../wrap/gift-wrap.ts';
import { MOST_POW_BITS } from '../wrap/proof-of-work.ts';
import type { Destinations } from './destinations.ts';
import type { Delivery, Progress, StoredOutgoing } from './outbox-store.ts';
import { afterAttempt, type RetryLimits, relaysToTry } from './retry-policy.ts';
import { neededRoom } from './room.ts';
import type { Workshop } from './work.ts';

type AttemptOptions = {
  readonly relays: Relays;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly limits: RetryLimits;
  readonly signal: AbortSignal;
  readonly workshop: Workshop;
  readonly isRefusing: (url: RelayUrl) => boolean;
  /** It can't be made smaller for a relay that finds it too large. */
  readonly unsplittable: boolean;
  /** Called when it is known that the message has arrived, and at the end. Not after the signal has aborted. */
  readonly save: (progress: Progress) => void;
  /** A relay accepted it or did not. */
  readonly onOutcome: (url: RelayUrl, delivery: Delivery) => void;
};

/**
 * Publishes a message to several relays at once; every event is handed to its connection before this returns its
 * promise, so calling it for one message after the other keeps their order. A relay that finds the wrap too old gets
 * the same seal in a wrap dated now.
 */
export async function attemptDelivery(
  message: StoredOutgoing,
  destinations: Destinations,
  options: AttemptOptions,
): Promise<void> {
  const { relays, clock, random, limits, signal, save, onOutcome } = options;
  const urls = relaysToTry(destinations, message.deliveries, message.attempts, limits, options.isRefusing);
  const deliveries = new Map(message.deliveries);
  const attempts = message.attempts + 1;
  let waiting = urls.length;
  let current: NostrEvent | undefined;
  /** One for all relays of this attempt, but for those whose clock is behind; made anew for a later one, so that it is never old. */
  const redated = (seal: NostrEvent, { url }: Relay) => {
    const aheadMs = Math.max(0, relays.capacities.of(url).information()?.clockAheadMs ?? 0);
    const theirs = { now: () => clock.now() - aheadMs };
    if (aheadMs > CLOCK_TOLERANCE_MS) return rewrapNow(seal, { to: message.recipient, clock: theirs });
    current ??= rewrapNow(seal, { to: message.recipient, clock });
    return current;
  };
  /** With proof of work where the relay wants it; also when it says so only now. */
  const withWork = async (relay: Relay, bits: number): Promise<Outcome> => {
    const worked = await options.workshop(message, bits, signal);
    if ('why' in worked) return { state: 'refused', message: worked.why };
    const outcome = await relay.publish(worked.event, limits.publishMs, signal);
    const asked = relays.capacities.of(relay.url).pow();
    return wants(outcome) === 'work' && asked > bits ? withWork(relay, asked) : toDelivery(outcome, 'failed');
  };
  const deliverTo = async (relay: Relay): Promise<Outcome> => {
    const capacity = relays.capacities.of(relay.url);
    // What is too much to do is tried without: the relay may not mean it any more.
    const bits = capacity.pow();
    if (bits > 0 && bits <= MOST_POW_BITS) return withWork(relay, bits);
    const delivery = await deliverWithout(relay);
    return delivery.wants === 'work' && capacity.pow() > 0 ? withWork(relay, capacity.pow()) : delivery;
  };
  const deliverWithout = async (relay: Relay): Promise<Outcome> => {
    const { seal } = message;
    const wantsNow = seal !== undefined && message.deliveries.get(relay.url)?.state === 'redate';
    const first = wantsNow ? redated(seal, relay) : message.event;
    const outcome = await relay.publish(first, limits.publishMs, signal);
    if (seal === undefined || (!wantsNow && !refusesDate(outcome))) return toDelivery(outcome, 'failed');
    if (wantsNow) return toDelivery(outcome, 'redate');
    return toDelivery(await relay.publish(redated(seal, relay), limits.publishMs, signal), 'redate');
  };
  const tryRelay = async (url: RelayUrl) => {
    const found = await relays.borrow(url, deliverTo);
    const hopeless = options.unsplittable && found.wants === 'size';
    const delivery: Delivery = hopeless ? { ...found, state: 'refused' } : found;
    waiting -= 1;
    if (signal.aborted) return;
    deliveries.set(url, { state: delivery.state, message: delivery.message });
    onOutcome(url, delivery);
    // It has arrived: that is known at once, though another relay may keep us waiting.
    if (delivery.state === 'accepted' && waiting > 0)
      save({ state: 'sent', nextAt: message.nextAt, deliveries, attempts });
  };

  await Promise.all(urls.map(tryRelay));
  if (signal.aborted) return;
  const now = clock.now();
  const circumstances = { now, random, limits };
  const after = afterAttempt(message, destinations, deliveries, attempts, circumstances);
  // It was too large: in smaller messages it may go at once.
  const next = { ...message, deliveries, attempts };
  const atOnce = after.state === 'pending' && neededRoom(next, destinations, relays.capacities) !== undefined;
  save({ ...after, ...(atOnce && attempts === 1 ? { nextAt: now } : {}), deliveries, attempts });
}

/** No machine-readable prefix says this; the wordings are those of relays in use. */
const refusesDate = (outcome: PublishOutcome) =>
  outcome.result === 'refused' &&
  /timestamp|created_at|too (?:far|old)|back-?dat|in the past/i.test(outcome.message);

type Refused = Extract<PublishOutcome, { readonly result: 'refused' }>;
const wants = (outcome: PublishOutcome): Refused['wants'] =>
  outcome.result === 'refused' ? outcome.wants : undefined;

type Outcome = Delivery & Pick<Refused, 'wants'>;

function toDelivery(outcome: PublishOutcome, otherwise: 'failed' | 'redate'): Outcome {
  const { message } = outcome;
  if (outcome.result === 'accepted') return { state: 'accepted', message };
  // What is too large is not refused for good: it is made smaller.
  const isFinal = outcome.result === 'refused' && outcome.permanent && outcome.wants !== 'size';
  const wanted = wants(outcome);
  return { state: isFinal ? 'refused' : otherwise, message, ...(wanted && { wants: wanted }) };
}
