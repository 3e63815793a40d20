import { setTimeout as sleep } from 'node:timers/promises';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { Config } from '../config/config.ts';
import type { HistoryForgetter } from '../store/forget-history.ts';
import type { Basics } from './basics.ts';
import type { ClockWatch } from './clock-watch.ts';

const dayMs = 86_400_000;
/** What relays may deliver and what is acted on is younger than this, and what waits may be caught up with. */
const leastMs = 7 * dayMs;
const firstMs = 10 * 60_000;
const everyMs = 6 * 60 * 60_000;
/** Of a clock that is further ahead than that, as relays and mints say, nothing is old. */
const wrongMs = 24 * 60 * 60_000;
/** Between two parts other work goes on. */
const pauseMs = 100;

/** How old history is that is forgotten (ms); undefined: it is kept. Never what may still be acted on. */
export const forgottenAfterMs = ({
  historyMs,
  catchupMs,
}: Pick<Config, 'historyMs' | 'catchupMs'>): number | undefined =>
  historyMs === 0 ? undefined : Math.max(historyMs, catchupMs + leastMs);

/** All that is over and older, part by part. */
export async function forgetOnce(
  history: HistoryForgetter,
  before: number,
  pause: () => Promise<unknown>,
): Promise<void> {
  for (let from: number | undefined = 0; from !== undefined; ) {
    from = history.messages(before, from);
    if (from !== undefined) await pause();
  }
  while (history.runs(before)) await pause();
  while (history.files(before)) await pause();
}

/** Forgets messages and runs that are over and older than `BOT_HISTORY_DAYS`, now and then. The ledger and the wallet stay whole. */
export function forgetHistory(
  config: Pick<Config, 'historyMs' | 'catchupMs'>,
  history: HistoryForgetter,
  found: ClockWatch['found'],
  { clock, log, stopping: signal }: Pick<Basics, 'clock' | 'log' | 'stopping'>,
): void {
  const olderThan = forgottenAfterMs(config);
  if (olderThan === undefined) return;
  const timer = { name: 'forgetting old history', log, signal };
  const pause = () => sleep(pauseMs, undefined, { signal, ref: false });
  const forget = async () => {
    if ((found()?.aheadMs ?? 0) <= wrongMs) await forgetOnce(history, clock.now() - olderThan, pause);
  };
  after(firstMs, timer, forget);
  every(everyMs, timer, forget);
}
