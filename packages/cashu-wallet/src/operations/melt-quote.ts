/* What paying an invoice would cost, at the very most, and how it would be paid (the payment itself: `melt.ts`). */
import { MeltQuoteState } from '@cashu/cashu-ts';
import { addSat, remainingSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { z } from 'zod';
import { gatherProofs } from '../mints/choose-proofs.ts';
import { requirePayable } from '../mints/invoice.ts';
import { explainMintError, isMintOperationError } from '../mints/mint-errors.ts';
import { freshFeesMs, type Session } from '../mints/mint-sessions.ts';
import { loadProof, sumProofs } from '../store/stored-proof.ts';
import { type Core, newOperationId } from '../wallet-core.ts';
import { InsufficientFundsError, InvoiceRefusedError } from '../wallet-errors.ts';
import type { MintUrl, WithdrawalQuote } from '../wallet-types.ts';
import { lookBeforeUse } from './look-ahead.ts';
import { refusedInvoice } from './melt-outcome.ts';
import { type MeltOperation, meltQuoteSchema } from './melt-states.ts';
import { usable } from './own-swap.ts';

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
  const session = await core.mints.open(mint, signal, freshFeesMs);
  await lookBeforeUse(core, session, mint);
  return offer(core, session, mint, await askForQuote(core, session, payable, signal));
}

/** An invoice is paid once, at whichever mint. @throws InvoiceRefusedError `already-paid`, `under-way` */
export function requireUnpaid({ journal }: Core, invoice: string): void {
  const before = journal.melting(invoice);
  if (before === undefined) return;
  const { operation, open } = before;
  throw new InvoiceRefusedError(open ? { kind: 'under-way', operation } : { kind: 'already-paid' });
}

export type MintOffer = { readonly amount: Sat; readonly quote: z.infer<typeof meltQuoteSchema> };

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
  requireUnpaid(core, text);
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
  const quote = meltQuoteSchema.parse({
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

export type WayToPay = {
  /** An exact sum is made by a swap first: change would not come back, or much would be locked. */
  readonly swap: boolean;
  /** All that the mint takes at the most, beside what Lightning costs. */
  readonly mintFee: Sat;
  readonly returnsChange: boolean;
};

/** How `need` is paid: the amount and what may go to Lightning. @throws InsufficientFundsError */
export function wayToPay(core: Core, session: Session, mint: MintUrl, need: Sat): WayToPay {
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
