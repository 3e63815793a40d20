import { msatToSatFloor, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { KeyAtNode, RefundedKey } from '../remote/key-facts.ts';
import { advance, advanceWhileWaiting, becomeDue } from './advance.ts';
import { askForKey } from './key-at-node.ts';
import { isIn, isOpen, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { refuse } from './user-key-answers.ts';
import { factsOf } from './user-key-facts.ts';

/** Brings home what is left on a key. */
export async function refundKey(deps: PaidRunDeps, id: string, signal: AbortSignal): Promise<RefundedKey> {
  const { store } = deps;
  const before = await (isIn(store.get(id), 'kept', 'settled', 'void')
    ? store.get(id)
    : advance(deps, id, signal));
  if (isIn(before, 'void', 'invoiced')) {
    const { state } = factsOf(store, before);
    return refuse({ kind: 'not_kept', state });
  }
  if (isIn(before, 'kept')) {
    const { run } = await seenAt(deps, before, signal);
    const { spentMsat = 0 } = run.body;
    becomeDue(deps, run, { spentMsat, mostMsat: undefined });
  }
  const row = isOpen(store.get(id).body) ? await advanceWhileWaiting(deps, id, signal) : store.get(id);
  store.setTold(id);
  const key = factsOf(store, row);
  if (isIn(row, 'settled')) return { state: 'returned', key, received: row.body.change };
  if (isIn(row, 'needs_operator')) {
    const { trouble, detail } = row.body;
    return { state: 'doubtful', key, trouble, detail };
  }
  return { state: 'under_way', key };
}

/** Asks the node, and writes down what was spent. */
async function seenAt(deps: PaidRunDeps, row: PaidRunIn<'kept'>, signal: AbortSignal) {
  const info = await askForKey(deps, row, signal);
  const spentMsat = info.state === 'known' ? info.balance.totalSpentMsat : undefined;
  const now = deps.store.get(row.id);
  if (spentMsat === undefined || !isIn(now, 'kept')) return { info, run: row };
  const body = { ...now.body, spentMsat: Math.max(0, spentMsat) };
  if (body.spentMsat !== now.body.spentMsat) deps.store.move(row.id, ['kept'], body);
  return { info, run: { ...now, body } };
}

/** What its node says of a key. */
export async function lookAt(deps: PaidRunDeps, row: PaidRun, signal: AbortSignal): Promise<KeyAtNode> {
  if (!isIn(row, 'kept')) return { key: factsOf(deps.store, row), seen: { state: 'none' } };
  const { info } = await seenAt(deps, row, signal);
  const key = factsOf(deps.store, deps.store.get(row.id));
  switch (info.state) {
    case 'unavailable':
      return { key, seen: { state: 'away' } };
    case 'unknown_key':
      return { key, seen: { state: 'unknown_key' } };
    case 'known': {
      const { availableMsat, reservedMsat, totalSpentMsat } = info.balance;
      const whole = (msat: number): Sat => msatToSatFloor(Math.max(0, msat));
      return {
        key,
        seen: {
          state: 'known',
          available: whole(availableMsat),
          reserved: whole(reservedMsat),
          ...(totalSpentMsat !== undefined && { spent: sat(Math.ceil(Math.max(0, totalSpentMsat) / 1000)) }),
        },
      };
    }
  }
}
