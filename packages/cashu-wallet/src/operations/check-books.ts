import type { CheckReport } from '../check-types.ts';
import { explainMintError } from '../mints/mint-errors.ts';
import { sumProofs } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import { bookProblems } from './book-problems.ts';
import { createFindings, type Findings } from './check-findings.ts';
import { checkProofs } from './check-proofs.ts';
import { checkTopUps } from './check-top-ups.ts';
import { checkUndone } from './check-undone.ts';
import { recover } from './recovery.ts';
import { canRestore } from './swap.ts';

/**
 * Proves that the books add up: what is open is asked about, every proof and every top-up is held against its mint, what
 * others keep here (`furtherChecks`) against those who know, and at last the books against themselves. Mends what the
 * mint's word decides, and says so; names what could not be looked at. No money leaves by it.
 */
export async function check(core: Core, signal: AbortSignal): Promise<CheckReport> {
  const findings = createFindings();
  const { settled } = await recover(core, signal);
  for (const { operation, kind, state, amount } of settled) {
    findings.add({ kind: 'settled', operation, what: kind, state, amount });
  }
  for (const mint of core.mints.accepted()) await checkMint(core, mint, findings, signal);
  for (const mint of leftMints(core)) findings.skip({ what: 'mint', mint, why: 'not-accepted' });
  for (const further of core.furtherChecks) await further(findings, signal);
  // Open ones, and top-ups that were paid and went to somebody else.
  const unproven = [...core.journal.open(), ...core.journal.inState('mint', 'failed')];
  for (const { operation, kind, mint, amount, trouble } of unproven) {
    findings.skip({ what: 'operation', operation, kind, mint, amount, why: trouble ?? 'open' });
  }
  return findings.report(await bookProblems(core, signal));
}

async function checkMint(core: Core, mint: MintUrl, findings: Findings, signal: AbortSignal): Promise<void> {
  try {
    const session = await core.mints.open(mint, signal);
    await checkUndone(core, session, mint, findings);
    await checkProofs(core, session, mint, findings);
    await checkTopUps(core, session, mint, findings, signal);
    await checkKeysets(core, mint, findings, signal);
    if (!canRestore(session)) return;
    const unsearched = core.keysets.unsearched(mint);
    for (const { id, isActive, hasHexId } of session.keyChain.getKeysets()) {
      if (!isActive && hasHexId && unsearched.has(id))
        findings.skip({ what: 'old-keyset', mint, keyset: id });
    }
  } catch (cause) {
    signal.throwIfAborted();
    const error = explainMintError(mint, cause);
    if (!(error instanceof MintError)) throw error;
    core.log.warn({ mint, problem: error.problem.kind }, 'a mint could not be checked');
    findings.skip({ what: 'mint', mint, why: error.problem.kind });
  }
}

/** Proofs of keysets that the mint shows no longer: whether they can be spent, nobody knows until it is tried. */
async function checkKeysets(
  core: Core,
  mint: MintUrl,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const held = Map.groupBy(
    (['ready', 'reserved', 'sent', 'quarantined'] as const).flatMap((state) => core.proofs.all(mint, state)),
    ({ id }) => id,
  );
  if (held.size === 0) return;
  const shown = await core.mints.shownKeysets(mint, signal);
  for (const [keyset, proofs] of held) {
    if (!shown.has(keyset))
      findings.skip({ what: 'keyset', mint, keyset, amount: sumProofs(proofs), why: 'gone' });
  }
}

/** Mints that are not accepted any more and have money of ours. They are not asked: an owner took them out. */
function leftMints(core: Core): readonly MintUrl[] {
  const accepted = new Set(core.mints.accepted());
  const held = core.proofs.totals().filter(({ state, amount }) => state !== 'spent' && amount > 0);
  const open = core.journal.open();
  return [...new Set([...held, ...open].map(({ mint }) => mint))].filter((mint) => !accepted.has(mint));
}
