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
 *   prepared     inputs (reserved), blank outputs, quote   quote PAID? -> paid, change from the quote or by restore.
 *                                                          PENDING? -> pending. UNPAID, all inputs UNSPENT, and no
 *                                                          request can be on its way any more -> rolled_back.
 *   pending      the same                                  the same; it can last for days
 *   paid         change is ready, preimage                 nothing to do
 *   rolled_back  inputs are ready again; outputs are kept  were they spent after all: `revive` makes it `paid`
 *
 * The request is never repeated, with one exception: when the mint refused it, the quote is UNPAID, all inputs are
 * UNSPENT, and the keyset of the blank outputs signs no more, it is made once more with fresh ones.
 */
import { Amount, type MeltQuoteBolt11Response, MeltQuoteState } from '@cashu/cashu-ts';
import { addSat, remainingSat, type Sat, sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { gatherProofs } from '../mints/choose-proofs.ts';
import { requirePayable } from '../mints/invoice.ts';
import { explainMintError, isDefiniteRefusal, isMintOperationError } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import { NotSentError } from '../mints/mint-transport.ts';
import {
  loadOutput,
  loadProof,
  type StoredProof,
  satSchema,
  storedOutputSchema,
  storedProofSchema,
  storeOutput,
  storeProof,
  sumProofs,
} from '../store/stored-proof.ts';
import { type Core, commit, newOperationId } from '../wallet-core.ts';
import {
  InsufficientFundsError,
  InvoiceRefusedError,
  OperationStateError,
  UnfinishedOperationError,
} from '../wallet-errors.ts';
import type { MintUrl, OperationId, Withdrawal, WithdrawalQuote } from '../wallet-types.ts';
import { expectPaid } from './mint.ts';
import { lookBeforeUse, takeOlder } from './older.ts';
import { gatherProofsFor, makeExact, usable } from './own-swap.ts';
import { reopen } from './reopen-mint.ts';
import { isPresent, nonsense, restoreOutputs, statesOf } from './swap.ts';

const quoteSchema = z.object({
  quote: z.string(),
  request: z.string(),
  feeReserve: satSchema,
  /** Milliseconds since the Unix epoch. */
  expiresAt: z.number().optional(),
  /** The mint's fees that were shown: more is not paid. Absent: quoted by an older version. */
  mintFee: satSchema.optional(),
});
const planSchema = z.object({
  keyset: z.string(),
  inputs: z.array(storedProofSchema).min(1),
  inputFee: satSchema,
  /** Blank: the mint writes the amounts of the change onto them. */
  outputs: z.array(storedOutputSchema),
});
const underWay = { quote: quoteSchema, plan: planSchema };

export const meltSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('quoted'), quote: quoteSchema }),
  z.object({ state: z.literal('expired'), quote: quoteSchema }),
  z.object({ state: z.literal('prepared'), ...underWay }),
  z.object({ state: z.literal('pending'), ...underWay }),
  z.object({ state: z.literal('paid'), quote: quoteSchema, preimage: z.string().optional() }),
  z.object({ state: z.literal('rolled_back'), ...underWay }),
]);
/** A withdrawal in one of its states, with what exists in that state. */
type MeltOperation = z.infer<typeof meltSchema>;
type UnderWay = Extract<MeltOperation, { state: 'prepared' | 'pending' | 'rolled_back' }>;

/** An invoice, and the amount where it leaves that to the payer. */
export type Payable = { readonly invoice: string; readonly amount?: Sat; readonly mint?: MintUrl };

/**
 * Asks what paying the invoice would cost: at the very most, whatever happens.
 *
 * @throws InvoiceRefusedError, InsufficientFundsError, MintError
 */
export async function quoteWithdrawal(
  core: Core,
  payable: Payable,
  signal: AbortSignal,
): Promise<WithdrawalQuote> {
  const { mint = core.mints.defaultMint } = payable;
  const session = await core.mints.open(mint, signal);
  return offer(core, session, mint, await askForQuote(core, session, payable, signal));
}

export type MintOffer = { readonly amount: Sat; readonly quote: z.infer<typeof quoteSchema> };

