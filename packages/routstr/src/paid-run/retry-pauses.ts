const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
export const day = 24 * hour;

/**
 * As long as this, what a node says of an empty balance may be a refund that is still being made: "No balance" is not
 * the last word (docs/node-protocol.md#what-becomes-of-a-refund).
 */
export const doubtMs = 10 * minute;

/** After so long without an answer that helps a person is told; it is asked on. */
export const silenceMs = 7 * day;

/** The longest pause that a node can ask for; it is asked again all the same. */
export const longestAskedMs = hour;

/**
 * Whether a run is to be looked at now. No pause is longer than a day: a time beyond that was written down while the
 * clock was ahead.
 */
export const isDue = (nextAt: number, now: number): boolean => nextAt <= now || nextAt - now > day;

/** Why a run waits, which decides for how long. */
export type Waiting =
  | 'node_away' // or its mint, or ours
  | 'ongoing' // requests of the run are still reserved
  | 'under_way' // a refund of this account is being made
  | 'doubt' // the node's answer may not be the last word
  | 'operator';

const away = [5 * second, 30 * second, 2 * minute, 10 * minute];
const hourly = 24;
const short = [5, 10, 20, 40].map((seconds) => seconds * second);

/**
 * How long until a run is looked at again, in ms. Never for ever: what is owed is asked for as long as it is owed.
 *
 * @param attempts how often it was asked in this state
 * @param dueForMs how long the change has been due
 */
export function pauseFor(waiting: Waiting, attempts: number, dueForMs: number): number {
  switch (waiting) {
    case 'node_away':
      // Every start of the bot asks, too: many of them in an hour are no reason to ask once a day.
      return away[attempts] ?? (attempts < away.length + hourly || dueForMs < day ? hour : day);
    case 'ongoing':
      // A node that died in mid-request frees it after 300 s; a newer one holds it as long as the request is served.
      return dueForMs < doubtMs ? (short[attempts] ?? minute) : hour;
    case 'under_way':
      return Math.min(second * 2 ** Math.min(attempts, 6), minute);
    case 'doubt':
      return short[attempts] ?? minute;
    case 'operator':
      return day;
  }
}
