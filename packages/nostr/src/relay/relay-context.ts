import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { TimerOptions } from '@nostr-dm-agent/kit/timers';
import type { RelayUrl } from '../nostr-types.ts';
import type { RelayCapacity } from './capacity.ts';
import type { RelayLimits } from './relay-limits.ts';
import type { RelayTimings } from './relay-timings.ts';

/** What every part of the connection to one relay needs. */
export type RelayContext = {
  readonly url: RelayUrl;
  /** One of the bot's own relays: it may know who we are (AUTH) before it demands it. Others only get to for a publish. */
  readonly own: boolean;
  readonly timings: RelayTimings;
  readonly limits: RelayLimits;
  /** What the relay takes, as far as that is known. */
  readonly capacity: RelayCapacity;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
};

/** How the timers of a relay are named in the log. */
export const timerOf = ({ url, log }: Pick<RelayContext, 'url' | 'log'>): TimerOptions => ({
  name: `relay ${url}`,
  log,
});
