import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { keyOf } from '../node/api-key.ts';
import type { TopUpOutcome } from '../node/outcomes.ts';
import { askForKey, confirmClaimed, worthOf } from './key-at-node.ts';
import { isIn, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { PaidRunStateError } from './paid-run-store.ts';
import { noteShort, shortOf } from './short-credit.ts';

/** What became of more money on its way to a run's account. */
export type TopUpResult =
  | {
      readonly state: 'added';
      readonly addedMsat: number;
      /** What the node did not credit of it. */
      readonly short: Sat;
    }
  /** It is to be taken back. */
  | { readonly state: 'not_credited'; readonly outcome: Exclude<TopUpOutcome, { state: 'credited' }> };

/** Presents a top-up's token. Once: a second presentation would be told that it is spent, whoever did it. */
export async function topUp(
  deps: PaidRunDeps,
  run: PaidRunIn<'token_issued'>,
  parent: PaidRunIn<'running' | 'kept'>,
  signal: AbortSignal,
): Promise<TopUpResult> {
  const key = keyOf(parent.body.token);
  const outcome = await deps.nodes.at(parent.node).topup(key, run.body.token, signal);
  deps.store.record(run.id, 'topup', outcome.state, outcome.evidence);
  if (outcome.state === 'credited') {
    const short = noteShort(deps, run, outcome.addedMsat, outcome.evidence);
    merge(deps, run, parent.id, outcome.addedMsat);
    return { state: 'added', addedMsat: outcome.addedMsat, short };
  }
  if (outcome.state === 'ambiguous' || outcome.state === 'spent') {
    const added = await findAdded(deps, run, parent.id, signal);
    if (typeof added === 'number') {
      const short = noteShort(deps, run, added, outcome.evidence);
      merge(deps, run, parent.id, added);
      return { state: 'added', addedMsat: added, short };
    }
  }
  deps.store.move(run.id, ['token_issued'], { ...run.body, state: 'reclaim', reason: outcome.state });
  deps.reached('run:reclaim');
  return { state: 'not_credited', outcome };
}

/** How much more the account of a run has got than its books say, in msat; undefined: nothing to speak of. */
export async function findAdded(
  deps: PaidRunDeps,
  run: PaidRun,
  parentId: string,
  signal: AbortSignal,
): Promise<number | 'unavailable' | undefined> {
  const parent = deps.store.get(parentId);
  if (!isIn(parent, 'running', 'kept', 'refund_due')) return undefined;
  const info = await askForKey(deps, parent, signal, run.id);
  if (info.state === 'unavailable') return 'unavailable';
  if (info.state === 'unknown_key') return undefined;
  // Old nodes keep no sum of what was spent.
  const spent = info.balance.totalSpentMsat === undefined ? deps.store.bookedOn(parentId) * 1000 : 0;
  const added = worthOf(info.balance) + spent - parent.body.creditedMsat;
  return added * 2 >= run.ticket.budget * 1000 ? added : undefined;
}

/** In one transaction: the top-up is gone, and its run's books have it. */
export function merge(
  deps: PaidRunDeps,
  run: PaidRunIn<'token_issued' | 'reclaim'>,
  parentId: string,
  addedMsat: number,
): PaidRun {
  const { wallet, store } = deps;
  const merged = wallet.transaction(() => {
    const parent = store.get(parentId);
    if (!isIn(parent, 'running', 'kept', 'refund_due'))
      throw new PaidRunStateError(parentId, parent.body.state);
    confirmClaimed(wallet, run.body);
    store.move(parentId, [parent.body.state], {
      ...parent.body,
      out: addSat(parent.body.out, run.body.out),
      face: addSat(parent.body.face, run.body.face),
      creditedMsat: parent.body.creditedMsat + Math.min(addedMsat, run.body.face * 1000),
    });
    const short = shortOf(deps, run, addedMsat);
    return store.move(run.id, [run.body.state], { state: 'merged', ...(short > 0 && { short }) });
  });
  deps.reached('run:merged');
  return merged;
}
