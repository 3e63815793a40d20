/*
 * Swaps of ours for ours: the same money in other proofs. Each is a send that nobody gets (`own`, send.ts): it survives
 * everything that a send survives.
 */
import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { gatherProofs } from '../mints/choose-proofs.ts';
import type { Session } from '../mints/mint-sessions.ts';
import type { StoredProof } from '../store/stored-proof.ts';
import { type Core, newOperationId } from '../wallet-core.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';
import type { SendOperation } from './send-states.ts';
import { prepare, prepareWhole, settle } from './send-swap.ts';
import { planOf, type SwapPlan, type Swapped } from './swap.ts';

/** Carries it out. Holds the mint's lock already. Throws what `send` throws; then recovery ends it. */
export async function swapOwn(
  core: Core,
  session: Session,
  mint: MintUrl,
  plan: SwapPlan,
  signal: AbortSignal,
  partOf?: OperationId,
): Promise<Swapped> {
  const id = newOperationId();
  return core.turns.run(id, signal, async () => {
    core.reached('send:reserved');
    core.store.write(() => {
      core.journal.insert<SendOperation>({
        id,
        kind: 'send',
        mint,
        amount: plan.amount,
        fee: plan.fee,
        body: { state: 'prepared', plans: [plan], own: true, partOf },
      });
      core.journal.recordInputs(id, plan.inputs);
      core.proofs.reserve(plan.inputs, id);
    });
    core.reached('send:prepared');
    return settle(core, session, id, signal, true);
  });
}

/** Proofs that are worth exactly `net` after the fee of spending them. Holds the mint's lock already. */
export async function makeExact(
  core: Core,
  session: Session,
  mint: MintUrl,
  net: Sat,
  signal: AbortSignal,
  partOf: OperationId,
): Promise<readonly StoredProof[]> {
  const face = addSat(net, sat(session.getFeesToInclude(net).toNumber()));
  await gatherProofsFor(core, session, mint, face, signal, partOf);
  const plan = await prepare(session, mint, net, usable(core, session, mint));
  return (await swapOwn(core, session, mint, plan, signal, partOf)).send;
}

/** Makes few proofs of many, so that no more than the mint takes at once are worth this after their fee. Holds the mint's lock. */
export async function gatherProofsFor(
  core: Core,
  session: Session,
  mint: MintUrl,
  need: Sat,
  signal: AbortSignal,
  partOf?: OperationId,
): Promise<void> {
  const { maxInputs } = core.policy;
  for (;;) {
    const ready = usable(core, session, mint);
    const first = gatherProofs(session, ready, need, maxInputs)?.first ?? [];
    if (first.length === 0) return;
    await swapOwn(core, session, mint, planOf(await prepareWhole(core, session, first)), signal, partOf);
  }
}

/** Ready proofs of a mint, as far as its keysets are known. */
export const usable = (core: Core, session: Session, mint: MintUrl): readonly StoredProof[] =>
  core.proofs.ready(mint).filter((proof) => session.keyChain.isUnitKeyset(proof.id));
