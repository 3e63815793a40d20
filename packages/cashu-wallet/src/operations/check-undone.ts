import { z } from 'zod';
import { explainMintError } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import { type StoredOutput, storedOutputSchema } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import type { MintUrl } from '../wallet-types.ts';
import type { Findings } from './check-findings.ts';
import { addFound } from './older.ts';
import { reviveOne } from './revive.ts';
import { canRestore, restoreOutputs, type Signed, statesIfKnown } from './swap.ts';

/** So many of each sort are asked about, the newest. */
const most = 20;

/**
 * What was undone, or failed, by a mint's word that may have been early: a request can be carried out late, and a mint that
 * answers from several machines can know of a swap before it knows its signatures. What went through after all is booked;
 * what is signed for one that had failed is ours.
 */
export async function checkUndone(
  core: Core,
  session: Session,
  mint: MintUrl,
  findings: Findings,
): Promise<void> {
  if (!canRestore(session)) return;
  const newest = (...sorts: readonly (readonly [OperationHead['kind'], string])[]) =>
    sorts
      .flatMap(([kind, state]) => core.journal.inState(kind, state).filter((head) => head.mint === mint))
      .toSorted((a, b) => b.updatedAt - a.updatedAt)
      .slice(0, most);
  for (const head of newest(['send', 'rolled_back'], ['melt', 'rolled_back'])) {
    if (!(await wentThrough(core, session, head))) continue;
    const { operation, kind, state, amount } = core.journal.head(head.operation);
    findings.add({ kind: 'settled', operation, what: kind, state, amount });
  }
  const failed = newest(
    ['send', 'failed'],
    ['receive', 'failed'],
    ['receive', 'refused'],
    ['mint', 'failed'],
  );
  const outputs = failed.flatMap(({ operation }) => outputsOf(core, operation));
  if (outputs.length === 0) return;
  await core.mints.ensureKeys(
    session,
    outputs.map(({ blindedMessage }) => blindedMessage.id),
  );
  const restored = await restoreOutputs(session, outputs);
  const signed = outputs.flatMap((output, i): readonly Signed[] => {
    const proof = restored[i];
    return proof === undefined ? [] : [{ output, proof }];
  });
  const states = await statesIfKnown(
    session,
    signed.map(({ proof }) => proof),
  );
  const entry = core.store.write(() => addFound(core, mint, signed, states, [], true));
  if (entry === undefined) return;
  findings.add({ kind: 'came-through', mint, amount: entry.recovered, operation: entry.operation });
}

/** A mint that refuses to speak of it (its quote is forgotten, say) has nothing of it. */
async function wentThrough(core: Core, session: Session, head: OperationHead): Promise<boolean> {
  try {
    return await reviveOne(core, session, head);
  } catch (cause) {
    const { problem } = explainMintError(head.mint, cause);
    if (problem.kind === 'refused' || (problem.kind === 'http' && problem.status < 500)) return false;
    throw cause;
  }
}

const outputs = z.array(storedOutputSchema).default([]);
const bodySchema = z.object({
  state: z.string(),
  plans: z.array(z.object({ keep: outputs, send: outputs, outputs })).default([]),
});

const outputsOf = (core: Core, operation: OperationHead['operation']): readonly StoredOutput[] =>
  core.journal
    .body(operation, bodySchema)
    .plans.flatMap((plan) => [...plan.keep, ...plan.send, ...plan.outputs]);
