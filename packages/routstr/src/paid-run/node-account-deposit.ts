import type { NodeUrl } from '../node/node-url.ts';
import { keepNodeAccount, notCredited } from './advance.ts';
import { refuseMint } from './budget-rules.ts';
import { deposit } from './deposit.ts';
import { issueOrRefuse } from './issue-token.ts';
import { accountAt, readBooks } from './node-account-books.ts';
import { isIn, type PaidRun, type PaidRunTicket } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import type { DepositRefusal, NodeRefusal, TokenRefusal } from './payment-refusals.ts';
import { shortOf } from './short-credit.ts';
import { type TopUpResult, topUp } from './top-up.ts';

export type Deposited =
  | Extract<TopUpResult, { state: 'added' }>
  | { readonly state: 'refused'; readonly refusal: Exclude<DepositRefusal, { kind: 'interrupted' }> };

type Filled =
  | Extract<TopUpResult, { state: 'added' }>
  | { readonly state: 'refused'; readonly refusal: TokenRefusal | NodeRefusal };

/** A deposit into the account at a node, or the first one, which makes it. To be called with the account's lock. */
export async function depositAtNode(
  deps: PaidRunDeps,
  id: string,
  node: NodeUrl,
  ticket: PaidRunTicket,
  signal: AbortSignal,
): Promise<Deposited> {
  const { store } = deps;
  const account = accountAt(store, node);
  const books = account && readBooks(store, account);
  if (books?.state === 'leaving') return { state: 'refused', refusal: { kind: 'leaving', node } };
  if (books && books.depositing > 0) {
    return { state: 'refused', refusal: { kind: 'arriving', node, amount: books.depositing } };
  }
  const short = refuseMint(deps, ticket.budget, node);
  if (short) return { state: 'refused', refusal: short };
  return deps.live.during(id, async () => {
    const created = store.create(
      id,
      node,
      account === undefined ? ticket : { ...ticket, parent: account.id },
    );
    deps.reached('run:created');
    return fill(deps, created, account, signal);
  });
}

/**
 * Makes the token of a row, and brings it to the node: into this account, or into one that it makes. To be called while
 * the row is live.
 */
export async function fill(
  deps: PaidRunDeps,
  created: PaidRun,
  account: PaidRun | undefined,
  signal: AbortSignal,
): Promise<Filled> {
  const { store } = deps;
  const { id, node, ticket } = created;
  const issued = await issueOrRefuse(deps, created, signal);
  if (issued.state === 'refused') return issued;
  const outcome =
    account && isIn(account, 'kept')
      ? await topUp(deps, issued.run, account, signal)
      : await deposit(deps, issued.run, signal);
  switch (outcome.state) {
    case 'added':
      return outcome;
    case 'deposited': {
      keepNodeAccount(deps, outcome.run);
      const { creditedMsat } = outcome.run.body;
      return { state: 'added', addedMsat: creditedMsat, short: shortOf(deps, outcome.run, creditedMsat) };
    }
    case 'credited_short': {
      store.setTold(id);
      const { creditedMsat } = outcome;
      return {
        state: 'refused',
        refusal: { kind: outcome.state, node, amount: ticket.budget, creditedMsat },
      };
    }
    case 'not_credited': {
      const refusal = await notCredited(deps, created, outcome.outcome, signal);
      // What comes of it now is in the answer; what comes later is told.
      store.setTold(id);
      return { state: 'refused', refusal };
    }
  }
}
