import type { Proof } from '@cashu/cashu-ts';
import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { explainMintError } from '../mints/mint-errors.ts';
import { yOf } from '../store/proofs.ts';
import { storeProof, sumProofs } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl, RestoreReport } from '../wallet-types.ts';
import { statesOf } from './swap.ts';

/** NUT-13: how many numbers in a row may be unused before the end is believed, and how many are asked for at once. */
export type RestoreDepth = { readonly gap: number; readonly batch: number };

/**
 * Finds what the words alone can find: every proof of every keyset (inactive ones too) at every accepted mint.
 * What is not in the words: tokens that were handed out, locked proofs, unpaid quotes. Proofs that are known already
 * stay as they are. What is in the middle of a payment comes as `quarantined`, until `check` finds it free.
 */
export async function restore(core: Core, depth: RestoreDepth, signal: AbortSignal): Promise<RestoreReport> {
  const unreachable: MintUrl[] = [];
  let recovered: Sat = sat(0);
  let proofs = 0;
  for (const mint of core.mints.accepted()) {
    try {
      const session = await core.mints.refresh(mint, signal);
      for (const { id } of session.keyChain.getKeysets().filter((keyset) => keyset.hasHexId)) {
        await core.mints.ensureKeys(session, [id]);
        const found = await session.batchRestore(depth.gap, depth.batch, 0, id);
        const added = await addFound(core, mint, found, id, session);
        recovered = addSat(recovered, added.amount);
        proofs += added.proofs;
      }
    } catch (cause) {
      signal.throwIfAborted();
      const error = explainMintError(mint, cause);
      if (!(error instanceof MintError) || error.problem.kind === 'keyset-conflict') throw error;
      core.log.warn({ mint, problem: error.problem.kind }, 'a mint could not be searched');
      unreachable.push(mint);
    }
  }
  return { recovered, proofs, unreachable };
}

async function addFound(
  core: Core,
  mint: MintUrl,
  found: { readonly proofs: readonly Proof[]; readonly lastCounterWithSignature?: number },
  keyset: string,
  session: Parameters<typeof statesOf>[0],
): Promise<{ readonly amount: Sat; readonly proofs: number }> {
  // 0 is a number like any other here.
  if (found.lastCounterWithSignature !== undefined) {
    await session.counters.advanceToAtLeast(keyset, found.lastCounterWithSignature + 1);
  }
  const unknown = found.proofs.map(storeProof).filter((proof) => !core.proofs.exists(yOf(proof)));
  const states = await statesOf(session, unknown);
  const unspent = unknown.filter((_, i) => states[i] === 'UNSPENT');
  core.store.write(() => {
    core.proofs.add(mint, unspent, 'ready', undefined);
    core.proofs.add(
      mint,
      unknown.filter((_, i) => states[i] === 'PENDING'),
      'quarantined',
      undefined,
    );
  });
  return { amount: sumProofs(unspent), proofs: unspent.length };
}
