/** The time, injected so that tests can move it. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
};

export const systemClock: Clock = { now: () => Date.now() };

/** Whole Unix seconds, the unit of every Nostr timestamp. */
export const unixSeconds = (clock: Clock): number => Math.floor(clock.now() / 1000);
