import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { PublishOutcome, Relay, Relays } from '../relay/relay.ts';
import { rewrapNow } from '../wrap/gift-wrap.ts';
import type { Delivery, StoredOutgoing } from './outbox-store.ts';

export type AttemptOptions = {
  readonly relays: Relays;
  readonly clock: Clock;
  /** For each relay's OK. Milliseconds. */
  readonly publishMs: number;
  readonly signal: AbortSignal;
  /** Called once for each relay, as soon as it is known. */
  readonly onDelivery: (url: RelayUrl, delivery: Delivery) => void;
};

/**
 * Publishes a message to several relays at once; every event is handed to its connection before this returns its
 * promise, so calling it for one message after the other keeps their order. A relay that finds the wrap too old gets
 * the same seal in a wrap dated now.
 */
export async function attemptDelivery(
  message: Pick<StoredOutgoing, 'event' | 'seal' | 'recipient' | 'deliveries'>,
  urls: readonly RelayUrl[],
  options: AttemptOptions,
): Promise<void> {
  const { relays, clock, publishMs, signal, onDelivery } = options;
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
    const outcome = await relay.publish(first, publishMs, signal);
    if (seal === undefined || (!wantsNow && !refusesDate(outcome))) return toDelivery(outcome, 'failed');
    if (wantsNow) return toDelivery(outcome, 'redate');
    return toDelivery(await relay.publish(redated(seal), publishMs, signal), 'redate');
  };

  await Promise.all(urls.map(async (url) => onDelivery(url, await relays.borrow(url, deliverTo))));
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
