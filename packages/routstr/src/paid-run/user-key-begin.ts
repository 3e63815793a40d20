import { type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import type { KeyRefusal } from '../remote/key-facts.ts';
import type { KeyPayment } from '../remote/wallet-session.ts';
import { advance } from './advance.ts';
import { refuseMint } from './budget-rules.ts';
import { fill } from './node-account-deposit.ts';
import { isIn, isOpen, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { whereaboutsOf } from './payment-refusals.ts';
import { neverLeft } from './user-key-answers.ts';
import { secretOf } from './user-key-facts.ts';
import { checkToken, keepOnce, mostOf, type Refused, redeemForKey } from './user-key-token.ts';

/**
 * Asked again: whoever asked did not hear the answer, because the process that did it ended. What came to nothing is done
 * once more.
 */
export async function again(
  deps: PaidRunDeps,
  begun: Begun,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const { store } = deps;
  const { id, payment, parent } = begun;
  const before = store.get(id);
  const row = isOpen(before.body) && !isDone(before) ? await advance(deps, id, signal) : before;
  if (isDone(row)) return undefined;
  if (!isIn(row, 'settled', 'void')) {
    store.setTold(id);
    return { refusal: { kind: 'interrupted' }, money: whereaboutsOf(row) };
  }
  const fresh = store.again(id, row.node);
  switch (payment.from) {
    case 'wallet':
      return bring(deps, fresh, parent, signal);
    case 'token':
      return bringToken(deps, fresh, parent, signal);
    case 'invoice':
      return askForInvoice(deps, begun, payment.amount, signal);
  }
}

export const isDone = (row: PaidRun): boolean => isIn(row, 'kept', 'merged', 'invoiced');

export type NewKey = { readonly id: string; readonly node: NodeUrl; readonly payment: KeyPayment };
export type Begun = NewKey & { readonly parent: PaidRunIn<'kept'> | undefined };

/** From nothing to a row that is kept, merged or invoiced; else why not. */
export async function begin(
  deps: PaidRunDeps,
  begun: Begun,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const { store } = deps;
  const { id, node, payment, parent } = begun;
  // Asked first: which mints it takes, and whether it is there at all.
  const about = await deps.nodes.ask(node, signal);
  if (about.state !== 'ok') return { refusal: { kind: 'node_away', node }, money: neverLeft };
  const ticket = {
    purpose: 'key',
    owner: 'key',
    prompt: `key at ${new URL(node).host}`,
    source: payment.from,
    ...(parent && { parent: parent.id }),
  } as const;
  switch (payment.from) {
    case 'invoice':
      store.create(id, node, { ...ticket, budget: payment.amount });
      deps.reached('run:created');
      return askForInvoice(deps, begun, payment.amount, signal);
    case 'wallet': {
      const short = refuseMint(deps, payment.amount, node);
      if (short) return { refusal: short, money: neverLeft };
      const created = store.create(id, node, { ...ticket, budget: payment.amount });
      deps.reached('run:created');
      return bring(deps, created, parent, signal);
    }
    case 'token': {
      const checked = checkToken(deps, payment.token, node);
      if ('refusal' in checked) return checked;
      const created = deps.wallet.transaction(() => {
        const keptToken = keepOnce(deps, payment.token, id);
        if (keptToken === undefined) return undefined;
        return store.create(id, node, { ...ticket, budget: checked.face, keptToken, mint: checked.mint });
      });
      if (created === undefined) return knownToken(deps, payment.token);
      deps.reached('run:created');
      return bringToken(deps, created, parent, signal);
    }
  }
}

/** It came before. */
function knownToken({ wallet }: PaidRunDeps, token: string): Refused {
  const kept = wallet.keep(token, 'for a key');
  const problem = wallet.keptState(kept) === 'spent' ? 'spent' : 'known';
  const refusal: KeyRefusal =
    problem === 'spent' ? { kind: 'token', problem: { kind: 'spent' } } : { kind: 'token_known' };
  return { refusal, money: neverLeft };
}

async function bringToken(
  deps: PaidRunDeps,
  created: PaidRun,
  parent: PaidRunIn<'kept'> | undefined,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const { store } = deps;
  const { id, ticket } = created;
  const giveUp = (refused: Refused): Refused => {
    store.move(id, ['created'], { state: 'void' });
    store.setTold(id);
    return refused;
  };
  if (ticket.keptToken === undefined) return undefined;
  const received = await redeemForKey(deps, ticket.keptToken, signal);
  if ('refusal' in received) return giveUp(received);
  const { amount, fee } = received;
  const net = await mostOf(deps, received, signal);
  if (net === 0) {
    const money = { state: 'back', spent: zeroSat, change: amount, fee } as const;
    return giveUp({ refusal: { kind: 'too_small', amount }, money });
  }
  return bring(deps, store.setBudget(id, net), parent, signal);
}

async function bring(
  deps: PaidRunDeps,
  created: PaidRun,
  parent: PaidRunIn<'kept'> | undefined,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const filled = await fill(deps, created, parent, signal);
  if (filled.state !== 'refused') return undefined;
  const money = whereaboutsOf(deps.store.get(created.id));
  // What was pasted is in the wallet, whatever became of its way on.
  const { ticket } = created;
  const inWallet = money.state === 'never_left' && ticket.keptToken !== undefined;
  deps.store.setTold(created.id);
  return {
    refusal: filled.refusal,
    money: inWallet ? { state: 'back', spent: zeroSat, change: ticket.budget, fee: zeroSat } : money,
  };
}

async function askForInvoice(
  deps: PaidRunDeps,
  { id, node, parent }: Begun,
  amount: Sat,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const { store } = deps;
  const key = parent && secretOf(parent);
  const asked = await deps.nodes.at(node).lightning.invoice(amount, key, signal);
  store.record(id, 'invoice', asked.state, asked.evidence);
  if (asked.state === 'invoice') {
    const { invoiceId, invoice, expiresAt } = asked;
    // Before anybody sees it: what is paid is found.
    store.move(id, ['created'], {
      state: 'invoiced',
      ...{ invoiceId, invoice, expiresAt },
      ...(key !== undefined && { key }),
    });
    deps.reached('run:invoiced');
    return undefined;
  }
  store.move(id, ['created'], { state: 'void' });
  store.setTold(id);
  return { refusal: invoiceRefusal(asked.state, node, asked.evidence.message), money: neverLeft };
}

function invoiceRefusal(
  state: 'unsupported' | 'refused' | 'unavailable',
  node: NodeUrl,
  message: string,
): KeyRefusal {
  switch (state) {
    case 'unsupported':
      return { kind: 'no_lightning', node };
    case 'refused':
      return { kind: 'no_invoice', node, message };
    case 'unavailable':
      return { kind: 'node_away', node };
  }
}
