/* The swap that a send is: its outputs, and what is booked when it is known what became of it (`send.ts` has the states). */
import { CTSError, getEncodedToken, type SwapPreview } from '@cashu/cashu-ts';
import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { explainMintError } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import { loadProof, type StoredProof, sumProofs } from '../store/stored-proof.ts';
import { type Core, commit } from '../wallet-core.ts';
import {
  InsufficientFundsError,
  InvoiceRefusedError,
  SpentElsewhereError,
  UnfinishedOperationError,
} from '../wallet-errors.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';
import { giveBack, takeOlderFor } from './older.ts';
import { type SendOperation, sendSchema } from './send-states.ts';
import { collided, driveSwap, isCollided, maxPlans, planOf, type SwapPlan, type Swapped } from './swap.ts';

/** From `prepared` to wherever the mint's word leads. Throws what `send` throws. */
export async function settle(
  core: Core,
  session: Session,
  id: OperationId,
  signal: AbortSignal,
  fresh: boolean,
  collisions = 0,
): Promise<Swapped> {
  const head = core.journal.head(id);
  const body = core.journal.body(id, sendSchema, 'prepared');
  const verdict = await driveSwap(session, {
    plans: body.plans,
    fresh,
    settled: core.clock.now() - head.updatedAt > core.policy.settleAfterMs,
    refresh: () => core.mints.refresh(head.mint, signal),
  });
  switch (verdict.kind) {
    case 'signed':
      core.reached('send:answered');
      // Found again by the outputs when it is lost, and on disk before anybody sees the token (`handOver`).
      commit(core, id, () => issue(core, head, 'prepared', verdict.plan, verdict.swapped), 'soon');
      core.reached('send:done');
      return verdict.swapped;
    case 'never-sent':
    case 'refused':
      rollBack(core, id, body);
      throw explainMintError(head.mint, verdict.error);
    case 'rotated':
      await planAgain(core, verdict.session, head);
      return settle(core, verdict.session, id, signal, true, collisions);
    case 'collided': {
      const { plan, signed } = verdict;
      const plans = body.plans.map((each) => (each === plan ? collided(each) : each));
      await takeOlderFor(core, session, id, { mint: head.mint, keysets: [plan.keyset], signed }, () =>
        core.journal.move<SendOperation>(id, ['prepared'], { ...body, plans }),
      );
      core.reached('send:collided');
      if (collisions >= maxPlans) throw new UnfinishedOperationError(id, undefined);
      await planAgain(core, session, head);
      return settle(core, session, id, signal, true, collisions + 1);
    }
    case 'spent': {
      const inputs = body.plans.at(-1)?.inputs ?? [];
      const lost = inputs.filter((_, i) => verdict.states[i] === 'SPENT');
      core.store.write(() => {
        core.proofs.spend(lost, id);
        core.proofs.release(id);
        core.journal.move<SendOperation>(id, ['prepared'], { state: 'failed', plans: body.plans });
        core.journal.dropKey(id);
      });
      throw new SpentElsewhereError(id, sumProofs(lost));
    }
    case 'partial':
      core.store.write(() => core.journal.setTrouble(id, 'partial-signatures'));
      throw new UnfinishedOperationError(id, 'partial-signatures');
    case 'unknown':
      throw new UnfinishedOperationError(id, undefined, verdict.error);
  }
}

/** Fresh outputs for the same token. The earlier ones stay, should they be signed after all. */
async function planAgain(core: Core, session: Session, head: OperationHead): Promise<void> {
  const id = head.operation;
  const body = core.journal.body(id, sendSchema, 'prepared');
  const plans = body.plans.filter((plan) => !isCollided(plan));
  if (plans.length >= maxPlans) throw new UnfinishedOperationError(id, undefined);
  const next = await prepareAgain(core, session, head, body.plans).catch((cause) => {
    rollBack(core, id, body);
    throw cause;
  });
  const shown = body.plans.at(-1)?.fee ?? next.fee;
  if (body.partOf !== undefined && core.journal.head(body.partOf).kind === 'melt' && next.fee > shown) {
    // Whoever pays was shown what it costs at the most.
    rollBack(core, id, body);
    throw new InvoiceRefusedError({ kind: 'costs-more', shown, fee: next.fee });
  }
  core.store.write(() => {
    core.proofs.release(id);
    core.proofs.reserve(next.inputs, id);
    core.journal.recordInputs(id, next.inputs);
    const again = { ...body, plans: [...plans, next] };
    const fee = feeWithParts(core, id, next);
    core.journal.move<SendOperation>(id, ['prepared'], again, { fee });
  });
  core.reached('send:planned');
}

