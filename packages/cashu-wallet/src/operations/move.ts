/*
 * Move: one mint pays the invoice of another one, both ours. Two operations, linked by that invoice:
 *
 *              invoice there      quote here        code          paid            signed there
 *   (nothing) ───────────► mint quoted ──► melt quoted ──► melt … ──► mint quoted, open ──► mint done
 *
 *   killed                  recovery
 *   ──────────────────────  ─────────────────────────────────────────────────────────────────────────────────────────
 *   before the melt         nothing moved; the invoice expires
 *   in the melt             as any melt (`melt.ts`); while it is under way its invoice is asked about, expired or not
 *   after the melt          its booking opened the top-up in the same transaction: it is asked for until it comes
 *   in the mint             as any top-up (`mint.ts`)
 */

import type { Core } from '../wallet-core.ts';
import { UnfinishedOperationError, WalletError } from '../wallet-errors.ts';
import type { Moved, MoveOperations, MoveQuote, MoveRequest } from '../wallet-types.ts';
import { withdraw } from './melt.ts';
import { quoteWithdrawal } from './melt-quote.ts';
import { abandon, claimTopUp, requestInvoiceOf } from './mint.ts';

/**
 * What moving this much would cost. Nothing is reserved. The balance stays what it is, so its cap is not asked about.
 *
 * @throws InvoiceRefusedError, InsufficientFundsError, MintError
 */
export async function quoteMove(
  core: Core,
  { amount, from = core.mints.defaultMint, to }: MoveRequest,
  signal: AbortSignal,
): Promise<MoveQuote> {
  const topUp = await requestInvoiceOf(core, { amount, mint: to }, signal);
  try {
    return { topUp, withdrawal: await quoteWithdrawal(core, { invoice: topUp.invoice, mint: from }, signal) };
  } catch (error) {
    // Nobody has seen the invoice: nobody is going to pay it.
    abandon(core, topUp.operation);
    throw error;
  }
}

/**
 * Moves what was quoted.
 *
 * @throws what `withdraw` throws: then nothing has arrived, and recovery brings it there if it was paid after all
 */
export async function move(
  core: Core,
  { withdrawal, topUp }: MoveOperations,
  signal: AbortSignal,
): Promise<Moved> {
  const paid = await withdraw(core, withdrawal, signal);
  if (paid.state === 'pending') return { state: 'pending', amount: paid.amount };
  const { amount, fee } = paid;
  try {
    if ((await claimTopUp(core, topUp, signal)) === 'paid') return { state: 'moved', amount, fee };
  } catch (error) {
    if (!(error instanceof WalletError)) throw new UnfinishedOperationError(topUp, undefined, error);
    core.log.warn({ operation: topUp, error }, 'what was moved is not credited yet');
  }
  return { state: 'paid', amount, fee };
}
