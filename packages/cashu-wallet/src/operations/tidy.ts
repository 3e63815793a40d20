import { leaveEarlyMs } from '../mints/keyset-life.ts';
import type { Session } from '../mints/mint-sessions.ts';
import { loadProof, type StoredProof, sumProofs } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { WalletError } from '../wallet-errors.ts';
import type { EndingMoney, MintUrl } from '../wallet-types.ts';
import { askAgain, noteGone } from './gone-keysets.ts';
import { swapOwn, usable } from './own-swap.ts';
import { prepareWhole } from './send-swap.ts';
import { planOf } from './swap.ts';

/** A mint that refused is left alone for so long. */
const restMs = 3_600_000;

/**
 * Learns a mint's keysets, and puts its money in order when nothing else is done there: out of keysets that are about to
 * end, and small proofs into larger ones. One swap at most, journalled like any other: recovery ends what is cut off.
 *
 * @throws MintError when the mint can't be asked
 */
export async function tidy(core: Core, mint: MintUrl, signal: AbortSignal): Promise<void> {
  const known = await core.mints.open(mint, signal);
  if (core.mintLock.isHeld(mint) || (core.restingUntil.get(mint) ?? 0) > core.clock.now()) return;
  await askAgain(core, known, mint);
  if (choose(core, known, mint).length === 0) return;
  try {
    await core.mintLock.run(mint, signal, async () => {
      const session = await core.mints.open(mint, signal);
      const proofs = choose(core, session, mint);
      if (proofs.length === 0) return;
      core.log.info({ mint, amount: sumProofs(proofs), proofs: proofs.length }, 'proofs are made new');
      await swapOwn(core, session, mint, planOf(await prepareWhole(core, session, proofs)), signal);
    });
  } catch (error) {
    if (!(error instanceof WalletError)) throw error;
    const news = await noteGone(core, mint, signal);
    if (!news) core.restingUntil.set(mint, core.clock.now() + restMs);
    core.log.warn({ mint, error }, 'proofs could not be made new');
  }
}

/** What is to be swapped now, never more than the mint takes at once. */
function choose(core: Core, session: Session, mint: MintUrl): readonly StoredProof[] {
  const { maxInputs, manyProofs } = core.policy;
  const feeFor = (proofs: readonly StoredProof[]) =>
    session.getFeesForProofs(proofs.map(loadProof)).toNumber();
  const output = session.keyChain
    .getKeysets()
    .find(({ id, isActive, hasKeys }) => isActive && hasKeys && id === session.keysetId);
  if (output === undefined) return [];
  const lasts = output.expiry === undefined ? Number.POSITIVE_INFINITY : output.expiry * 1000;
  const early = new Set(
    core.proofs
      .ending(core.clock.now() + leaveEarlyMs)
      .filter(({ held, endsAt }) => held === 'ready' && endsAt < lasts)
      .map(({ keyset }) => keyset),
  );
  // Smallest first, and none that costs more than it is worth.
  const ready = usable(core, session, mint).filter(
    ({ id, amount }) => amount * 1000 > session.keyChain.getKeyset(id).fee,
  );
  const ending = ready.filter(({ id }) => early.has(id)).slice(-maxInputs);
  if (ending.length > 0 && feeFor(ending) < sumProofs(ending)) return ending;
  // What is about to end does not wait for a payment that hangs for days; dust does.
  if (ready.length <= manyProofs || core.journal.open().some((head) => head.mint === mint)) return [];
  const small = ready.slice(0, Math.min(maxInputs, ready.length - Math.floor(manyProofs / 2)));
  // No more than a hundredth of them.
  return feeFor(small) * 100 <= sumProofs(small) ? small : [];
}

/** Money in keysets that end soon, or have: what could not be moved in half of the time that there was for it. */
export const ending = (core: Core): readonly EndingMoney[] =>
  core.proofs
    .ending(core.clock.now() + leaveEarlyMs / 2)
    .map((each) => ({ ...each, ended: each.endsAt <= core.clock.now() }));
