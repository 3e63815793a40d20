import { advanceWhileWaiting, becomeDue } from './advance.ts';
import { costOf } from './owed-sums.ts';
import { isIn } from './paid-run.ts';
import type { RunMeans } from './prepare-run.ts';
import type { PaidRunCost } from './run-ticket.ts';
import { wholeBudget } from './top-up.ts';

/** The agent is gone, and nobody else spends: asks for what is left, and books what it cost as far as that is known. */
export async function finalizeRun(
  { deps, endpoints, onAccount }: RunMeans,
  runId: string,
  signal: AbortSignal,
): Promise<PaidRunCost> {
  const { store } = deps;
  const spentMsat = await endpoints.close(runId);
  const cost = (): PaidRunCost => {
    const run = store.find(runId);
    return run && costOf(run, wholeBudget(store, run));
  };
  try {
    const run = store.find(runId);
    if (run?.ticket.account !== undefined) await onAccount.finish(runId, spentMsat, signal);
    else if (run) {
      await deps.lock(runId, async () => {
        const now = store.get(runId);
        if (isIn(now, 'deposited', 'running')) becomeDue(deps, now, spentMsat);
        await advanceWhileWaiting(deps, runId, signal);
      });
    }
    return cost();
  } catch (error) {
    if (!signal.aborted) throw error;
    deps.log.warn({ run: runId }, 'the change is not back in time; it is asked for in the background');
    return cost();
  } finally {
    // What needs a person is told apart, when it is looked after.
    const run = store.find(runId);
    if (run && !isIn(run, 'needs_operator')) store.setTold(runId);
    deps.live.end(runId);
  }
}
