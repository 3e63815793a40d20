import { remainingSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { WalletAnswer } from '@nostr-dm-agent/nostr';
import type { SealContext } from '../keys/seal.ts';

/** What counts when it is decided whether a top-up is due. Times in Unix ms. */
export type Standing = {
  /** Ready, in use and on its way in. */
  readonly held: Sat;
  /** `!wallet alert`; zero: there is none, and nothing is ever due. */
  readonly threshold: Sat;
  /** The most on a day, and what of it is or may be spent. */
  readonly cap: Sat;
  readonly used: Sat;
  readonly stopped: string | undefined;
  readonly nextAt: number;
  readonly now: number;
};
export type Plan =
  | { readonly kind: 'top-up'; readonly amount: Sat }
  /** `waiting`: something went wrong a moment ago. */
  | { readonly kind: 'enough' | 'waiting' | 'stopped' | 'cap-used' };

/** Twice the alert, or what the day's cap leaves; less than the alert is not worth asking for, unless the cap is less. */
export function planTopUp({ held, threshold, cap, used, stopped, nextAt, now }: Standing): Plan {
  if (held >= threshold) return { kind: 'enough' };
  if (stopped !== undefined) return { kind: 'stopped' };
  // Further ahead than any wait: the clock was set back meanwhile.
  if (now < nextAt && nextAt - now <= longestWaitMs) return { kind: 'waiting' };
  const amount = sat(Math.min(threshold * 2, remainingSat(cap, used)));
  if (amount < Math.min(threshold, cap)) return { kind: 'cap-used' };
  return { kind: 'top-up', amount };
}

/** A pause after the so-manieth failure in a row, ms. */
export const pauseAfter = (failures: number): number =>
  Math.min(longestPauseMs, shortestPauseMs * 2 ** Math.max(0, failures - 1));
const shortestPauseMs = 10 * 60_000;
const longestPauseMs = 6 * 60 * 60_000;
/** Until the next day, an hour longer where clocks are put back. */
const longestWaitMs = 25 * 60 * 60_000;

/**
 * What a wallet's word is worth; what was paid, the mint alone knows.
 * - `later`: it says that it has not paid and may later. The same invoice may be asked for again.
 * - `never`: the same, until its owner changes something.
 * - `unclear`: it may have paid, or may yet: failed, timed out, anything that is not known here.
 */
export type Worth = 'claims-paid' | 'later' | 'never' | 'unclear' | 'silent';
const later = new Set(['QUOTA_EXCEEDED', 'INSUFFICIENT_BALANCE', 'RATE_LIMITED']);
const never = new Set(['RESTRICTED', 'UNAUTHORIZED', 'NOT_IMPLEMENTED', 'UNSUPPORTED_ENCRYPTION']);

/** @param answer as it is kept: a code of NIP-47, `paid`, `silent`; undefined: none was heard of before a kill */
export function worthOf(answer: string | undefined): Worth {
  if (answer === undefined || answer === 'silent') return 'silent';
  if (answer === 'paid') return 'claims-paid';
  return later.has(answer) ? 'later' : never.has(answer) ? 'never' : 'unclear';
}

/** After an invoice has ended a payment of it may still be on its way. */
const graceMs = 60_000;
/** Until then (Unix ms) an invoice that ends at a moment can be paid, and no other is asked for: both could be. */
export const payableUntil = (expiresAt: number): number => expiresAt + graceMs;

/** As it is kept. A code is a wallet's own text: short, of the letters that codes have, and none of our words. */
export function keptAnswer(answer: WalletAnswer): string {
  if (answer.kind === 'done') return 'paid';
  if (answer.kind === 'silent') return 'silent';
  return /^[A-Z][A-Z0-9_]{1,31}$/.test(answer.code) ? answer.code : 'OTHER';
}

/** Where the day began, by this machine's clock and zone, as all of the bot's limits have it. */
export const midnight = (now: number): number => new Date(now).setHours(0, 0, 0, 0);

/** Where it ends. */
export const nextMidnight = (now: number): number => new Date(now).setHours(24, 0, 0, 0);

/** What the connection to an owner's wallet is sealed for. */
export const connectionSeal = (owner: string): SealContext => ['auto-top-up', owner];
