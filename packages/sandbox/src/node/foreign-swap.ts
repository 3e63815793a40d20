import {
  isMintOperationError,
  MeltQuoteState,
  NetworkError,
  type Proof,
  sumProofs,
  type Wallet,
} from '@cashu/cashu-ts';
import { MintUnreachableError } from './mint-request.ts';
import { NodeRefusal } from './node-refusals.ts';
import { redemption } from './redemption-errors.ts';

/**
 * Brings a token's value from a mint that the node doesn't use to one that it does, over Lightning. What is left after
 * the fees that the mints ask for arrives; change at the source stays there.
 *
 * @throws NodeRefusal 422 when the source mint doesn't pay, 500 when nobody knows whether it did
 */
export async function swapOver(
  source: Wallet,
  proofs: readonly Proof[],
  target: Wallet,
): Promise<readonly Proof[]> {
  const face = sumProofs([...proofs]).toNumber();
  const inputFee = source.getFeesForProofs([...proofs]).toNumber();
  let amount = face - inputFee;
  try {
    // A quote's reserve depends on the amount, so the first guess is too high.
    for (let attempt = 0; attempt < 3 && amount > 0; attempt += 1) {
      const invoice = await target.createMintQuoteBolt11(amount);
      const quote = await source.createMeltQuoteBolt11(invoice.request);
      const short = quote.amount.add(quote.fee_reserve).toNumber() + inputFee - face;
      if (short > 0) {
        amount -= short;
        continue;
      }
      await pay(source, quote, proofs);
      return await collect(() => target.mintProofsBolt11(amount, invoice));
    }
  } catch (cause) {
    if (cause instanceof NodeRefusal) throw cause;
    throw Object.assign(cause instanceof NetworkError ? redemption.mintAway() : redemption.swapFailed(), {
      cause,
    });
  }
  throw redemption.swapTooDear();
}

async function pay(
  source: Wallet,
  quote: Awaited<ReturnType<Wallet['createMeltQuoteBolt11']>>,
  proofs: readonly Proof[],
): Promise<void> {
  try {
    const { quote: after } = await source.meltProofsBolt11(quote, [...proofs]);
    if (after.state !== MeltQuoteState.PAID) throw redemption.swapFailed();
  } catch (cause) {
    if (cause instanceof NodeRefusal || cause instanceof MintUnreachableError) throw cause;
    if (isMintOperationError(cause))
      throw cause.code === 11001 ? redemption.spent() : redemption.swapFailed();
    throw Object.assign(redemption.consumed(), { cause });
  }
}

/** The source has paid: whatever goes wrong now, the token is gone. */
async function collect(mint: () => Promise<Proof[]>): Promise<Proof[]> {
  try {
    return await mint();
  } catch (cause) {
    throw Object.assign(redemption.consumed(), { cause });
  }
}
