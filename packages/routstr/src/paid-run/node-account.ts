/*
 * The persistent way: money that is kept at a node across runs, in one account for each node. Its first deposit makes
 * it, as a budget token makes that of a run; later deposits are top-ups, rows of their own until the node has credited
 * them. It is asked back as a run's change is, and everything that can go wrong goes the same ways (`paid-run.ts`).
 *
 *   an account     created ─► token_issued ─► deposited ─► kept ─► refund_due ─► change_held ─► settled
 *                                  │ ▲ not credited      ▲  ▲ │
 *                                  ▼ │                   │  └─┘ a deposit is merged
 *                                reclaim ────────────────┘ credited after all
 *
 *   a run on it    created ─► spending ─► unreckoned ─► settled
 *
 *   state        on disk when it is entered                        killed in it: recovery
 *   ───────────  ────────────────────────────────────────────────  ─────────────────────────────────────────────────
 *   kept         what the node credited in all                     nothing to do
 *   spending     how much of the account the run may spend; after  -> unreckoned, interrupted
 *                each model call what the meter has counted
 *   unreckoned   that it is over, and the meter's count            the node's own sum decides (`bill-node-account.ts`)
 *   settled      what it cost, in the ledger; the account's own    nothing to do
 *                row has what no run cost: mint fees, dust
 *
 * A run begins on the account when it has as much as the run's budget beside what other runs may spend, by the node's
 * word. Nothing is deposited while a refund is under way, and no refund is asked for while a run may spend or a deposit
 * is on its way.
 */
