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
import { setTimeout as sleep } from 'node:timers/promises';
import { addSat, msatToSatFloor, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { type ApiKey, apiKeyOf } from '../node/api-key.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { KeyBalance } from '../node/outcomes.ts';
import { advance, becomeDue, becomeOver, keepNodeAccount } from './advance.ts';
import { billNodeAccount } from './bill-node-account.ts';
import { type BudgetRefusal, refuseMint } from './budget-rules.ts';
import { deposit } from './deposit.ts';
import { issueOrRefuse } from './issue-token.ts';
import { type NodeAccountBooks, readBooks, spendingOn } from './node-account-books.ts';
import {
  isIn,
  isNodeAccount,
  type MoneyLock,
  nodeAccountMoney,
  type PaidRun,
  type PaidRunIn,
  type PaidRunTicket,
} from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import {
  type DepositRefusal,
  type MoreRefusal,
  type NodeRefusal,
  whereaboutsOf,
} from './payment-refusals.ts';
import { topUp } from './top-up.ts';

/** An account as its node sees it. */
export type NodeAccountBalance = NodeAccountBooks & {
  /** undefined: the node does not answer. */
  readonly seen: 'unknown' | { readonly available: Sat; readonly reserved: Sat } | undefined;
};

/** What came of a deposit. */
export type DepositResult =
  | { readonly state: 'deposited'; readonly amount: Sat; readonly node: NodeUrl; readonly balance: Sat }
  | { readonly state: 'refused'; readonly refusal: DepositRefusal };

/** What came of asking for an account's money, for each node that has some. */
export type NodeAccountRefund =
  | {
      readonly node: NodeUrl;
      readonly state: 'home';
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

export type Account = {
  /**
   * Moves money of the wallet to the account at the present node. The same key again moves nothing: it says what
   * became of it.
   */
  readonly deposit: (
    request: { readonly amount: Sat; readonly key: string; readonly owner: string },
    signal: AbortSignal,
  ) => Promise<DepositResult>;
  /** Brings home what is kept at nodes, as far as it gets now. Empty: nothing is kept anywhere. */
  readonly refund: (signal: AbortSignal) => Promise<readonly NodeAccountRefund[]>;
  /** Asks the nodes. Empty: nothing is kept anywhere. */
  readonly balance: (signal: AbortSignal) => Promise<readonly NodeAccountBalance[]>;
  readonly books: () => readonly NodeAccountBooks[];
};

/** Leave to spend from an account. */
export type Reservation =
  | { readonly state: 'reserved'; readonly run: PaidRunIn<'spending'>; readonly nodeKey: ApiKey }
  /** The run needs a token of its own. */
  | { readonly state: 'none' }
  | { readonly state: 'refused'; readonly refusal: BudgetRefusal }
  /** The account has enough, and its node does not answer. */
  | { readonly state: 'away' };

/** Money that was added to an account, or to what a run may spend of it. */
type Added = { readonly state: 'added'; readonly addedMsat: number };
type Outcome = Extract<NodeRefusal, { kind: 'not_credited' }>['outcome'];
type Busy = Extract<DepositRefusal, { kind: 'leaving' | 'arriving' }>;
type Refused<Why> = { readonly state: 'refused'; readonly refusal: Why };

/** For the runs on accounts. */
export type NodeAccountRuns = {
  /** @param refuse asked at the moment in which the run begins: others may have begun since it was asked before */
  readonly reserve: (
    id: string,
    node: NodeUrl,
    ticket: PaidRunTicket,
    refuse: () => BudgetRefusal | undefined,
    signal: AbortSignal,
  ) => Promise<Reservation>;
  /**
   * @param refuse why the run may not spend so much more now; asked when nothing is waited for any more
   */
  readonly more: (
    run: PaidRunIn<'spending'>,
    amount: Sat,
    refuse: () => BudgetRefusal | undefined,
    signal: AbortSignal,
  ) => Promise<Added | Refused<MoreRefusal>>;
  /** The meter's count, after each model call. */
  readonly metered: (id: string, spentMsat: number) => void;
  /** The run is over. Gives it as settled as it gets now. */
  readonly finish: (id: string, meteredMsat: number | undefined, signal: AbortSignal) => Promise<PaidRun>;
};

export type NodeAccountOptions = {
  readonly deps: PaidRunDeps;
  readonly lock: MoneyLock;
  /** Rows that are worked on: the queue of what is owed leaves them alone. */
  readonly live: Set<string>;
  /** There is something for the queue of what is owed. */
  readonly wake: () => void;
  readonly nodeUrl: () => NodeUrl;
};

const over: Refused<MoreRefusal> = { state: 'refused', refusal: { kind: 'run_over' } };

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions over one lock and one store
export function createNodeAccounts({
  deps,
  lock,
  live,
  wake,
  nodeUrl,
}: NodeAccountOptions): Account & NodeAccountRuns {
  const { store, wallet, clock } = deps;
  const accounts = (): readonly PaidRun[] => store.open().filter(isNodeAccount);
  const accountAt = (node: NodeUrl): PaidRun | undefined =>
    accounts().findLast((account) => account.node === node && !isIn(account, 'needs_operator'));
  const keptAt = (node: NodeUrl): PaidRunIn<'kept'> | undefined => {
    const account = accountAt(node);
    return account && isIn(account, 'kept') ? account : undefined;
  };
  const booksOf = (account: PaidRun): NodeAccountBooks => readBooks(store, account);

  async function look(
    account: PaidRunIn<'kept'>,
    signal: AbortSignal,
  ): Promise<KeyBalance | 'unknown' | undefined> {
    const info = await deps.nodeAt(account.node).info(apiKeyOf(account.body.token), signal);
    store.record(account.id, 'info', info.state, info.evidence);
    if (info.state === 'known') return info.account;
    return info.state === 'unknown_key' ? 'unknown' : undefined;
  }

  /** What no run has a claim to, in msat, by the node's word. */
  async function freeOf(
    account: PaidRunIn<'kept'>,
    signal: AbortSignal,
  ): Promise<number | 'unknown' | undefined> {
    // Before the node is asked: what is charged meanwhile then counts twice, and nothing is promised twice.
    const promised = spendingOn(store, account.id).reduce(
      (sum, { body }) => sum + Math.max(0, body.out * 1000 - body.meteredMsat),
      0,
    );
    const seen = await look(account, signal);
    return seen === undefined || seen === 'unknown' ? seen : seen.availableMsat - promised;
  }

  async function whileLive<T>(id: string, work: () => Promise<T>): Promise<T> {
    live.add(id);
    try {
      return await work();
    } finally {
      live.delete(id);
      wake();
    }
  }

  /** A deposit into an account that is there, or that it makes. To be called with its lock. */
  async function put(
    id: string,
    node: NodeUrl,
    ticket: PaidRunTicket,
    signal: AbortSignal,
  ): Promise<Added | Refused<Exclude<DepositRefusal, { kind: 'interrupted' }>>> {
    const account = accountAt(node);
    const refusal = refusalOf(account) ?? refuseMint(deps, wallet, ticket.budget, node);
    if (refusal !== undefined) return { state: 'refused', refusal };
    return whileLive(id, async () => {
      const parent = account === undefined ? {} : { parent: account.id };
      const created = store.create(id, node, { ...ticket, ...parent });
      deps.reached('run:created');
      const issued = await issueOrRefuse(deps, created, signal);
      if (issued.state === 'refused') return issued;
      const amount = ticket.budget;
      const notCredited = async (outcome: Outcome): Promise<Refused<NodeRefusal>> => {
        const money = whereaboutsOf(await advanceQuietly(id, signal));
        return { state: 'refused', refusal: { kind: 'not_credited', node, amount, outcome, money } };
      };
      if (account !== undefined && isIn(account, 'kept')) {
        const result = await topUp(deps, issued.run, account, signal);
        return result.state === 'added' ? result : notCredited(result.outcome);
      }
      const outcome = await deposit(deps, issued.run, signal);
      switch (outcome.state) {
        case 'deposited':
          keepNodeAccount(deps, outcome.run);
          return { state: 'added', addedMsat: outcome.run.body.creditedMsat };
        case 'credited_short': {
          store.setTold(id);
          const creditedMsat = outcome.balanceMsat;
          return { state: 'refused', refusal: { kind: 'credited_short', node, amount, creditedMsat } };
        }
        case 'not_credited':
          return notCredited(outcome.outcome);
      }
    });
  }

  /** What comes of it now is in the answer; what comes later is told. */
  async function advanceQuietly(id: string, signal: AbortSignal): Promise<PaidRun> {
    const row = await advance(deps, id, signal);
    store.setTold(id);
    return row;
  }

  function refusalOf(account: PaidRun | undefined): Busy | undefined {
    if (account === undefined) return undefined;
    const { node } = account;
    const { state, depositing } = booksOf(account);
    if (state === 'leaving') return { kind: 'leaving', node };
    return depositing > 0 ? { kind: 'arriving', node, amount: depositing } : undefined;
  }

  async function bringHome(id: string, signal: AbortSignal): Promise<NodeAccountRefund> {
    const before = store.get(id);
    const { node } = before;
    const { runs, balance } = booksOf(before);
    if (runs > 0) return { node, state: 'in_use', runs };
    if (isIn(before, 'kept')) {
      await billNodeAccount(deps, id, signal);
      const used = store.bookedOn(id) * 1000 + meteredOn(id);
      becomeDue(deps, before, used);
    }
    let account = await advance(deps, id, signal);
    for (const pause of deps.retryPauses.settle) {
      if (!isIn(account, 'refund_due', 'change_held') || account.nextAt - clock.now() > 10_000) break;
      await sleep(pause, undefined, { signal });
      account = await advance(deps, id, signal);
    }
    store.setTold(id);
    if (isIn(account, 'settled')) {
      const { change, spent, fee } = account.body;
      return { node, state: 'home', received: change, kept: spent, fee };
    }
    if (isIn(account, 'needs_operator')) return { node, state: 'doubtful', run: account };
    if (isIn(account, 'refund_due', 'change_held')) store.startOver(id, clock.now() + 5000);
    return { node, state: 'under_way', balance };
  }

  const meteredOn = (id: string): number =>
    store.openOn(id).reduce((sum, run) => sum + run.body.meteredMsat, 0);

  return {
    books: () => accounts().map(booksOf),

    deposit: async ({ amount, key, owner }, signal) => {
      const node = nodeUrl();
      const id = `deposit-${key}`;
      return lock(nodeAccountMoney(node), async () => {
        const known = store.find(id);
        if (known === undefined) {
          const ticket: PaidRunTicket = {
            purpose: 'account',
            owner,
            prompt: `account at ${new URL(node).host}`,
            budget: amount,
          };
          const added = await put(id, node, ticket, signal);
          if (added.state === 'refused') return added;
        } else if (!isIn(known, 'merged', 'kept')) {
          const money = whereaboutsOf(known);
          return { state: 'refused', refusal: { kind: 'interrupted', amount: known.ticket.budget, money } };
        }
        store.setTold(id);
        const at = known?.node ?? node;
        const account = accountAt(at);
        const balance = account === undefined ? sat(0) : booksOf(account).balance;
        return { state: 'deposited', amount: known?.ticket.budget ?? amount, node: at, balance };
      });
    },

    refund: async (signal) => {
      const results: NodeAccountRefund[] = [];
      for (const { id, node } of accounts()) {
        results.push(await lock(nodeAccountMoney(node), () => whileLive(id, () => bringHome(id, signal))));
      }
      return results;
    },

    balance: (signal) =>
      Promise.all(
        accounts().map(async (account): Promise<NodeAccountBalance> => {
          if (!isIn(account, 'kept')) return { ...booksOf(account), seen: undefined };
          const seen = await look(account, signal);
          const books = booksOf(account);
          if (seen === undefined || seen === 'unknown') return { ...books, seen };
          const available = msatToSatFloor(Math.max(0, seen.availableMsat));
          return { ...books, seen: { available, reserved: msatToSatFloor(seen.reservedMsat) } };
        }),
      ),

    reserve: (id, node, ticket, refuse, signal) =>
      lock(nodeAccountMoney(node), async () => {
        const account = keptAt(node);
        const budgetMsat = ticket.budget * 1000;
        if (account === undefined || booksOf(account).balance * 1000 < budgetMsat) return { state: 'none' };
        const free = await freeOf(account, signal);
        if (free === undefined) return { state: 'away' };
        if (free === 'unknown') {
          deps.log.error(
            { account: account.id, node },
            'a node does not know the account that is kept there',
          );
          return { state: 'none' };
        }
        if (free < budgetMsat) return { state: 'none' };
        const refusal = refuse();
        if (refusal) return { state: 'refused', refusal };
        const body = { state: 'spending', out: ticket.budget, meteredMsat: 0 } as const;
        const run = wallet.transaction(() => {
          store.create(id, node, { ...ticket, account: account.id });
          return store.move(id, ['created'], body);
        });
        deps.reached('run:spending');
        return { state: 'reserved', run: { ...run, body }, nodeKey: apiKeyOf(account.body.token) };
      }),

    more: (run, amount, refuse, signal) =>
      lock(nodeAccountMoney(run.node), async () => {
        const now = store.get(run.id);
        const account = keptAt(run.node);
        if (!isIn(now, 'spending') || account === undefined || account.id !== run.ticket.account) {
          return over;
        }
        const free = await freeOf(account, signal);
        const before = refuse();
        if (before !== undefined) return { state: 'refused', refusal: before };
        let msat = amount * 1000;
        if (typeof free !== 'number' || free < msat) {
          const n = store.topUpsOf(account.id).length + 1;
          const { owner, prompt } = account.ticket;
          const ticket: PaidRunTicket = { purpose: 'account', owner, prompt, budget: amount };
          const added = await put(`${account.id}+${n}`, run.node, ticket, signal);
          if (added.state === 'refused') return added;
          msat = Math.min(msat, Math.max(0, typeof free === 'number' ? free : 0) + added.addedMsat);
        }
        const more = msatToSatFloor(msat);
        const { body } = store.get(run.id);
        if (body.state !== 'spending') return over;
        const refusal = refuse();
        if (refusal !== undefined) return { state: 'refused', refusal };
        store.move(run.id, ['spending'], { ...body, out: addSat(body.out, more) });
        return { state: 'added', addedMsat: more * 1000 };
      }),

    metered: (id, spentMsat) => {
      const run = store.find(id);
      if (run && isIn(run, 'spending')) store.move(id, ['spending'], { ...run.body, meteredMsat: spentMsat });
    },

    finish: async (id, meteredMsat, signal) => {
      const run = store.get(id);
      if (isIn(run, 'spending')) becomeOver(deps, run, meteredMsat ?? run.body.meteredMsat, false);
      return lock(nodeAccountMoney(run.node), async () => {
        let now = await advance(deps, id, signal);
        for (const pause of deps.retryPauses.settle) {
          if (!isIn(now, 'unreckoned') || now.nextAt - clock.now() > 10_000) break;
          if (spendingOn(store, run.ticket.account ?? '').length > 0) break;
          await sleep(pause, undefined, { signal });
          now = await advance(deps, id, signal);
        }
        if (isIn(now, 'unreckoned')) store.startOver(id, clock.now() + 5000);
        return now;
      });
    },
  };
}
