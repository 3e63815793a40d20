import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import { CLOCK_TOLERANCE_MS, compareClock } from '@nostr-dm-agent/kit/compare-clock';
import type { Config } from '../config/config.ts';
import { timeSourcesOf } from '../config/time-sources.ts';
import { clockFact, clockRemedy } from '../replies/clock-replies.ts';
import type { Finding } from './finding.ts';

/** This machine's clock, compared with the dates that mint, node and relays put on their answers. */
export async function checkClock(
  config: Pick<Config, 'wallet' | 'node' | 'relays'>,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<readonly Finding[]> {
  const subject = 'clock';
  const found = await compareClock(timeSourcesOf(config), clock, signal);
  if (found === undefined) {
    return [
      {
        subject,
        state: 'warning',
        fact: 'nobody could be asked for the time',
        remedy: 'see the relays above',
      },
    ];
  }
  if (Math.abs(found.aheadMs) <= CLOCK_TOLERANCE_MS) {
    return [{ subject, state: 'ok', fact: `right, says ${found.sources.slice(0, 3).join(', ')}` }];
  }
  return [{ subject, state: 'broken', fact: `this machine’s is ${clockFact(found)}`, remedy: clockRemedy }];
}
