import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Ending } from './conclude.ts';
import type { Settlement } from './provider.ts';

/** An answer waits so long (ms) for the books: with a quick mint and node it has their word then. */
const headStartMs = 8;

/** What a run cost, by all of its bills. */
type Counted = NonNullable<Settlement>;

export type SettledRun = {
  readonly settlement: Settlement;
  /** The answer went out before, with these figures. */
  readonly told: Counted | undefined;
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
  counted: Counted | undefined,
  answer: (settlement: Settlement) => Promise<boolean>,
): Promise<SettledRun> {
  if (counted === undefined) return { settlement: await settling, told: undefined };
  const settled = settling.then(() => true);
  const inTime = await Promise.race([settled, pause(headStartMs, neverAborted).then(() => false)]);
  const told = !inTime && (await answer(counted)) ? counted : undefined;
  return { settlement: await settling, told };
}

const neverAborted = new AbortController().signal;

/** The answer that is sent before its agent is done, once. */
export type EarlySending = {
  /** @returns whether this one was sent */
  readonly send: (ending: Ending) => boolean;
  readonly sent: () => { readonly ending: Ending; readonly settlement: Settlement } | undefined;
};

/**
 * An agent that has said its last word may take a while to say that it is done, and the answer need not wait for that either.
 *
 * @param conclude sends it and closes the run in one transaction
 * @param counted what the run cost, when all of its bills are there; `nobody_counts`: its provider keeps no account
 */
export function sendEarly(
  conclude: (ending: Ending, settlement: Settlement) => void,
  counted: () => Counted | 'nobody_counts' | undefined,
  log: Logger,
): EarlySending {
  let sent: ReturnType<EarlySending['sent']>;
  return {
    send: (ending) => {
      const found = sent === undefined ? counted() : undefined;
      if (found === undefined) return false;
      const settlement = found === 'nobody_counts' ? undefined : found;
      try {
        conclude(ending, settlement);
      } catch (cause) {
        // It is sent when its agent is done.
        log.warn({ cause }, 'an answer could not be sent early');
        return false;
      }
      sent = { ending, settlement };
      return true;
    },
    sent: () => sent,
  };
}

/** Whether an agent said something else than what was sent as its last word. */
export const wentOn = (sent: Ending, ending: Ending): boolean =>
  ending.outcome === 'answered' && ink(ending.answer) !== ink(sent.answer);

const ink = (text = ''): string => text.replace(/\s+/g, '');
