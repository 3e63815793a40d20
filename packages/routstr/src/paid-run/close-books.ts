import type { Redeemed } from '@nostr-dm-agent/cashu-wallet';
import { msatToSatFloor, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { bookRuns } from './bill-node-account.ts';
import { type InState, isNodeAccount, isOfUserKey, type PaidRun } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { shortOf } from './short-credit.ts';
import { unexplainedOf } from './unexplained.ts';
import { wholeBudget } from './whole-budget.ts';

/** What came back of a run: the face of its token, and what of it is ours after the mint's fee. */
export type Change = { readonly face: Sat; readonly received: Sat };
export const noChange: Change = { face: sat(0), received: sat(0) };

/** What went to a node, as a run's books have it. */
export type Facts = {
  readonly out: Sat;
  readonly face: Sat;
  readonly creditedMsat?: number | undefined;
};

/**
 * The closed books of a run: `out = spent + change + fee`, to the sat. Spent is what the node kept (fractions of a sat
 * that it cannot give back included), fee what the mint took on the three ways.
 *
 * @param booked an account: what the runs on it cost, which is in rows of their own
 */
export function figures(
  facts: Facts,
  change: Change,
  booked: Sat = sat(0),
): Omit<InState<'settled'>, 'state'> {
  const out = sat(facts.out - booked);
  const spent = Math.max(0, keptByNode(facts, change) - booked);
  // A node that gives back more than it got: the surplus is the wallet's, not this run's.
  const received = Math.min(change.received, out - spent);
  return { out, spent: sat(spent), change: sat(received), fee: sat(out - spent - received) };
}

const noWord = { status: undefined, code: undefined, requestId: undefined };

const keptByNode = ({ face, creditedMsat = 0 }: Facts, change: Change): Sat =>
  sat(Math.max(0, Math.min(Math.floor(creditedMsat / 1000), face) - change.face));

/** Whether the bills of a run's node explain that no more than this comes back. */
export const isExplained = ({ body }: PaidRun, face: Sat): boolean =>
  !('mostMsat' in body) ||
  !('face' in body) ||
  unexplainedOf(keptByNode(body, { face, received: face }), body.mostMsat) === 0;

/** Closes a run and its ledger row. One transaction, or a part of the one around it. */
export function close(deps: PaidRunDeps, run: PaidRun, change: Change): PaidRun {
  // Nothing left the wallet, or it is closed.
  if (!('face' in run.body)) return run;
  const said = { creditedMsat: undefined, ...run.body };
  const { state } = run.body;
  const mostMsat = 'mostMsat' in run.body ? run.body.mostMsat : undefined;
  return deps.wallet.transaction(() => {
    // What it got and did not credit is with it, too: no mint took that.
    const { creditedMsat } = said;
    const missing = creditedMsat === undefined ? sat(0) : shortOf(deps, run, creditedMsat);
    const gotMsat = missing > 0 ? wholeBudget(deps.store, run) * 1000 : creditedMsat;
    const booked = isNodeAccount(run) ? closeRunsOn(deps, run, keptByNode(said, change)) : sat(0);
    const books = figures({ ...said, creditedMsat: gotMsat }, change, booked);
    const short = sat(Math.min(missing, books.spent));
    const unexplained = mostMsat === undefined ? short : unexplainedOf(books.spent, mostMsat);
    if (unexplained > 0) {
      const billed = mostMsat === undefined ? '' : `, billed at most ${Math.ceil(mostMsat)} msat`;
      const message = `kept ${books.spent} sat${billed}${short > 0 ? `, ${short} sat were never credited` : ''}`;
      deps.store.record(run.id, 'settle', 'unexplained', { ...noWord, message });
    }
    return deps.store.move(run.id, [state], {
      ...books,
      state: 'settled',
      ...(isOfUserKey(run) && creditedMsat !== undefined && { deposited: msatToSatFloor(creditedMsat) }),
      ...(unexplained > 0 && { unexplained }),
    });
  });
}

/**
 * An account is empty: what its node kept in all is known for good. Settles the runs that waited for it, and takes back
 * what was booked beyond it, from the latest runs first.
 *
 * @returns what the runs on it cost
 */
function closeRunsOn(deps: PaidRunDeps, account: PaidRun, kept: Sat): Sat {
  const { store } = deps;
  const over = store.openOn(account.id);
  if (over.length > 0) bookRuns(deps, account, over, kept, 'budget');
  let tooMuch = store.bookedOn(account.id) - kept;
  for (const { id, body } of tooMuch > 0 ? store.settledOn(account.id) : []) {
    const less = Math.min(tooMuch, body.spent);
    if (less <= 0) continue;
    tooMuch -= less;
    const spent = sat(body.spent - less);
    store.move(id, ['settled'], { ...body, spent, change: sat(body.out - spent - body.fee) });
  }
  return store.bookedOn(account.id);
}

/**
 * Closes runs in the very transaction that books what they are owed, whoever redeems it.
 * For `KeptTokens.onRedeemed`.
 */
export function closeWhenRedeemed(deps: PaidRunDeps, redeemed: Redeemed): void {
  const { amount, fee } = redeemed.received;
  const change = { face: sat(amount + fee), received: amount };
  const run =
    redeemed.kind === 'kept' ? deps.store.byKeptToken(redeemed.token) : deps.store.byOperation(redeemed.sent);
  if (run) close(deps, run, change);
}
