import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';

/** What every part of the bot works with. */
export type Basics = {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Told between two steps, when everything is on disk. Tests end the process there. */
  readonly reached: (checkpoint: string) => void;
  /** Aborted when the bot is stopped. */
  readonly stopping: AbortSignal;
};
