import { pause } from '@nostr-dm-agent/kit/abort';
import type { Settlement } from './provider.ts';

/** An answer waits so long (ms) for the books: with a quick mint and node it has their word then. */
const headStartMs = 8;

export type SettledRun = {
  readonly settlement: Settlement;
  /** The answer went out before, with these figures. */
  readonly told: NonNullable<Settlement> | undefined;
};

/**
 * Mint and node may take their time to give the change back, and the answer need not wait for it: the provider's own bills say
 * what the run cost. What they did not say follows the answer (docs/adr/0024-the-answer-before-the-change.md).
 *
 * @param counted by all of its bills; undefined: they do not say it, so the answer waits
 * @param answer sends it; false: it could not be stored
 */
export async function answerEarly(
  settling: Promise<Settlement>,
  counted: NonNullable<Settlement> | undefined,
  answer: (settlement: Settlement) => Promise<boolean>,
): Promise<SettledRun> {
  if (counted === undefined) return { settlement: await settling, told: undefined };
  const settled = settling.then(() => true);
  const inTime = await Promise.race([settled, pause(headStartMs, neverAborted).then(() => false)]);
  const told = !inTime && (await answer(counted)) ? counted : undefined;
  return { settlement: await settling, told };
}

const neverAborted = new AbortController().signal;
