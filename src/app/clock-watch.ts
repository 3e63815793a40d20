import { CLOCK_TOLERANCE_MS, type ClockFinding, compareClock } from '@nostr-dm-agent/kit/compare-clock';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { Config } from '../config/config.ts';
import { timeSourcesOf } from '../config/time-sources.ts';
import { clockNotice } from '../replies/clock-replies.ts';
import type { Basics } from './basics.ts';

const EVERY_MS = 60 * 60_000;

export type ClockWatch = {
  /** As found last; undefined before, or when nobody could be asked. */
  readonly found: () => ClockFinding | undefined;
};

/** Compares the clock now and every hour; tells when it is off, once until it is right again. Never throws. */
export function watchClock(
  config: Pick<Config, 'wallet' | 'node' | 'relays'>,
  tell: (text: string) => void,
  { clock, log, stopping: signal }: Pick<Basics, 'clock' | 'log' | 'stopping'>,
): ClockWatch {
  const sources = timeSourcesOf(config);
  let found: ClockFinding | undefined;
  let told = false;
  const look = async () => {
    found = (await compareClock(sources, clock, signal)) ?? found;
    if (found === undefined || signal.aborted) return;
    const wrong = Math.abs(found.aheadMs) > CLOCK_TOLERANCE_MS;
    if (wrong && !told) {
      log.warn({ aheadMs: found.aheadMs, sources: found.sources }, 'this machine’s clock is wrong');
      tell(clockNotice(found));
    }
    told = wrong;
  };
  const timer = { name: 'comparing clocks', log, signal };
  after(0, timer, look);
  every(EVERY_MS, timer, look);
  return { found: () => found };
}
