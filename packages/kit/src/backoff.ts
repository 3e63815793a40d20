/** How long to wait between attempts. Milliseconds. */
export type BackoffLimits = { readonly baseMs: number; readonly maxMs: number };

/**
 * The wait before attempt number `attempt` (0 = the first repetition): doubled each time up to the maximum, then
 * spread by ±25 % so that many connections lost at once don't all come back at once.
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: () => number): number {
  return Math.min(limits.maxMs, limits.baseMs * 2 ** attempt) * (0.75 + random() / 2);
}
