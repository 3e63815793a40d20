import { type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { notCredited } from './advance.ts';
import { refuseMint, refuseSpending } from './budget-rules.ts';
import { issueOrRefuse } from './issue-token.ts';
import { isIn, isOpen } from './paid-run.ts';
import type { MoreRefusal } from './payment-refusals.ts';
import type { RunMeans } from './prepare-run.ts';
import { type TopUpResult, topUp } from './top-up.ts';
import { wholeBudget } from './whole-budget.ts';

/** What came of more money for a run. */
export type MoreMoney =
  /** `short`: what the node did not credit of it. */
  | { readonly state: 'added'; readonly budget: Sat; readonly short?: Sat }
  | { readonly state: 'refused'; readonly refusal: MoreRefusal };

const refused = (refusal: MoreRefusal) => ({ state: 'refused', refusal }) as const;

/** More money for a run that is under way, from wherever it is paid; what waits for it goes on. */
export async function moreMoney(
  means: RunMeans,
  runId: string,
  amount: Sat,
  signal: AbortSignal,
): Promise<MoreMoney> {
  const { deps, rules, endpoints, onAccount, ahead } = means;
  const { store } = deps;
  const run = store.find(runId);
  if (!run || !endpoints.find(runId)) return refused({ kind: 'run_over' });
  await ahead.makeRoom(amount, run.node, signal);
  const refuse = () => refuseSpending(rules, deps, amount, run.ticket.owner);
  const added = isIn(run, 'spending')
    ? await onAccount.more(run, amount, refuse, signal)
    : await deps.lock(runId, () => addToken(means, runId, amount, signal));
  if (added.state === 'refused') return added;
  endpoints.find(runId)?.more(added.addedMsat);
  const { short = zeroSat } = added;
  const budget = wholeBudget(store, store.get(runId));
  return { state: 'added', budget, ...(short > 0 && { short }) };
}

/** By a token of its own, which its node credits to the run's key. */
async function addToken(
  { deps, rules, endpoints }: RunMeans,
  runId: string,
  budget: Sat,
  signal: AbortSignal,
): Promise<Extract<TopUpResult, { state: 'added' }> | ReturnType<typeof refused>> {
  const { store } = deps;
  const run = store.find(runId);
  if (!run || !isIn(run, 'running') || !endpoints.find(runId)) return refused({ kind: 'run_over' });
  const short = refuseSpending(rules, deps, budget, run.ticket.owner) ?? refuseMint(deps, budget, run.node);
  if (short) return refused(short);
  const before = store.topUpsOf(runId);
  // Only one may be unresolved: which of two has arrived could not be told apart.
  if (before.some((row) => isOpen(row.body) && !isIn(row, 'needs_operator'))) {
    return refused({ kind: 'still_adding' });
  }
  const id = `${runId}+${before.length + 1}`;
  const created = store.create(id, run.node, { ...run.ticket, budget, parent: runId });
  const issued = await issueOrRefuse(deps, created, signal);
  if (issued.state === 'refused') return issued;
  const result = await topUp(deps, issued.run, run, signal);
  if (result.state === 'added') return result;
  const refusal = await notCredited(deps, created, result.outcome, signal);
  if (refusal.money.state === 'back') store.setTold(id);
  return refused(refusal);
}