import { msatToSatFloor, type Sat, sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import { advanceWhileWaiting, becomeDue } from './advance.ts';
import { billNodeAccount } from './bill-node-account.ts';
import type { MakeRoom } from './budget-rules.ts';
import { askForKey } from './key-at-node.ts';
import { accountAt, accountsIn, meteredOn, type NodeAccountBooks, readBooks } from './node-account-books.ts';
import { type Deposited, depositAtNode } from './node-account-deposit.ts';
import { isIn, nodeAccountMoney, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { type DepositRefusal, whereaboutsOf } from './payment-refusals.ts';
import { shortOf } from './short-credit.ts';

/** An account as its node sees it. */
export type NodeAccountBalance = NodeAccountBooks & {
  /** undefined: the node does not answer. */
  readonly seen: 'unknown' | { readonly available: Sat; readonly reserved: Sat } | undefined;
};

/** What came of a deposit. */
export type DepositResult =
  | {
      readonly state: 'deposited';
      readonly amount: Sat;
      readonly node: NodeUrl;
      readonly balance: Sat;
      /** What the node did not credit of it; absent: nothing. */
      readonly short?: Sat;
    }
  | { readonly state: 'refused'; readonly refusal: DepositRefusal };

/** What came of asking for an account's money. */
export type NodeAccountRefund =
  | {
      readonly node: NodeUrl;
      readonly state: 'returned';
      readonly received: Sat;
      /** What the node has beyond what runs cost. */
      readonly kept: Sat;
      /** The mint's, for all deposits and the way back. */
      readonly fee: Sat;
    }
  /** It goes on in the background. */
  | { readonly node: NodeUrl; readonly state: 'under_way'; readonly balance: Sat }
  | { readonly node: NodeUrl; readonly state: 'in_use'; readonly runs: number }
  | { readonly node: NodeUrl; readonly state: 'doubtful'; readonly run: PaidRunIn<'needs_operator'> };

export type NodeAccounts = {
  /**
   * Moves money of the wallet to the account at the present node. The same key again moves nothing: it says what
   * became of it.
   */
  readonly deposit: (
    request: { readonly amount: Sat; readonly key: string; readonly owner: string },
    signal: AbortSignal,
  ) => Promise<DepositResult>;
  /** Brings back what is kept at nodes, as far as it gets now. Empty: nothing is kept anywhere. */
  readonly refund: (signal: AbortSignal) => Promise<readonly NodeAccountRefund[]>;
  /** Asks the nodes. Empty: nothing is kept anywhere. */
  readonly balance: (signal: AbortSignal) => Promise<readonly NodeAccountBalance[]>;
  readonly books: () => readonly NodeAccountBooks[];
};

/** @param makeRoom what was set aside for runs to come is money, too */
export function createNodeAccounts(deps: PaidRunDeps, makeRoom: MakeRoom): NodeAccounts {
  const { store } = deps;
  const accounts = (): readonly PaidRun[] => accountsIn(store);

  return {
    books: () => accounts().map((account) => readBooks(store, account)),

    deposit: async (request, signal) => {
      const node = deps.nodes.current();
      await makeRoom(request.amount, node, signal);
      return deps.lock(nodeAccountMoney(node), async () => {
        const id = `deposit-${request.key}`;
        const refusal = await depositOnce(deps, id, node, request, signal);
        if (refusal) return { state: 'refused', refusal };
        store.setTold(id);
        const row = store.get(id);
        const account = accountAt(store, row.node);
        const balance = account === undefined ? sat(0) : readBooks(store, account).balance;
        const short = shortIn(deps, row);
        const { budget: amount } = row.ticket;
        return { state: 'deposited', amount, node: row.node, balance, ...(short > 0 && { short }) };
      });
    },

    refund: async (signal) => {
      const results: NodeAccountRefund[] = [];
      for (const { id, node } of accounts()) {
        const work = () => deps.live.during(id, () => refund(deps, id, signal));
        results.push(await deps.lock(nodeAccountMoney(node), work));
      }
      return results;
    },

    balance: (signal) => Promise.all(accounts().map((account) => look(deps, account, signal))),
  };
}

/** Of a deposit that was made: what its node did not credit; of the first one with those after it. */
function shortIn(deps: PaidRunDeps, run: PaidRun): Sat {
  const { body } = run;
  if (body.state === 'merged') return body.short ?? zeroSat;
  return body.state === 'kept' ? shortOf(deps, run, body.creditedMsat) : zeroSat;
}

/** undefined: it is made. */
async function depositOnce(
  deps: PaidRunDeps,
  id: string,
  node: NodeUrl,
  { amount, owner }: { readonly amount: Sat; readonly owner: string },
  signal: AbortSignal,
): Promise<DepositRefusal | undefined> {
  const known = deps.store.find(id);
  if (known === undefined) {
    const ticket = {
      purpose: 'account',
      owner,
      prompt: '',
      budget: amount,
    } as const;
    const made: Deposited = await depositAtNode(deps, id, node, ticket, signal);
    return made.state === 'refused' ? made.refusal : undefined;
  }
  if (isIn(known, 'merged', 'kept')) return undefined;
  return { kind: 'interrupted', amount: known.ticket.budget, money: whereaboutsOf(known) };
}

async function refund(deps: PaidRunDeps, id: string, signal: AbortSignal): Promise<NodeAccountRefund> {
  const { store } = deps;
  const before = store.get(id);
  const { node } = before;
  const { runs, balance } = readBooks(store, before);
  if (runs > 0) return { node, state: 'in_use', runs };
  if (isIn(before, 'kept')) {
    await billNodeAccount(deps, id, signal);
    becomeDue(deps, before, {
      spentMsat: store.bookedOn(id) * 1000 + meteredOn(store, id),
      mostMsat: undefined,
    });
  }
  const account = await advanceWhileWaiting(deps, id, signal);
  store.setTold(id);
  if (isIn(account, 'needs_operator')) return { node, state: 'doubtful', run: account };
  if (!isIn(account, 'settled')) return { node, state: 'under_way', balance };
  const { change, spent, fee } = account.body;
  return { node, state: 'returned', received: change, kept: spent, fee };
}

async function look(deps: PaidRunDeps, account: PaidRun, signal: AbortSignal): Promise<NodeAccountBalance> {
  const info = isIn(account, 'kept') ? await askForKey(deps, account, signal) : undefined;
  const books = readBooks(deps.store, account);
  if (info?.state !== 'known')
    return { ...books, seen: info?.state === 'unknown_key' ? 'unknown' : undefined };
  const { availableMsat, reservedMsat } = info.balance;
  const available = msatToSatFloor(Math.max(0, availableMsat));
  return { ...books, seen: { available, reserved: msatToSatFloor(reservedMsat) } };
}
