import { type Sat, sat } from '../../sat.ts';
import type { Homecoming } from '../../wallets/types.ts';
import type { InState, PaidRun } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

/** What came back of a run: the face of its token, and what of it is ours after the mint's fee. */
export type Change = { readonly face: Sat; readonly received: Sat };
export const noChange: Change = { face: sat(0), received: sat(0) };

/**
 * The closed books of a run: `out = spent + change + fee`, to the sat. Spent is what the node kept (fractions of a sat
 * that it cannot give back included), fee what the mint took on the three ways.
 */
export function figures(
  facts: { readonly out: Sat; readonly face: Sat; readonly creditedMsat?: number | undefined },
  change: Change,
): Omit<InState<'settled'>, 'state'> {
  const { out, face } = facts;
  const credited = Math.min(Math.floor((facts.creditedMsat ?? 0) / 1000), face);
  const spent = Math.max(0, credited - change.face);
  // A node that gives back more than it got: the surplus is the wallet's, not this run's.
  const received = Math.min(change.received, out - spent);
  return { out, spent: sat(spent), change: sat(received), fee: sat(out - spent - received) };
}

/** Closes a run and its ledger row. One transaction, or a part of the one around it. */
export function close(deps: PaidRunDeps, run: PaidRun, change: Change): PaidRun {
  // Nothing left the wallet, or it is closed.
  if (!('face' in run.body)) return run;
  const settled = figures({ creditedMsat: undefined, ...run.body }, change);
  return deps.store.move(run.id, [run.body.state], { state: 'settled', ...settled });
}

/**
 * Closes runs in the very transaction that books what they are owed, whoever redeems it.
 * For `AnyWallet.onHomecoming`.
 */
export function closeOnHomecoming(deps: PaidRunDeps, homecoming: Homecoming): void {
  const { amount, fee } = homecoming.received;
  const change = { face: sat(amount + fee), received: amount };
  const run =
    homecoming.kind === 'redeemed'
      ? deps.store.byInbox(homecoming.inbox)
      : deps.store.byOperation(homecoming.sent);
  if (run) close(deps, run, change);
}
