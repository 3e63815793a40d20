import type { Session } from '../mints/mint-sessions.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import type { Core } from '../wallet-core.ts';
import type { OperationId } from '../wallet-types.ts';
import { book, judgeMelt, readChange } from './melt-outcome.ts';
import { meltSchema } from './melt-states.ts';
import { isAnothers } from './older.ts';
import { sendSchema } from './send-states.ts';
import { issue } from './send-swap.ts';
import { findSwapOutcome, keysetsOf, statesOf } from './swap.ts';

/**
 * An operation that was undone and went through all the same: called when its inputs turn out to be spent.
 * `id` is the operation that found them so. Returns what was brought back to life.
 */
export async function revive(
  core: Core,
  id: OperationId,
  signal: AbortSignal,
): Promise<readonly OperationId[]> {
  const revived: OperationId[] = [];
  for (const head of core.journal.rolledBackSharingInputsWith(id)) {
    const session = await core.mints.refresh(head.mint, signal);
    if (await reviveOne(core, session, head)) revived.push(head.operation);
  }
  return revived;
}

/** Books one that was undone, if its mint says that it went through. */
export async function reviveOne(core: Core, session: Session, head: OperationHead): Promise<boolean> {
  if (head.kind === 'send') {
    const { plans } = core.journal.body(head.operation, sendSchema, 'rolled_back');
    await core.mints.ensureKeys(session, keysetsOf(plans));
    const outcome = await findSwapOutcome(session, plans);
    if (outcome.kind !== 'signed') return false;
    const { plan, swapped } = outcome;
    if (isAnothers(core, [...swapped.keep, ...swapped.send], [...plan.keep, ...plan.send])) return false;
    core.store.write(() => issue(core, head, 'rolled_back', plan, swapped));
    return true;
  }
  const body = core.journal.body(head.operation, meltSchema, 'rolled_back');
  const answer = await session.checkMeltQuoteBolt11(body.quote.quote);
  const inputs = await statesOf(session, body.plan.inputs);
  const verdict = judgeMelt({ quote: answer.state, inputs, decided: true, lapsed: false });
  if (verdict !== 'paid') return false;
  const change = await readChange(core, session, body, head.amount, answer);
  const proofs = isAnothers(core, change.proofs, body.plan.outputs) ? [] : change.proofs;
  core.store.write(() => book(core, head.operation, body, proofs, answer));
  return true;
}
