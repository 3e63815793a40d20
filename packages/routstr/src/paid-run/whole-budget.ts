import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { isIn, type PaidRun } from './paid-run.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/** A run's budget with all that was added to it. */
export const wholeBudget = (store: Pick<PaidRunStore, 'topUpsOf'>, run: PaidRun): Sat => {
  if (run.ticket.account !== undefined) return 'out' in run.body ? run.body.out : run.ticket.budget;
  return addSat(
    run.ticket.budget,
    ...store
      .topUpsOf(run.id)
      .filter((topUp) => isIn(topUp, 'merged'))
      .map((topUp) => topUp.ticket.budget),
  );
};