/** The mint's own offer, checked; whether there is enough is not looked at. @throws InvoiceRefusedError, MintError */
export async function askForQuote(
  core: Core,
  session: Session,
  { invoice, amount: given }: Pick<Payable, 'invoice' | 'amount'>,
  signal: AbortSignal,
): Promise<MintOffer> {
  const { network } = core.policy;
  const { text, amountMsat, atMost, atLeast } = requirePayable(invoice, {
    network,
    now: core.clock.now(),
    amount: given,
  });
  const amountless = amountMsat === undefined;
  if (amountless && !session.getMintInfo().supportsAmountless('bolt11', 'sat')) {
    throw new InvoiceRefusedError({ kind: 'amountless-unsupported' });
  }
  const answer = await session
    .createMeltQuoteBolt11(text, amountless ? atMost * 1000 : undefined)
    .catch((cause: unknown) => {
      signal.throwIfAborted();
      throw isMintOperationError(cause)
        ? refusedInvoice(cause)
        : explainMintError(session.mint.mintUrl, cause);
    });
  const amount = sat(answer.amount.toNumber());
  if (amount < atLeast || amount > atMost) {
    throw new InvoiceRefusedError({ kind: 'amount-mismatch', asked: atMost, quoted: amount });
  }
  if (answer.state === MeltQuoteState.PAID) throw new InvoiceRefusedError({ kind: 'already-paid' });
  const quote = quoteSchema.parse({
    quote: answer.quote,
    request: text,
    feeReserve: answer.fee_reserve.toNumber(),
    expiresAt: answer.expiry ? answer.expiry * 1000 : undefined,
  });
  const max = core.policy.maxFeeReserve(amount);
  if (quote.feeReserve > max)
    throw new InvoiceRefusedError({ kind: 'fee-too-high', fee: quote.feeReserve, max });
  return { amount, quote };
}

/** Writes the offer down, with what it costs here. @throws InsufficientFundsError */
export function offer(
  core: Core,
  session: Session,
  mint: MintUrl,
  { amount, quote }: MintOffer,
): WithdrawalQuote {
  const { feeReserve, expiresAt } = quote;
  const { mintFee, returnsChange } = wayToPay(core, session, mint, addSat(amount, feeReserve));
  const id = newOperationId();
  const body = { state: 'quoted', quote: { ...quote, mintFee } } as const;
  core.store.write(() => core.journal.insert<MeltOperation>({ id, kind: 'melt', mint, amount, body }));
  return { operation: id, mint, amount, feeReserve, inputFee: mintFee, returnsChange, expiresAt };
}

/** More than this is not put in beside what is needed: it would be locked while the payment is under way. */
const littleOver = (need: Sat): number => Math.max(8, Math.floor(need / 100));

type WayToPay = {
  /** An exact sum is made by a swap first: change would not come back, or much would be locked. */
  readonly swap: boolean;
  /** All that the mint takes at the most, beside what Lightning costs. */
  readonly mintFee: Sat;
  readonly returnsChange: boolean;
};

/** How `need` is paid: the amount and what may go to Lightning. @throws InsufficientFundsError */
function wayToPay(core: Core, session: Session, mint: MintUrl, need: Sat): WayToPay {
  const ready = usable(core, session, mint);
  const { maxInputs } = core.policy;
  const direct = gatherProofs(session, ready, need, maxInputs);
  if (direct === undefined) {
    const fee = sat(session.getFeesForProofs(ready.map(loadProof)).toNumber());
    throw new InsufficientFundsError({ have: sumProofs(ready), need: addSat(need, fee), mint });
  }
  // NUT-08.
  const returnsChange = session.getMintInfo().isSupported(8).supported;
  const over = remainingSat(direct.inputs, addSat(need, direct.inputFee));
  const fee = addSat(direct.gatherFee, direct.inputFee);
  if (over === 0 || (returnsChange && over <= littleOver(need))) {
    return { swap: false, mintFee: fee, returnsChange };
  }
  const meltFee = sat(session.getFeesToInclude(need).toNumber());
  const exact = gatherProofs(session, ready, addSat(need, meltFee), maxInputs);
  if (exact !== undefined) {
    return { swap: true, mintFee: addSat(exact.gatherFee, exact.inputFee, meltFee), returnsChange };
  }
  // Too little is over to pay for a swap.
  return { swap: false, mintFee: returnsChange ? fee : addSat(fee, over), returnsChange };
}

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
      try {
        await pay(core, id, signal);
      } catch (error) {
        if (!(error instanceof InvoiceRefusedError) || !(await backToQuoted(core, id, signal))) throw error;
        await pay(core, id, signal);
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
  let session = await core.mints.open(mint, signal);
  requireActiveKeyset(session);
  // It may find that some of what is ready is spent.
  await lookBeforeUse(core, session, mint);
  const need = addSat(amount, quote.feeReserve);
  const way = wayToPay(core, session, mint, need);
  if (quote.mintFee !== undefined && way.mintFee > quote.mintFee) {
    throw new InvoiceRefusedError({ kind: 'costs-more', shown: quote.mintFee, fee: way.mintFee });
  }
  const inputs = await takeInputs(core, session, id, need, way, signal);
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
    core.journal.move<MeltOperation>(id, ['quoted'], { state: 'prepared', quote, plan });
    core.journal.recordInputs(id, inputs);
    core.proofs.reserve(inputs, id);
  });
  core.reached('melt:prepared');
  return session;
}

/** True when the payment was refused because its change can't be signed, or its fee is another one: it can be tried anew. */
async function backToQuoted(core: Core, id: OperationId, signal: AbortSignal): Promise<boolean> {
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
    if (signed.length === 0) return false;
    await takeOlder(core, session, { mint, keysets: [body.plan.keyset], signed });
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
    await apply(core, session, id, answer, 'answered');
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
  await apply(core, session, id, answer, isDefiniteRefusal(error) ? { refusal: error } : 'asked');
}

