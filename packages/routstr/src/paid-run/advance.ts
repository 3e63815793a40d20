import { setTimeout as sleep } from 'node:timers/promises';
import { WalletError } from '@nostr-dm-agent/cashu-wallet';
import type { RunUsage } from '../meter/metered-run.ts';
import { askForChange, lookAgain, redeemChange } from './ask-for-change.ts';
import { askInvoice } from './ask-invoice.ts';
import { billNodeAccount } from './bill-node-account.ts';
import { issueToken } from './issue-token.ts';
import { spendingOn } from './node-account-books.ts';
import { isIn, isOpen, type PaidRun, type PaidRunIn, sendKeyOf, staysAtNode } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { type NodeRefusal, whereaboutsOf } from './payment-refusals.ts';
import { wait } from './postpone.ts';
import { takeBack } from './take-back.ts';

/** The longest way from one end to the other is half as long. */
const mostSteps = 12;

/**
 * Brings the money of a run that is over as far home as it gets now. What cannot be had now has a time at which it is
 * asked for again (`nextAt`). To be called for one run by one caller at a time, and never while its agent may live.
 *
 * @throws the signal's reason when it is aborted; what is on disk then is as good as before
 */
export async function advance(deps: PaidRunDeps, id: string, signal: AbortSignal): Promise<PaidRun> {
  let run = deps.store.get(id);
  // No answers of a node or a mint can keep it here.
  for (let steps = 0; steps < mostSteps && isOpen(run.body); steps += 1) {
    const before = run.body.state;
    run = await step(deps, run, signal);
    if (run.body.state === before || run.body.state === 'needs_operator') break;
  }
  return run;
}

/**
 * The same while a reply waits: a few tries, for most of what keeps money away passes within a second or two. What is
 * still away then is asked for again soon.
 */
export async function advanceWhileWaiting(
  deps: PaidRunDeps,
  id: string,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { store, clock } = deps;
  const waits = (run: PaidRun): boolean => isIn(run, 'refund_due', 'change_held', 'unreckoned');
  let run = await advance(deps, id, signal);
  for (const pause of deps.waits.settle) {
    if (!waits(run) || run.nextAt - clock.now() > 10_000) break;
    // Others go on on its account: it is billed when they end.
    if (isIn(run, 'unreckoned') && spendingOn(store, run.ticket.account ?? '').length > 0) break;
    await sleep(pause, undefined, { signal });
    run = await advance(deps, id, signal);
  }
  if (waits(run)) store.startOver(id, clock.now() + 5000);
  return run;
}

/** The node did not take the token of a row: where its money is by now. */
export async function notCredited(
  deps: PaidRunDeps,
  { id, node, ticket }: PaidRun,
  outcome: NotCredited['outcome'],
  signal: AbortSignal,
): Promise<NotCredited> {
  const money = whereaboutsOf(await advance(deps, id, signal));
  return { kind: 'not_credited', node, amount: ticket.budget, outcome, money };
}
type NotCredited = Extract<NodeRefusal, { kind: 'not_credited' }>;

async function step(deps: PaidRunDeps, run: PaidRun, signal: AbortSignal): Promise<PaidRun> {
  const { store } = deps;
  if (isIn(run, 'created')) return findToken(deps, run, signal);
  if (isIn(run, 'token_issued')) {
    const reclaim = store.move(run.id, ['token_issued'], {
      ...run.body,
      state: 'reclaim',
      reason: 'interrupted',
    });
    deps.reached('run:reclaim');
    return reclaim;
  }
  if (isIn(run, 'deposited') && staysAtNode(run)) return keepNodeAccount(deps, run);
  if (isIn(run, 'invoiced')) return askInvoice(deps, run, signal);
  if (isIn(run, 'deposited', 'running')) return becomeDue(deps, run, undefined);
  if (isIn(run, 'spending')) return becomeOver(deps, run, interruptedAt(run), true);
  if (isIn(run, 'unreckoned')) {
    await billNodeAccount(deps, run.ticket.account ?? '', signal);
    return store.get(run.id);
  }
  if (isIn(run, 'refund_due')) {
    // Never a top-up and a refund at once: money was lost that way (core #462).
    for (const topUp of store.topUpsOf(run.id)) {
      if (!isOpen(topUp.body) || isIn(topUp, 'needs_operator')) continue;
      const then = await advance(deps, topUp.id, signal);
      // What nobody has paid is no money on its way.
      if (isOpen(then.body) && !isIn(then, 'needs_operator', 'invoiced', 'refund_due', 'change_held'))
        return wait(deps, run, 'under_way');
    }
    const now = store.get(run.id);
    return isIn(now, 'refund_due') ? askForChange(deps, now, signal) : now;
  }
  if (isIn(run, 'change_held')) return redeemChange(deps, run, signal);
  if (isIn(run, 'reclaim')) return takeBack(deps, run, signal);
  if (isIn(run, 'needs_operator')) return lookAgain(deps, run, signal);
  return run;
}

/** What the meter knows of a run that is over: its count, and the most that the node can have charged by its bills. */
export type Metered = Pick<RunUsage, 'spentMsat' | 'mostMsat'>;

/** The meter may have missed the end. */
const interruptedAt = ({ body }: PaidRunIn<'spending'>): Metered => ({
  spentMsat: body.meteredMsat,
  mostMsat: undefined,
});

/** The agent is gone, and its requests with it. */
export function becomeDue(
  deps: PaidRunDeps,
  run: PaidRunIn<'deposited' | 'running' | 'kept'>,
  metered: Metered | undefined,
): PaidRun {
  // Until the node has answered, it is as well off in the state before.
  const due = deps.wallet.transaction(
    () =>
      deps.store.move(run.id, ['deposited', 'running', 'kept'], {
        ...run.body,
        state: 'refund_due',
        dueSince: deps.clock.now(),
        meteredMsat: metered?.spentMsat,
        mostMsat: metered?.mostMsat,
      }),
    'soon',
  );
  deps.reached('run:refund_due');
  return due;
}

/** The account has its first deposit: runs may spend from it. */
export function keepNodeAccount(deps: PaidRunDeps, run: PaidRunIn<'deposited'>): PaidRun {
  const kept = deps.store.move(run.id, ['deposited'], { ...run.body, state: 'kept' });
  deps.reached('run:kept');
  return kept;
}

/** A run on an account is over, and its requests with it. */
export function becomeOver(
  deps: PaidRunDeps,
  run: PaidRunIn<'spending'>,
  { spentMsat, mostMsat }: Metered,
  interrupted: boolean,
): PaidRun {
  const over = deps.store.move(run.id, ['spending'], {
    state: 'unreckoned',
    out: run.body.out,
    meteredMsat: spentMsat,
    mostMsat,
    interrupted,
    dueSince: deps.clock.now(),
  });
  deps.reached('run:unreckoned');
  return over;
}

/** The token that the run was to have, if it was made. */
async function findToken(
  deps: PaidRunDeps,
  run: PaidRunIn<'created'>,
  signal: AbortSignal,
): Promise<PaidRun> {
  const made = deps.wallet.operationFor(sendKeyOf(run));
  // None was made, or its owner has taken back by hand one that was made ahead.
  if (made === undefined || made.state === 'reclaimed') {
    return deps.store.move(run.id, ['created'], { state: 'void' });
  }
  try {
    // The same key gives the same token; nothing is sent twice.
    return await issueToken(deps, run, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof WalletError)) throw error;
    deps.log.warn({ run: run.id, error }, 'it is not known yet whether a budget token was made');
    const now = deps.store.get(run.id);
    return isOpen(now.body) ? wait(deps, now, 'node_away') : now;
  }
}
