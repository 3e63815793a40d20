import { type BackoffLimits, backoffMs } from '@nostr-dm-agent/kit/backoff';
import type { RelayUrl } from '../nostr-types.ts';
import type { Destinations } from './destinations.ts';
import type { Deliveries, Progress, StoredOutgoing } from './outbox-store.ts';

/** Milliseconds, unless it says otherwise. */
export type RetryLimits = {
  /** For a relay's OK, connecting included. */
  readonly publishMs: number;
  readonly backoff: BackoffLimits;
  /** How long a message is tried at all. A reaction is worth nothing when the work is over. */
  readonly textLifeMs: number;
  readonly reactionLifeMs: number;
  /** Attempts after which the reserve is tried too, when nobody answers. */
  readonly reserveAfter: number;
  /** Attempts after which a message that arrived at one relay is no longer offered to the others. */
  readonly extraAttempts: number;
};

export const defaultRetryLimits: RetryLimits = {
  publishMs: 10_000,
  backoff: { baseMs: 2_000, maxMs: 10 * 60_000 },
  textLifeMs: 3 * 24 * 60 * 60_000,
  reactionLifeMs: 60 * 60_000,
  reserveAfter: 1,
  extraAttempts: 6,
};

const isOpen = (deliveries: Deliveries) => (url: RelayUrl) => {
  const state = deliveries.get(url)?.state;
  return state !== 'accepted' && state !== 'refused';
};
const accepted = (deliveries: Deliveries) => (url: RelayUrl) => deliveries.get(url)?.state === 'accepted';

/** The relays that the next attempt goes to. */
export function relaysToTry(
  { primary, reserve }: Destinations,
  deliveries: Deliveries,
  attempts: number,
  limits: RetryLimits,
  /** It has taken nothing of late. */
  isRefusing: (url: RelayUrl) => boolean,
): readonly RelayUrl[] {
  const arrived = [...deliveries.keys()].some(accepted(deliveries));
  const open = primary.filter(isOpen(deliveries));
  const silent = attempts >= limits.reserveAfter || open.every(isRefusing);
  return [...open, ...(silent && !arrived ? reserve.filter(isOpen(deliveries)) : [])];
}

/** What is left to do for a message after attempt number `attempts` (from 1). */
export function afterAttempt(
  message: Pick<StoredOutgoing, 'content' | 'createdAt'>,
  { primary, reserve, provisional }: Destinations,
  deliveries: Deliveries,
  attempts: number,
  options: { readonly now: number; readonly random: () => number; readonly limits: RetryLimits },
): Pick<Progress, 'state' | 'nextAt'> {
  const { now, random, limits } = options;
  const life = message.content === 'text' ? limits.textLifeMs : limits.reactionLifeMs;
  const expired = now >= message.createdAt + life;
  const later = now + Math.round(backoffMs(attempts - 1, limits.backoff, random));
  const primaryOpen = primary.some(isOpen(deliveries));

  if ([...deliveries.keys()].some(accepted(deliveries))) {
    const enough = attempts >= limits.extraAttempts && primary.some(accepted(deliveries));
    const more = (primaryOpen || provisional) && !expired && !enough;
    return { state: 'sent', nextAt: more ? later : undefined };
  }
  const reserveOpen = reserve.some(isOpen(deliveries));
  const hopeless = !primaryOpen && !reserveOpen && !provisional;
  if (expired || hopeless) return { state: 'undeliverable', nextAt: undefined };
  const reserveNow = !primaryOpen && reserve.some((url) => !deliveries.has(url));
  return { state: 'pending', nextAt: reserveNow ? now : later };
}
