import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { explainMintError } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import { lookForOlderPayments } from '../payment-requests/older-requests.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl, RecoveryReport, RecoveryScope, RestoreReport } from '../wallet-types.ts';
import { addFound, findSigned } from './older.ts';
import { recover } from './recovery.ts';
import { statesOf } from './swap.ts';

/** `recover`, and after it the search that a copy which was put back needs: once, also where a kill has cut it off. */
export async function recoverPutBack(
  core: Core,
  signal: AbortSignal,
  scope: RecoveryScope = 'all',
): Promise<RecoveryReport> {
  const report = await recover(core, signal, scope);
  if (scope === 'all' && core.keysets.isSearchDue()) {
    await restore(core, signal, false).catch((error: unknown) => {
      if (!(error instanceof MintError)) throw error;
      core.log.warn({ problem: error.problem.kind }, 'a copy that was put back could not be searched');
    });
  }
  return report;
}

/**
 * Finds what the words alone can find: every proof of every keyset (inactive ones too) at every accepted mint. What is
 * not in the words: locked proofs, unpaid quotes. What is known already, or belongs to an operation under way, stays as
 * it is. Payments that are under way to keys of the words are looked for from now on. What is in the middle of a payment comes as `quarantined`, until `check` finds it free.
 *
 * @param told whoever asks says what was found; else it is news (`found`)
 */
export async function restore(
  core: Core,
  signal: AbortSignal,
  told: boolean | undefined = true,
): Promise<RestoreReport> {
  const unreachable: MintUrl[] = [];
  const unsearched: string[] = [];
  let recovered: Sat = sat(0);
  let proofs = 0;
  for (const mint of core.mints.accepted()) {
    try {
      const session = await core.mints.refresh(mint, signal);
      for (const { id } of session.keyChain.getKeysets().filter((keyset) => keyset.hasHexId)) {
        const found = await searchKeyset(core, session, mint, id, told).catch((cause: unknown) => {
          const error = explainMintError(mint, cause);
          // The mint knows the keyset by name only: the others are searched all the same.
          if (error.problem.kind !== 'refused') throw error;
          core.log.warn({ mint, keyset: id, detail: error.problem.detail }, 'a keyset could not be searched');
          unsearched.push(id);
          return undefined;
        });
        recovered = addSat(recovered, found?.recovered ?? sat(0));
        proofs += found?.proofs ?? 0;
      }
    } catch (cause) {
      signal.throwIfAborted();
      const error = explainMintError(mint, cause);
      if (error.problem.kind === 'keyset-conflict') throw error;
      core.log.warn({ mint, problem: error.problem.kind }, 'a mint could not be searched');
      unreachable.push(mint);
    }
  }
  lookForOlderPayments(core);
  if (unreachable.length === 0 && core.keysets.isSearchDue()) core.store.write(core.keysets.searchDone);
  return { recovered, proofs, unreachable, unsearched };
}

async function searchKeyset(core: Core, session: Session, mint: MintUrl, keyset: string, told: boolean) {
  await core.mints.ensureKeys(session, [keyset]);
  const least = core.counters.next(keyset);
  const { signed, next } = await findSigned(core, session, keyset, { from: 0, least });
  const states = await statesOf(
    session,
    signed.map(({ proof }) => proof),
  );
  return core.store.write(() => {
    core.counters.moveTo(keyset, next);
    if (!session.keyChain.getKeyset(keyset).isActive && !states.includes('PENDING'))
      core.keysets.setSearched(keyset);
    return addFound(core, mint, signed, states, [], told);
  });
}
