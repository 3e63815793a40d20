import { msatToSatCeil, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { KeyBalance } from '../node/outcomes.ts';
import { askForKey } from './key-at-node.ts';
import { isIn, isOpen, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { wait } from './postpone.ts';
import { doubtMs } from './retry-pauses.ts';
import { unexplainedOf } from './unexplained.ts';

/*
 * What runs on an account cost. While they run, the meter's own count is what is known; after a SIGKILL it may lack the
 * end. The node's sum for the whole account is exact once nothing is under way there, so then what it has risen by
 * since it was looked at last is what the runs since then cost, to the msat. In sat it is rounded up over all of them
 * together, as the node does when it gives the rest back: one sat for many small runs, not one for each.
 */

/** Asks the node what the runs on an account that are over cost, if nobody is spending from it now, and books it. */
export async function billNodeAccount(
  deps: PaidRunDeps,
  accountId: string,
  signal: AbortSignal,
): Promise<void> {
  const { store } = deps;
  const runs = store.openOn(accountId);
  const over = runs.filter((run) => isIn(run, 'unreckoned'));
  if (over.length === 0) return;
  const later = (waiting: Parameters<typeof wait>[2]): void => {
    for (const run of over) wait(deps, run, waiting);
  };
  // Those that go on take the account's sum with them when they end.
  if (over.length < runs.length) return later('ongoing');
  const account = store.get(accountId);
  if (!('creditedMsat' in account.body) || account.body.creditedMsat === undefined) return later('doubt');
  const info = await askForKey(deps, { ...account, body: account.body }, signal);
  switch (info.state) {
    case 'unavailable':
      return later('node_away');
    case 'unknown_key': {
      const oldest = Math.min(...over.map((run) => run.body.dueSince));
      if (deps.clock.now() - oldest < doubtMs) return later('doubt');
      // Nobody else knows better than the meter.
      bookRuns(deps, account, over, undefined);
      break;
    }
    case 'known':
      if (info.balance.reservedMsat > 0) return later('ongoing');
      bookRuns(deps, account, over, keptOf(info.balance, account.body.creditedMsat));
  }
  deps.reached('run:settled');
}

/** All that the node has taken for calls, in sat. Old nodes keep no sum; then it is what is missing. */
function keptOf({ availableMsat, reservedMsat, totalSpentMsat }: KeyBalance, creditedMsat: number): Sat {
  const missing = Math.max(0, creditedMsat - availableMsat - reservedMsat);
  return msatToSatCeil(Math.max(0, totalSpentMsat ?? missing));
}

type Over = PaidRunIn<'spending' | 'unreckoned'>;

/**
 * Settles runs on an account in one transaction.
 *
 * @param total what the node kept of the account in all, earlier runs included; undefined: as the meter counted
 * @param most of a run's cost; what is above stays with the account's own row
 */
export function bookRuns(
  deps: PaidRunDeps,
  account: PaidRun,
  over: readonly Over[],
  total: Sat | undefined,
  most: 'any' | 'budget' = 'any',
): void {
  const { store, wallet } = deps;
  wallet.transaction(() => {
    // Whoever was interrupted last may have cost more than the meter saw.
    const sure = over.filter((run) => !wasInterrupted(run));
    const runs = [...sure, ...over.filter(wasInterrupted)];
    const metered = runs.map((run) => run.body.meteredMsat);
    const sum = total === undefined ? msatToSatCeil(metered.reduce((a, b) => a + b, 0)) : total;
    const fresh = total === undefined ? sum : Math.max(0, sum - store.bookedOn(account.id));
    const shares = splitCost(fresh, metered);
    runs.forEach((run, i) => {
      const share = shares[i] ?? 0;
      const spent = sat(most === 'budget' ? Math.min(share, run.body.out) : share);
      const out = sat(Math.max(run.body.out, spent));
      const unexplained = i === runs.length - 1 ? unexplainedOf(sat(fresh), mostOf(runs)) : sat(0);
      store.move(run.id, [run.body.state], {
        state: 'settled',
        out,
        spent,
        change: sat(out - spent),
        fee: sat(0),
        ...(unexplained > 0 && { unexplained }),
      });
      // His reply has told the owner what it cost; he has had none of a run that was cut off.
      if (!wasInterrupted(run)) store.setTold(run.id);
    });
    // The account's own row has what no run has cost.
    const now = store.get(account.id);
    if (isOpen(now.body)) store.move(account.id, [now.body.state], now.body);
  });
}

/** The most that the runs together can have cost by the node's bills; undefined: nobody can tell. */
function mostOf(runs: readonly Over[]): number | undefined {
  let most = 0;
  for (const { body } of runs) {
    if (body.state === 'spending' || body.mostMsat === undefined) return undefined;
    most += body.mostMsat;
  }
  return most;
}

const wasInterrupted = ({ body }: Over): boolean => body.state === 'spending' || body.interrupted;

/** Whole sat for each run, by its own count; the last one has what nobody counted, and lacks what was counted too much. */
function splitCost(total: number, meteredMsat: readonly number[]): readonly number[] {
  let received = 0;
  let given = 0;
  const shares = meteredMsat.map((msat) => {
    received += msat;
    const upTo = Math.min(total, Math.ceil(received / 1000));
    const share = upTo - given;
    given = upTo;
    return share;
  });
  return shares.map((share, i) => (i === shares.length - 1 ? share + total - given : share));
}
