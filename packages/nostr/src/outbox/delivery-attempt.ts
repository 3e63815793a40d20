import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { PublishOutcome, Relay, Relays } from '../relay/relay.ts';
import { rewrapNow } from '../wrap/gift-wrap.ts';
import type { Destinations } from './destinations.ts';
import type { Delivery, Progress, StoredOutgoing } from './outbox-store.ts';
import { afterAttempt, type RetryLimits, relaysToTry } from './retry-policy.ts';

type AttemptOptions = {
  readonly relays: Relays;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly limits: RetryLimits;
  readonly signal: AbortSignal;
  /** Called when it is known that the message has arrived, and at the end. Not after the signal has aborted. */
  readonly save: (progress: Progress) => void;
  /** A relay did not accept it. */
  readonly onProblem: (url: RelayUrl, delivery: Delivery) => void;
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
  const { relays, clock, random, limits, signal, save, onProblem } = options;
  const urls = relaysToTry(destinations, message.deliveries, message.attempts, limits);
  const deliveries = new Map(message.deliveries);
  const attempts = message.attempts + 1;
  let waiting = urls.length;
  let current: NostrEvent | undefined;
  /** One for all relays of this attempt; made anew for a later one, so that it is never old. */
  const redated = (seal: NostrEvent) => {
    current ??= rewrapNow(seal, { to: message.recipient, clock });
    return current;
  };
  const deliverTo = async (relay: Relay): Promise<Delivery> => {
    const { seal } = message;
    const wantsNow = seal !== undefined && message.deliveries.get(relay.url)?.state === 'redate';
    const first = wantsNow ? redated(seal) : message.event;
    const outcome = await relay.publish(first, limits.publishMs, signal);
    if (seal === undefined || (!wantsNow && !refusesDate(outcome))) return toDelivery(outcome, 'failed');
    if (wantsNow) return toDelivery(outcome, 'redate');
    return toDelivery(await relay.publish(redated(seal), limits.publishMs, signal), 'redate');
  };
  const tryRelay = async (url: RelayUrl) => {
    const delivery = await relays.borrow(url, deliverTo);
    waiting -= 1;
    if (signal.aborted) return;
    deliveries.set(url, delivery);
    if (delivery.state !== 'accepted') onProblem(url, delivery);
    // It has arrived: that is known at once, though another relay may keep us waiting.
    else if (waiting > 0) save({ state: 'sent', nextAt: message.nextAt, deliveries, attempts });
  };

  await Promise.all(urls.map(tryRelay));
  if (signal.aborted) return;
  const circumstances = { now: clock.now(), random, limits };
  save({
    ...afterAttempt(message, destinations, deliveries, attempts, circumstances),
    ...{ deliveries, attempts },
  });
}

/** No machine-readable prefix says this; the wordings are those of relays in use. */
const refusesDate = (outcome: PublishOutcome) =>
  outcome.result === 'refused' &&
  /timestamp|created_at|too (?:far|old)|back-?dat|in the past/i.test(outcome.message);

function toDelivery(outcome: PublishOutcome, otherwise: 'failed' | 'redate'): Delivery {
  const { message } = outcome;
  if (outcome.result === 'accepted') return { state: 'accepted', message };
  return { state: outcome.result === 'refused' && outcome.permanent ? 'refused' : otherwise, message };
}
