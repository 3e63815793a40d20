/*
 * Melt: the mint pays an invoice with proofs of ours (NUT-05, NUT-23), change comes back (NUT-08).
 *
 *              quote             reserve             PAID
 *   (nothing) ───────► quoted ◄─────────► prepared ────────► paid
 *                        │      rotated    │  │ ▲             ▲
 *                        │ too late        │  ▼ │ PENDING     │ PAID after all (`revive`)
 *                        ▼                 │ pending ─► paid  │
 *                      expired             └─ UNPAID ──► rolled_back
 *
 *   state        on disk when it is entered                killed in it: recovery
 *   ───────────  ────────────────────────────────────────  ─────────────────────────────────────────────────────
 *   quoted       the quote                                 nothing is reserved; nothing to do. A swap to the exact sum
 *                                                          is a send of its own (`own-swap.ts`): what it made is ready.
 *   (counters)   numbers of the blank outputs              nothing happened; a gap in the numbers
 *   prepared     inputs (reserved), blank outputs, quote   quote PAID, all inputs SPENT? -> paid, change from the quote
 *                                                          or by restore. PENDING? -> pending. Some input UNSPENT, none
 *                                                          PENDING, and no request can be on its way any more
 *                                                          -> rolled_back, whatever the quote says (`judgeMelt`).
 *   pending      the same                                  the same; it can last for days
 *   paid         change is ready, preimage                 nothing to do
 *   rolled_back  inputs are ready again; outputs are kept  were they spent after all: `revive` makes it `paid`
 *
 * The request is never repeated, with one exception: when the mint refused it, the quote is UNPAID, all inputs are
 * UNSPENT, and the keyset of the blank outputs signs no more, it is made once more with fresh ones.
 */
