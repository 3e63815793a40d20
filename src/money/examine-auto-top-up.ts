import type { Clock } from '@nostr-dm-agent/kit/clock';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { parseWalletConnection, type Relays, type RelayUrl } from '@nostr-dm-agent/nostr';
import { SealError, type Sealer } from '../keys/seal.ts';
import type { AutoTopUpSource } from '../store/auto-top-up-table.ts';
import { connectionSeal } from './auto-top-up-plan.ts';
import { type ConnectionCheck, lookAtConnection, type Means, meansOf } from './look-at-connection.ts';

/** How long each of three answers is waited for at most. */
const mostWaitMs = 6_000;

/** What the wallet that top-ups come from is good for now. No secret is in it. */
export type AutoTopUpExam = {
  readonly relays: readonly RelayUrl[];
  /** What one top-up takes. */
  readonly amount: Sat;
  readonly stopped: string | undefined;
} & (
  | { readonly found: 'good'; readonly means: Means }
  /** `locked`: sealed with another key than the bot's. */
  | { readonly found: Exclude<ConnectionCheck, 'good'> | 'locked' }
);

/** Asks the wallet; moves nothing. One that is stopped is not asked. @param threshold of `!wallet alert`, sat */
export async function examineSource(
  { owner, connection: sealed, relays: urls, cap, stopped }: AutoTopUpSource,
  threshold: number,
  {
    relays,
    allowLoopback,
    sealer,
    clock,
    waitMs = mostWaitMs,
  }: {
    readonly relays: Pick<Relays, 'borrow' | 'ask'>;
    readonly allowLoopback: boolean;
    readonly sealer: Sealer;
    readonly clock: Clock;
    readonly waitMs?: number;
  },
  signal: AbortSignal,
): Promise<AutoTopUpExam> {
  const facts = { relays: urls, amount: sat(Math.min(threshold * 2, cap)), stopped };
  try {
    const connection = parseWalletConnection(sealer.open(sealed, connectionSeal(owner)), { allowLoopback });
    if (stopped !== undefined) return { ...facts, found: 'silent' };
    const looked = await lookAtConnection(
      { connection, relays, clock, waitMs: Math.min(waitMs, mostWaitMs) },
      signal,
    );
    if (looked.found !== 'good') return { ...facts, ...looked };
    return { ...facts, found: 'good', means: await meansOf(looked.ask) };
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return { ...facts, found: 'locked' };
  }
}
