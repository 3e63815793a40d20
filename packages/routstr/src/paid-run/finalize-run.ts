import { msatToSatFloor } from '@nostr-dm-agent/kit/sat';
import type { Contradiction, RunUsage } from '../meter/metered-run.ts';
import { advanceWhileWaiting, becomeDue } from './advance.ts';
import { costOf } from './owed-sums.ts';
import { isIn, type PaidRun } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import type { RunMeans } from './prepare-run.ts';
import type { PaidRunCost } from './run-ticket.ts';
import { wholeBudget } from './whole-budget.ts';

/** The agent is gone, and nobody else spends: asks for what is left, and books what it cost as far as that is known. */
export async function finalizeRun(
  { deps, endpoints, onAccount, ahead }: RunMeans,
  runId: string,
  signal: AbortSignal,
): Promise<PaidRunCost> {
  const { store } = deps;
  const usage = await endpoints.close(runId);
  const cost = (): PaidRunCost => {
    const run = store.find(runId);
    const known = run && costOf(run, wholeBudget(store, run));
    return known && { ...known, ...contradictionOf(usage) };
  };
  try {
    const run = store.find(runId);
    if (run && usage?.contradiction) keepEvidence(deps, run, usage.contradiction);
    if (run?.ticket.account !== undefined) await onAccount.finish(runId, usage, signal);
    else if (run) {
      await deps.lock(runId, async () => {
        const now = store.get(runId);
        if (isIn(now, 'deposited', 'running')) becomeDue(deps, now, usage);
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
    if (run) ahead.refill(run.ticket.owner);
  }
}

function contradictionOf(usage: RunUsage | undefined): Pick<NonNullable<PaidRunCost>, 'contradiction'> {
  if (usage?.contradiction === undefined) return {};
  const { saidMsat, leastMsat } = usage.contradiction;
  const said = saidMsat === undefined ? undefined : msatToSatFloor(saidMsat);
  return { contradiction: { said, least: msatToSatFloor(leastMsat) } };
}

/** With the run, for the node's operator. */
function keepEvidence({ store, log }: PaidRunDeps, run: PaidRun, contradiction: Contradiction): void {
  const { detail, leastMsat } = contradiction;
  log.error({ run: run.id, node: run.node, ...contradiction }, 'a node contradicts its own bills');
  const message = `“${detail}”; by its bills at least ${Math.floor(leastMsat)} msat must be left`;
  store.record(run.id, 'call', 'contradiction', {
    status: 402,
    code: undefined,
    message,
    requestId: undefined,
  });
}
