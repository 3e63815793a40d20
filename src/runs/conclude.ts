import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { noResults, type Results } from '../files/result-files.ts';
import { gotText } from '../replies/file-replies.ts';
import { finalReply } from '../replies/run-replies.ts';
import { type RunReaction, reactToRun, replyToRun } from './messenger.ts';
import type { Settlement } from './provider.ts';
import type { Run, RunOutcome, RunResult } from './run.ts';
import type { RunDeps } from './run-deps.ts';

/** How a run went, before it is settled. */
export type Ending = {
  readonly outcome: RunOutcome;
  readonly answer: string | undefined;
  readonly result: RunResult | undefined;
};

/** When it was begun (ms), and since when what changes in its workspace is its agent's doing. */
export type Times = { readonly startedAt: number; readonly since: number };

/** So long ago, an answer of another session is still on the screen. */
const sideBySideMs = 10 * 60_000;

/** Whether answers of other sessions arrive at about the same time. */
const hasOthers = (run: Run, now: number, { runs, sessions }: RunDeps['stores']): boolean =>
  runs.hasOpenBeside(run.owner, run.session) ||
  sessions
    .list(run.owner, 2, undefined)
    .some(({ id, usedAt }) => id !== run.session && now - usedAt < sideBySideMs);

const reactionTo = (outcome: RunOutcome): RunReaction => {
  if (outcome === 'answered') return '✅';
  return outcome === 'stopped' ? '⏹' : '❌';
};

/** Closes the run, answers it and marks the task's message, all in one transaction. */
export function conclude(
  runId: string,
  ending: Ending,
  settlement: Settlement,
  { startedAt, since }: Times,
  {
    stores,
    messenger,
    scheduled,
    results,
    clock,
    log,
  }: Pick<RunDeps, 'stores' | 'messenger' | 'scheduled' | 'results' | 'clock' | 'log'>,
): void {
  const endedAt = clock.now();
  const begun = stores.runs.get(runId);
  const { outcome, answer } = ending;
  const madeBy = (made: Run): Results => {
    try {
      return results(made, answer ?? '', since);
    } catch (cause) {
      if (isBusy(cause)) throw cause;
      // No answer is lost for its files.
      log.error({ cause, run: runId }, 'what a run made could not be looked for');
      return noResults;
    }
  };
  const made = begun === undefined || outcome !== 'answered' ? noResults : madeBy(begun);
  stores.atomically(() => {
    const told = stores.runs.get(runId)?.told;
    stores.runs.finish(runId, { ...ending, endedAt });
    const run = stores.runs.get(runId);
    if (run === undefined) return;
    stores.sessions.update(run.session, { usedAt: endedAt });
    const ended = scheduled(run);
    if (ended === 'quiet') return;
    const to = replyToRun(run);
    const named = hasOthers(run, endedAt, stores) ? stores.sessions.get(run.session) : undefined;
    const { text, foot } = finalReply({ ...run, told }, endedAt - startedAt, settlement, named, ended, made);
    const series = { before: run.parts, open: false };
    const whole = { name: `answer-${run.seq}.md`, text: run.answer ?? text };
    messenger.send(to, text, { foot, series, whole, beside: made.files });
    for (const file of made.texts) messenger.send(to, gotText(file.path, file.text));
    reactToRun(messenger, run, reactionTo(ending.outcome));
  });
}
