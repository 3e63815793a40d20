import { msatToSatFloor, type Sat, sat } from '@nostr-dm-agent/kit/sat';

/** Beside what its bills say, a node rounds; nobody is blamed for that. */
const slackMsat = (mostMsat: number): number => 1000 + mostMsat * 0.01;

/**
 * What a node kept of a run beyond all that its bills can explain, in whole sat.
 *
 * @param mostMsat the most that it can have charged; undefined: nobody can tell
 */
export function unexplainedOf(spent: Sat, mostMsat: number | undefined): Sat {
  if (mostMsat === undefined) return sat(0);
  const over = spent * 1000 - mostMsat;
  return over > slackMsat(mostMsat) ? msatToSatFloor(over) : sat(0);
}
