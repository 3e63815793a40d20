import type { LaneLimits } from './lane.ts';

/** What bounds the inbox's memory, time and patience. */
export type InboxLimits = LaneLimits & {
  /** Ids of wraps kept in memory. */
  readonly seenInMemory: number;
  /** How long events are opened before the event loop goes round, ms. */
  readonly sliceMs: number;
  /** How long a message waits at catch-up for earlier ones, ms. */
  readonly holdMs: number;
  /** How many wait at most. */
  readonly heldMessages: number;
  /** Between two subscriptions made to get what was dropped, ms. */
  readonly askAgainMs: number;
  /** How old a message may be that is still wanted, ms: phones may be offline and send later, or the bot was. */
  readonly wantedMs: number;
};

/** A relay that floods costs some 15 % of one core in the long run, and 8 MiB. */
export const defaultInboxLimits: InboxLimits = {
  queueEvents: 4000,
  queueBytes: 8 * 1024 * 1024,
  crowdedAt: 200,
  junkPerSecond: 400,
  junkBurst: 2000,
  seenInMemory: 50_000,
  sliceMs: 4,
  holdMs: 2000,
  heldMessages: 1000,
  askAgainMs: 10_000,
  wantedMs: 6 * 60 * 60_000,
};