/** What a send costs, with the swaps that gathered small proofs for it. */
export const feeWithParts = (core: Core, id: OperationId, plan: SwapPlan): Sat =>
  addSat(plan.fee, core.journal.feeOfParts(id));

/** One transaction: inputs spent, change ready, token on disk. Called by recovery for a rolled back send, too. */
export function issue(
  core: Core,
  head: OperationHead,
  from: 'prepared' | 'rolled_back',
  plan: SwapPlan,
  swapped: Swapped,
): void {
  const id = head.operation;
  const fee = feeWithParts(core, id, plan);
  core.proofs.spend(plan.inputs, id);
  core.proofs.release(id);
  core.proofs.add(head.mint, swapped.keep, 'ready', id);
  const body = core.journal.body(id, sendSchema);
  if ('own' in body && body.own) {
    core.proofs.add(head.mint, swapped.send, 'ready', id);
    const face = sumProofs([...swapped.keep, ...swapped.send]);
    core.journal.move<SendOperation>(id, [from], { state: 'regrouped', face, partOf: body.partOf }, { fee });
    return;
  }
  core.proofs.add(head.mint, swapped.send, 'sent', id);
  const mint = 'mintName' in body ? (body.mintName ?? head.mint) : head.mint;
  const text = getEncodedToken(
    { mint, proofs: swapped.send.map(loadProof), unit: 'sat' },
    { removeDleq: true },
  );
  const issued = { state: 'issued', token: text, face: sumProofs(swapped.send) } as const;
  core.journal.move<SendOperation>(id, [from], issued, { fee });
}

/** Nothing is signed and nothing spent: the inputs are free again. The outputs stay, should the mint prove us wrong. */
function rollBack(core: Core, id: OperationId, body: Extract<SendOperation, { state: 'prepared' }>): void {
  core.store.write(() => {
    core.proofs.release(id);
    const plan = body.plans.at(-1);
    if (plan !== undefined) giveBack(core, plan.keyset, [...plan.keep, ...plan.send]);
    core.journal.move<SendOperation>(id, ['prepared'], { ...body, state: 'rolled_back' });
    core.journal.dropKey(id);
  });
}

/** The proofs that a send can take from. @throws InsufficientFundsError when they are less than the amount itself */
export function usableProofs(
  session: Session,
  mint: MintUrl,
  amount: Sat,
  candidates: readonly StoredProof[],
): { readonly usable: readonly StoredProof[]; readonly shortage: () => InsufficientFundsError } {
  const usable = candidates.filter((proof) => session.keyChain.isUnitKeyset(proof.id));
  const have = sumProofs(usable);
  const shortage = () => {
    const fees = session.getFeesToInclude(amount).add(session.getFeesForProofs(usable)).toNumber();
    return new InsufficientFundsError({ have, need: addSat(amount, sat(fees)), mint });
  };
  if (have < amount) throw shortage();
  return { usable, shortage };
}

/** All of these, in as few proofs as there can be. @throws MintError when keys of an old keyset can't be had */
export async function prepareWhole(
  core: Core,
  session: Session,
  inputs: readonly StoredProof[],
): Promise<SwapPreview> {
  // cashu-ts looks at them as if a stranger had sent them, and a mint sends the keys of inactive keysets only when asked.
  await core.mints.ensureKeys(
    session,
    inputs.map(({ id }) => id),
  );
  return session.ops.receive(inputs.map(loadProof)).asDeterministic().prepare();
}

/** Outputs that net their holder `amount`, and the change. @throws InsufficientFundsError */
export async function prepare(
  session: Session,
  mint: MintUrl,
  amount: Sat,
  candidates: readonly StoredProof[],
): Promise<SwapPlan> {
  requireActiveKeyset(session);
  const { usable, shortage } = usableProofs(session, mint, amount, candidates);
  try {
    const preview = await session.ops
      .send(amount, usable.map(loadProof))
      .asDeterministic()
      .keepAsDeterministic()
      .includeFees(true)
      .prepare();
    return planOf(preview);
  } catch (cause) {
    if (cause instanceof CTSError && cause.message.startsWith('Not enough funds')) throw shortage();
    throw cause;
  }
}

/** The same amount with outputs of the keyset that signs now: from the same inputs, and more if its fees want it. */
async function prepareAgain(
  core: Core,
  session: Session,
  head: OperationHead,
  before: readonly SwapPlan[],
): Promise<SwapPlan> {
  const last = before.at(-1);
  const own = last?.inputs ?? [];
  if (last?.whole ?? last?.send.length === 0) return planOf(await prepareWhole(core, session, own));
  return prepare(session, head.mint, head.amount, own).catch((cause) => {
    if (!(cause instanceof InsufficientFundsError)) throw cause;
    return prepare(session, head.mint, head.amount, [...own, ...core.proofs.ready(head.mint)]);
  });
}
