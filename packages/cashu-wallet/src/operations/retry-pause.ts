/** How long what could not be finished is left alone, in ms: half a minute, doubled each time, an hour at most. */
export const retryPause = (attempts: number): number =>
  Math.min(30_000 * 2 ** Math.min(attempts, 10), 3_600_000);
