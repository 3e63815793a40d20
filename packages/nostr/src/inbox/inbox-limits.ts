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

/**
 * A relay that floods costs some 15 % of one core in the long run, and 8 MiB. The first 100,000 are read as fast as one core
 * goes, in slices: which of them is an owner's is not known before it is opened, and one that is passed over waits for the
 * next time that the relay is asked.
 */
export const defaultInboxLimits: InboxLimits = {
  queueEvents: 4000,
  queueBytes: 8 * 1024 * 1024,
  crowdedAt: 200,
  junkPerSecond: 400,
  junkBurst: 100_000,
  seenInMemory: 50_000,
  sliceMs: 4,
  holdMs: 2000,
  heldMessages: 1000,
  askAgainMs: 10_000,
  wantedMs: 6 * 60 * 60_000,
};
