import { addSat, msatToSatFloor, type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { type ApiKey, apiKeyOf } from '../node/api-key.ts';
import type { NodeUrl } from '../node/node-url.ts';
import { advanceWhileWaiting, becomeOver, type Metered } from './advance.ts';
import type { BudgetRefusal } from './budget-rules.ts';
import { askForKey } from './key-at-node.ts';
import { accountAt, readBooks, spendingOn } from './node-account-books.ts';
import { type Deposited, depositAtNode } from './node-account-deposit.ts';
import { isIn, nodeAccountMoney, type PaidRun, type PaidRunIn, type PaidRunTicket } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

/** Leave to spend from an account. */
export type Reservation =
  | { readonly state: 'reserved'; readonly run: PaidRunIn<'spending'>; readonly nodeKey: ApiKey }
  /** The run needs a token of its own. */
  | { readonly state: 'none' }
  | {
      readonly state: 'refused';
      /** `account_away`: the account has enough, and its node does not answer. */
      readonly refusal: BudgetRefusal | { readonly kind: 'account_away'; readonly node: NodeUrl };
    };

type MoreOnAccount =
  | Deposited
  | { readonly state: 'refused'; readonly refusal: BudgetRefusal | { readonly kind: 'run_over' } };

/** The runs on accounts (`node-account.ts`). */
export type NodeAccountRuns = {
  /** @param refuse asked at the moment in which the run begins: others may have begun since it was asked before */
  readonly reserve: (
    id: string,
    node: NodeUrl,
    ticket: PaidRunTicket,
    refuse: () => BudgetRefusal | undefined,
    signal: AbortSignal,
  ) => Promise<Reservation>;
  /** @param refuse why the run may not spend so much more now; asked when nothing is waited for any more */
  readonly more: (
    run: PaidRunIn<'spending'>,
    amount: Sat,
    refuse: () => BudgetRefusal | undefined,
    signal: AbortSignal,
  ) => Promise<MoreOnAccount>;
  /** The meter's count, after each model call. */
  readonly metered: (id: string, spentMsat: number) => void;
  /** The run is over. Gives it as settled as it gets now. */
  readonly finish: (id: string, metered: Metered | undefined, signal: AbortSignal) => Promise<PaidRun>;
};

export function createNodeAccountRuns(deps: PaidRunDeps): NodeAccountRuns {
  const { store, wallet, lock } = deps;
  const keptAt = (node: NodeUrl): PaidRunIn<'kept'> | undefined => {
    const account = accountAt(store, node);
    return account && isIn(account, 'kept') ? account : undefined;
  };

  return {
    reserve: (id, node, ticket, refuse, signal) =>
      lock(nodeAccountMoney(node), async () => {
        const account = keptAt(node);
        const budgetMsat = ticket.budget * 1000;
        if (account === undefined || readBooks(store, account).balance * 1000 < budgetMsat) {
          return { state: 'none' };
        }
        const free = await freeOf(deps, account, signal);
        if (free === 'unavailable') return { state: 'refused', refusal: { kind: 'account_away', node } };
        if (free === 'unknown_key') {
          deps.log.error(
            { account: account.id, node },
            'a node does not know the account that is kept there',
          );
        }
        if (free === 'unknown_key' || free < budgetMsat) return { state: 'none' };
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
        if (!isIn(now, 'spending') || account?.id !== run.ticket.account || account === undefined)
          return over;
        const seen = await freeOf(deps, account, signal);
        const early = refuse();
        if (early) return { state: 'refused', refusal: early };
        const free = typeof seen === 'number' ? Math.max(0, seen) : 0;
        let msat = amount * 1000;
        let short = zeroSat;
        if (free < msat) {
          const { owner, prompt } = account.ticket;
          const ticket = { purpose: 'account', owner, prompt, budget: amount } as const;
          const id = `${account.id}+${store.topUpsOf(account.id).length + 1}`;
          const added = await depositAtNode(deps, id, run.node, ticket, signal);
          if (added.state === 'refused') return added;
          msat = Math.min(msat, free + added.addedMsat);
          short = added.short;
        }
        const { body } = store.get(run.id);
        if (body.state !== 'spending') return over;
        const refusal = refuse();
        if (refusal) return { state: 'refused', refusal };
        const more = msatToSatFloor(msat);
        store.move(run.id, ['spending'], { ...body, out: addSat(body.out, more) });
        return { state: 'added', addedMsat: more * 1000, short };
      }),

    metered: (id, spentMsat) => {
      const run = store.find(id);
      if (run && isIn(run, 'spending')) store.move(id, ['spending'], { ...run.body, meteredMsat: spentMsat });
    },

    finish: (id, metered, signal) => {
      const run = store.get(id);
      if (isIn(run, 'spending')) {
        becomeOver(deps, run, metered ?? { spentMsat: run.body.meteredMsat, mostMsat: undefined }, false);
      }
      return lock(nodeAccountMoney(run.node), () => advanceWhileWaiting(deps, id, signal));
    },
  };
}

const over = { state: 'refused', refusal: { kind: 'run_over' } } as const;

/** What no run has a claim to, in msat, by the node's word. */
async function freeOf(
  deps: PaidRunDeps,
  account: PaidRunIn<'kept'>,
  signal: AbortSignal,
): Promise<number | 'unknown_key' | 'unavailable'> {
  // Before the node is asked: what is charged meanwhile then counts twice, and nothing is promised twice.
  const promised = spendingOn(deps.store, account.id).reduce(
    (sum, { body }) => sum + Math.max(0, body.out * 1000 - body.meteredMsat),
    0,
  );
  const info = await askForKey(deps, account, signal);
  return info.state === 'known' ? info.balance.availableMsat - promised : info.state;
}
