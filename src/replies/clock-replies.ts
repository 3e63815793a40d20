import type { ClockFinding } from '@nostr-dm-agent/kit/compare-clock';
import { formatDuration } from './format.ts';

/** `62 min behind (mint example.org, relay …)`. */
export const clockFact = ({ aheadMs, sources }: ClockFinding): string =>
  `${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead' : 'behind'} (${sources.slice(0, 3).join(', ')})`;

export const clockRemedy = 'set it: sudo timedatectl set-ntp true';

export const clockNotice = (finding: ClockFinding): string =>
  `The clock of the machine I run on is ${clockFact(finding)}. Messages look old or new to me that are not, and relays may refuse mine. On the host: ${clockRemedy.slice('set it: '.length)}`;