/** Does what the mint says about the quote, and nothing before its words about the proofs agree. */
async function apply(
  core: Core,
  session: Session,
  id: OperationId,
  answer: Pick<MeltQuoteBolt11Response, 'state' | 'change' | 'payment_preimage'>,
  how: 'answered' | 'asked' | { readonly refusal: unknown },
): Promise<void> {
  const body = core.journal.body(id, meltSchema, 'prepared', 'pending');
  const { plan, state } = body;
  switch (answer.state) {
    case MeltQuoteState.PAID: {
      const change = await readChange(core, session, plan, answer).catch((cause: unknown) => {
        throw new UnfinishedOperationError(id, undefined, cause);
      });
      // Some mints say PAID before they have signed the change.
      const age = core.clock.now() - core.journal.head(id).updatedAt;
      const early = how !== 'answered' && age <= core.policy.settleAfterMs;
      if (early && change.length === 0 && plan.outputs.length > 0)
        throw new UnfinishedOperationError(id, undefined);
      commit(core, id, () => book(core, id, body, change, answer));
      core.reached('melt:done');
      return;
    }
    case MeltQuoteState.PENDING:
      if (state === 'pending') return;
      core.store.write(() => core.journal.move<MeltOperation>(id, [state], { ...body, state: 'pending' }));
      return;
    case MeltQuoteState.UNPAID: {
      const states = await statesOf(session, plan.inputs).catch((cause: unknown) => {
        throw new UnfinishedOperationError(id, undefined, cause);
      });
      if (states.includes('SPENT')) {
        core.store.write(() => core.journal.setTrouble(id, 'unpaid-but-spent'));
        throw new UnfinishedOperationError(id, 'unpaid-but-spent');
      }
      const refusal = typeof how === 'object' ? how.refusal : undefined;
      const age = core.clock.now() - core.journal.head(id).updatedAt;
      if (states.includes('PENDING') || (refusal === undefined && age <= core.policy.settleAfterMs)) {
        throw new UnfinishedOperationError(id, undefined, refusal);
      }
      rollBack(core, id);
      throw refusedInvoice(refusal, core.journal.feeOfParts(id));
    }
    default:
      throw new UnfinishedOperationError(
        id,
        undefined,
        nonsense(session, `melt quote is ${String(answer.state)}`),
      );
  }
}

/** One transaction: inputs spent, change ready, preimage kept. Called by `revive` for a rolled back payment, too. */
export function book(
  core: Core,
  id: OperationId,
  { state, quote, plan }: UnderWay,
  change: readonly StoredProof[],
  answer: Pick<MeltQuoteBolt11Response, 'payment_preimage'>,
): void {
  const { amount, mint } = core.journal.head(id);
  const paidOver = remainingSat(sumProofs(plan.inputs), addSat(amount, sumProofs(change)));
  const fee = addSat(paidOver, core.journal.feeOfParts(id));
  core.proofs.spend(plan.inputs, id);
  core.proofs.add(mint, change, 'ready', id);
  const paid = { state: 'paid', quote, preimage: answer.payment_preimage || undefined } as const;
  core.journal.move<MeltOperation>(id, [state], paid, { fee });
  expectPaid(core, quote.request);
}

/** The change, from the quote or (not every mint shows it twice) by its exact outputs. */
export async function readChange(
  core: Core,
  session: Session,
  plan: z.infer<typeof planSchema>,
  answer: Pick<MeltQuoteBolt11Response, 'change'>,
): Promise<readonly StoredProof[]> {
  if (plan.outputs.length === 0) return [];
  await core.mints.ensureKeys(session, [plan.keyset]);
  if (answer.change && answer.change.length > 0) {
    return session.createMeltChangeProofs(plan.outputs.map(loadOutput), answer.change).map(storeProof);
  }
  return (await restoreOutputs(session, plan.outputs)).filter(isPresent);
}

function rollBack(core: Core, id: OperationId): void {
  const body = core.journal.body(id, meltSchema, 'prepared', 'pending');
  core.store.write(() => {
    core.proofs.release(id);
    core.journal.move<MeltOperation>(id, [body.state], { ...body, state: 'rolled_back' });
  });
}

function describe(core: Core, id: OperationId): Withdrawal {
  const { amount, fee } = core.journal.head(id);
  const body = core.journal.body(id, meltSchema);
  if (body.state === 'paid') return { state: 'paid', operation: id, amount, fee, preimage: body.preimage };
  if (body.state === 'pending') return { state: 'pending', operation: id, amount };
  throw new OperationStateError(id, body.state);
}

function refusedInvoice(cause: unknown, cost: Sat = zeroSat): InvoiceRefusedError {
  const spent = cost === 0 ? {} : { spent: cost };
  const detail = cause instanceof Error ? cause.message : 'the mint did not pay it';
  const paid = isMintOperationError(cause) && cause.code === 20006;
  return new InvoiceRefusedError(
    paid ? { kind: 'already-paid', ...spent } : { kind: 'refused', detail, ...spent },
    cause,
  );
}
