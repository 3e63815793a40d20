import { addSat, msatToSatCeil, msatToSatFloor, remainingSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { NodeAccountBooks } from './node-account-books.ts';
import { isAhead, isIn, isOpen, type PaidRun } from './paid-run.ts';
import type { PaidRunCost } from './run-ticket.ts';

/** Money that nodes hold of ours, in sat. */
export type Owed = {
  /** Runs under way: their budgets. Those on an account are in `kept`. */
  readonly running: Sat;
  readonly runs: number;
  /** Runs that are over: at most this comes back. */
  readonly due: Sat;
  readonly dueRuns: number;
  /** What of `due` is where its budget was made, by mint; a node may give it back at another one. */
  readonly dueAt: readonly { readonly mint: string; readonly due: Sat }[];
  /** Of these, the ones for a person to look at. */
  readonly doubtful: number;
  /** In accounts that are kept across runs; what runs under way may spend of it included. */
  readonly kept: Sat;
};

/**
 * @param rows all that is open
 * @param mintOf of the token that a run was paid with; undefined: it can't be read
 */
export function owedIn(
  rows: readonly PaidRun[],
  accounts: readonly NodeAccountBooks[],
  isLive: (id: string) => boolean,
  mintOf: (run: PaidRun) => string | undefined,
): Owed {
  const open = rows.filter(
    (run) => !isIn(run, 'kept', 'invoiced', 'spending', 'unreckoned') && !isAheadStill(run),
  );
  const running = open.filter((run) => isLive(run.id) || isIn(run, 'deposited', 'running'));
  const due = open.filter((run) => !running.includes(run));
  const dueAt = new Map<string, Sat>();
  for (const run of due) {
    const held = heldByNode(run);
    const mint = held === 0 ? undefined : mintOf(run);
    if (mint !== undefined) dueAt.set(mint, addSat(dueAt.get(mint) ?? sat(0), held));
  }
  return {
    running: addSat(...running.map(heldByNode)),
    runs: running.length,
    due: addSat(...due.map(heldByNode)),
    dueRuns: due.length,
    dueAt: Array.from(dueAt, ([mint, amount]) => ({ mint, due: amount })),
    doubtful: due.filter((run) => isIn(run, 'needs_operator')).length,
    kept: addSat(...accounts.map(({ state, balance }) => (state === 'kept' ? balance : sat(0)))),
  };
}

/** The wallet's own, until a node turns out to have it. */
const isAheadStill = (run: PaidRun): boolean => isAhead(run) && !isIn(run, 'needs_operator');

/** What a node may have of a run's budget; the metered costs are off it already. Tokens that are with us count as the wallet's. */
function heldByNode({ body }: PaidRun): Sat {
  if (!('creditedMsat' in body) || body.creditedMsat === undefined || body.state === 'change_held')
    return sat(0);
  const spent = 'meteredMsat' in body ? (body.meteredMsat ?? 0) : 0;
  return msatToSatFloor(Math.max(0, body.creditedMsat - spent));
}

/** What a run cost, as far as it is known. */
export function costOf({ body }: PaidRun, budget: Sat): PaidRunCost {
  if (body.state === 'settled') {
    const { spent, fee, unexplained } = body;
    return { spent, budget, ...feeOf(fee), ...(unexplained !== undefined && { unexplained }) };
  }
  if (body.state === 'spending' || body.state === 'unreckoned') {
    return { spent: msatToSatCeil(body.meteredMsat), budget };
  }
  if (!isOpen(body) || !('dueSince' in body) || body.meteredMsat === undefined) return undefined;
  const spent = msatToSatCeil(body.meteredMsat);
  const credited = msatToSatFloor(body.creditedMsat ?? 0);
  return { spent, budget, owed: remainingSat(credited, spent), ...feeOf(remainingSat(body.out, credited)) };
}

const feeOf = (fee: Sat): { readonly fee?: Sat } => (fee === 0 ? {} : { fee });
