import { MintError, TokenRefusedError, UnfinishedOperationError } from '@nostr-dm-agent/cashu-wallet';
import { close, noChange } from './close-books.ts';
import { askForKey, worthOf } from './key-at-node.ts';
import { type PaidRun, type PaidRunIn, staysAtNode, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { needOperator, wait } from './postpone.ts';
import { paymentTaken } from './question-change.ts';
import { doubtMs } from './retry-pauses.ts';
import { findAdded, merge } from './top-up.ts';

/**
 * Takes back a token that the node did not credit. The mint decides, in one swap, who has it: us, or the node after
 * all; then the account is looked for, which a node may take a while to make.
 */
export async function takeBack(
  deps: PaidRunDeps,
  run: PaidRunIn<'reclaim'>,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { wallet, store } = deps;
  if (run.body.claimedAt !== undefined) return findAccount(deps, run, run.body.claimedAt, signal);
  const { operation } = run.body;
  // Never: what has no operation is a key already.
  if (operation === undefined) return findAccount(deps, run, deps.clock.now(), signal);
  try {
    const outcome = await wallet.reclaim(operation, signal);
    if (outcome.state === 'claimed') {
      const claimedAt = deps.clock.now();
      const body = { ...run.body, claimedAt };
      const claimed = { ...store.move(run.id, ['reclaim'], body), body };
      return await findAccount(deps, claimed, claimedAt, signal);
    }
    deps.reached('run:settled');
    // Closed with it, unless it was taken back by a process that knew nothing of runs.
    return close(deps, store.get(run.id), {
      face: outcome.amount,
      received: outcome.amount,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    if (error instanceof TokenRefusedError && error.problem.kind === 'dust') {
      return close(deps, run, noChange);
    }
    if (
      error instanceof MintError ||
      error instanceof UnfinishedOperationError ||
      error instanceof TokenRefusedError
    ) {
      deps.log.warn({ run: run.id, error }, 'a budget token could not be taken back yet');
      return wait(deps, run, 'node_away');
    }
    throw error;
  }
}

/** The token is spent, and not by us. */
async function findAccount(
  deps: PaidRunDeps,
  run: PaidRunIn<'reclaim'>,
  claimedAt: number,
  signal: AbortSignal,
): Promise<PaidRun> {
  if (run.ticket.parent !== undefined) return findTopUp(deps, run, run.ticket.parent, claimedAt, signal);
  if (run.ticket.purpose === 'quick') return paymentTaken(deps, run);
  const info = await askForKey(deps, run, signal);
  const now = deps.clock.now();
  switch (info.state) {
    case 'known': {
      const creditedMsat = Math.min(worthOf(info.balance), run.body.face * 1000);
      const taken = { ...tokenOf(run.body), creditedMsat };
      return staysAtNode(run)
        ? deps.store.move(run.id, ['reclaim'], { ...taken, state: 'kept' })
        : deps.store.move(run.id, ['reclaim'], { ...taken, state: 'refund_due', dueSince: now });
    }
    case 'unknown_key':
      return now - claimedAt < doubtMs
        ? wait(deps, run, 'doubt')
        : needOperator(deps, run, 'not_credited', info.evidence.message);
    case 'unavailable':
      return wait(deps, run, 'node_away');
  }
}

/** The same for a top-up: it must have come to the account of its run. */
async function findTopUp(
  deps: PaidRunDeps,
  run: PaidRunIn<'reclaim'>,
  parentId: string,
  claimedAt: number,
  signal: AbortSignal,
): Promise<PaidRun> {
  const added = await findAdded(deps, run, parentId, signal);
  if (added === 'unavailable') return wait(deps, run, 'node_away');
  if (added !== undefined) return merge(deps, run, parentId, added);
  if (deps.clock.now() - claimedAt < doubtMs) return wait(deps, run, 'doubt');
  return needOperator(deps, run, 'not_credited', '');
}