import { Amount, type MeltQuoteBolt11Response } from '@cashu/cashu-ts';
import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { explainMintError, isDefiniteRefusal, isSignedBefore } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import { NotSentError } from '../mints/mint-transport.ts';
import { loadOutput, loadProof, type StoredProof, storeOutput, storeProof } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { InvoiceRefusedError, OperationStateError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { MintUrl, OperationId, Withdrawal } from '../wallet-types.ts';
import { noteGone, withoutGone } from './gone-keysets.ts';
import { lookBeforeUse } from './look-ahead.ts';
import { applyAnswer, rollBack } from './melt-outcome.ts';
import { requireUnpaid, type WayToPay, wayToPay } from './melt-quote.ts';
import { type MeltOperation, meltSchema } from './melt-states.ts';
import { takeOlder } from './older.ts';
import { gatherProofsFor, makeExact, usable } from './own-swap.ts';
import { reopen } from './reopen-mint.ts';
import { canRestore, restoreOutputs } from './swap.ts';

/** The inputs, made first where they have to be. Holds the mint's lock. @throws what `send` throws */
async function takeInputs(
  core: Core,
  session: Session,
  id: OperationId,
  need: Sat,
  { swap }: WayToPay,
  signal: AbortSignal,
): Promise<readonly StoredProof[]> {
  const { mint } = core.journal.head(id);
  if (swap) return makeExact(core, session, mint, need, signal, id);
  await gatherProofsFor(core, session, mint, need, signal, id);
  const { send } = session.selectProofsToSend(usable(core, session, mint).map(loadProof), need, true);
  return send.map((proof) => storeProof({ ...proof, amount: Amount.from(proof.amount) }));
}

/**
 * Pays what was quoted, once: whoever asks again hears what became of it.
 *
 * @throws InvoiceRefusedError (the money is still ours), InsufficientFundsError, MintError,
 *   UnfinishedOperationError (not known yet; the money is reserved), OperationStateError when it is over without a payment
 */
export const withdraw = (core: Core, id: OperationId, signal: AbortSignal): Promise<Withdrawal> =>
  core.turns.run(id, signal, async () => {
    const { state } = core.journal.head(id);
    if (state === 'prepared') await look(core, await reopen(core, id, [], signal), id, undefined);
    else if (state === 'quoted') {
      const { mint } = core.journal.head(id);
      const attempt = () => withoutGone(core, mint, signal, () => pay(core, id, signal));
      try {
        await attempt();
      } catch (error) {
        if (!(error instanceof InvoiceRefusedError) || !(await backToQuoted(core, id, signal, error.cause)))
          throw error;
        await attempt();
      }
    }
    return describe(core, id);
  });

/** From `quoted` to wherever the mint's word leads. */
async function pay(core: Core, id: OperationId, signal: AbortSignal): Promise<void> {
  const { mint } = core.journal.head(id);
  // The lock is let go before the payment: Lightning can take minutes, and the proofs are reserved.
  const session = await core.mintLock.run(mint, signal, () => reserve(core, id, mint, signal));
  await submit(core, session, id, signal);
}

/** `quoted` -> `prepared`. */
async function reserve(core: Core, id: OperationId, mint: MintUrl, signal: AbortSignal): Promise<Session> {
  const { amount } = core.journal.head(id);
  const { quote } = core.journal.body(id, meltSchema, 'quoted');
  if (quote.expiresAt !== undefined && quote.expiresAt <= core.clock.now()) {
    core.store.write(() => core.journal.move<MeltOperation>(id, ['quoted'], { state: 'expired', quote }));
    throw new InvoiceRefusedError({ kind: 'quote-expired' });
  }
  requireUnpaid(core, quote.request);
  let session = await core.mints.open(mint, signal);
  requireActiveKeyset(session);
  // It may find that some of what is ready is spent.
  await lookBeforeUse(core, session, mint);
  const need = addSat(amount, quote.feeReserve);
  const way = wayToPay(core, session, mint, need);
  if (quote.mintFee !== undefined && way.mintFee > quote.mintFee) {
    throw new InvoiceRefusedError({ kind: 'costs-more', shown: quote.mintFee, fee: way.mintFee });
  }
  const inputs = await takeInputs(core, session, id, need, way, signal).catch(async (error: unknown) => {
    if (!(error instanceof InvoiceRefusedError) || quote.mintFee === undefined) throw error;
    // A fee has grown in place, and a swap for the payment would have cost more.
    const { mintFee } = wayToPay(core, await core.mints.open(mint, signal), mint, need);
    throw new InvoiceRefusedError({ kind: 'costs-more', shown: quote.mintFee, fee: mintFee }, error);
  });
  // Keysets may have changed during a swap.
  if (way.swap) session = await core.mints.open(mint, signal);
  const inputFee = sat(session.getFeesForProofs(inputs.map(loadProof)).toNumber());
  const preview = await session.prepareMelt(
    'bolt11',
    { quote: quote.quote, amount: Amount.from(amount) },
    inputs.map(loadProof),
    { nut08Change: way.returnsChange },
    { type: 'deterministic', counter: 0 },
  );
  core.reached('melt:reserved');
  const outputs = preview.outputData.map(storeOutput);
  const plan = { keyset: preview.keysetId, inputs: [...inputs], inputFee, outputs };
  core.store.write(() => {
    // Another mint may have begun to pay it meanwhile.
    requireUnpaid(core, quote.request);
    core.journal.move<MeltOperation>(id, ['quoted'], { state: 'prepared', quote, plan });
    core.journal.recordInputs(id, inputs);
    core.proofs.reserve(inputs, id);
  });
  core.reached('melt:prepared');
  return session;
}

/** True when the payment was refused because its change can't be signed, or its fee is another one: it can be tried anew. */
async function backToQuoted(
  core: Core,
  id: OperationId,
  signal: AbortSignal,
  refusal: unknown,
): Promise<boolean> {
  const body = core.journal.body(id, meltSchema);
  if (body.state !== 'rolled_back') return false;
  const { mint } = core.journal.head(id);
  const session = await core.mints.refresh(mint, signal);
  const fee = session.getFeesForProofs(body.plan.inputs.map(loadProof)).toNumber();
  if (session.keyChain.getKeyset(body.plan.keyset).isActive && fee === body.plan.inputFee) {
    const restored = await restoreOutputs(session, body.plan.outputs).catch(() => []);
    // The mint says UNPAID: what is signed was signed for an older request with the same numbers.
    const signed = body.plan.outputs.flatMap((output, i) => {
      const proof = restored[i];
      return proof === undefined ? [] : [{ output, proof }];
    });
    if (signed.length > 0 || (!canRestore(session) && isSignedBefore(refusal)))
      await takeOlder(core, session, { mint, keysets: [body.plan.keyset], signed });
    else if (!(await noteGone(core, mint, signal))) return false;
  }
  core.store.write(() =>
    core.journal.move<MeltOperation>(id, ['rolled_back'], { state: 'quoted', quote: body.quote }),
  );
  return true;
}

async function submit(core: Core, session: Session, id: OperationId, signal: AbortSignal): Promise<void> {
  const body = core.journal.body(id, meltSchema, 'prepared');
  try {
    const answer = await session.mint.meltBolt11({
      quote: body.quote.quote,
      inputs: body.plan.inputs.map(({ dleq, ...proof }) => loadProof(proof)),
      outputs: body.plan.outputs.map((output) => loadOutput(output).blindedMessage),
    });
    core.reached('melt:answered');
    await applyAnswer(core, session, id, answer, 'answered');
  } catch (cause) {
    if (cause instanceof UnfinishedOperationError || cause instanceof InvoiceRefusedError) throw cause;
    if (signal.aborted) throw new UnfinishedOperationError(id, undefined, cause);
    if (cause instanceof NotSentError) {
      rollBack(core, id);
      throw explainMintError(core.journal.head(id).mint, cause);
    }
    await look(core, session, id, cause);
  }
}

/** Recovery of `prepared` and `pending`. Throws what `withdraw` throws. */
export const finishMelt = (core: Core, id: OperationId, signal: AbortSignal): Promise<void> =>
  core.turns.run(id, signal, async () => {
    if (core.journal.head(id).open) await look(core, await reopen(core, id, [], signal), id, undefined);
  });

/** Asks what became of the payment. `refusal` is the answer to the one request, if that was what it was. */
async function look(core: Core, session: Session, id: OperationId, error: unknown): Promise<void> {
  const { quote } = core.journal.body(id, meltSchema, 'prepared', 'pending');
  let answer: MeltQuoteBolt11Response;
  try {
    answer = await session.checkMeltQuoteBolt11(quote.quote);
  } catch (cause) {
    throw new UnfinishedOperationError(id, undefined, error ?? cause);
  }
  await applyAnswer(core, session, id, answer, isDefiniteRefusal(error) ? { refusal: error } : 'asked');
}

function describe(core: Core, id: OperationId): Withdrawal {
  const { amount, fee } = core.journal.head(id);
  const body = core.journal.body(id, meltSchema);
  if (body.state === 'paid') return { state: 'paid', operation: id, amount, fee, preimage: body.preimage };
  if (body.state === 'pending') return { state: 'pending', operation: id, amount };
  throw new OperationStateError(id, body.state);
}
