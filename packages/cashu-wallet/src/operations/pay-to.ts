import { remainingSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { mostOf } from '../mints/choose-proofs.ts';
import { type Destination, readDestination } from '../mints/destination.ts';
import { readInvoice } from '../mints/invoice.ts';
import { requestInvoice } from '../mints/lnurl.ts';
import { readBalance } from '../store/holdings.ts';
import { sumProofs } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { InsufficientFundsError, InvoiceRefusedError } from '../wallet-errors.ts';
import type { MintUrl, PayRequest, WithdrawalQuote } from '../wallet-types.ts';
import { askForQuote, type MintOffer, offer, quoteWithdrawal } from './melt-quote.ts';
import { usable } from './own-swap.ts';

/**
 * What it would cost to pay an invoice, a Lightning address, an LNURL or a `bitcoin:` link that has one of these.
 *
 * @throws what `quoteWithdrawal` throws, and LnurlError
 */
export async function quotePayment(
  core: Core,
  { to, amount, mint }: PayRequest,
  signal: AbortSignal,
): Promise<WithdrawalQuote> {
  const destination = readDestination(to);
  if (amount === 'all') return quoteAll(core, destination, mint ?? fullest(core), signal);
  const invoice = await invoiceOf(core, destination, amount ?? destination.amount, signal);
  return quoteWithdrawal(core, { ...invoice, ...(mint === undefined ? {} : { mint }) }, signal);
}

const fullest = (core: Core): MintUrl =>
  readBalance(core).mints.toSorted((a, b) => b.ready - a.ready)[0]?.mint ?? core.mints.defaultMint;

async function invoiceOf(
  core: Core,
  { kind, text, amount: asked }: Destination,
  amount: Sat | undefined,
  signal: AbortSignal,
): Promise<{ readonly invoice: string; readonly amount?: Sat }> {
  if (kind === 'address') {
    if (amount === undefined) throw new InvoiceRefusedError({ kind: 'no-amount' });
    return { invoice: await requestInvoice(core, text, amount, signal) };
  }
  // What a link asks for is for an invoice that leaves it open; an owner's own word has to fit in any case.
  const open = readInvoice(text).amountMsat === undefined;
  return { invoice: text, ...(amount === undefined || (!open && amount === asked) ? {} : { amount }) };
}

/** How often a mint is asked for the largest amount that fits: what it reserves depends on the amount. */
const rounds = 4;

/** As much as there is, less what it costs. */
async function quoteAll(
  core: Core,
  destination: Destination,
  mint: MintUrl,
  signal: AbortSignal,
): Promise<WithdrawalQuote> {
  if (destination.kind === 'invoice') {
    const { amountMsat } = readInvoice(destination.text);
    if (amountMsat !== undefined) {
      throw new InvoiceRefusedError({ kind: 'fixed-amount', amount: sat(Math.ceil(amountMsat / 1000)) });
    }
  }
  const session = await core.mints.open(mint, signal);
  const ready = usable(core, session, mint);
  const most = mostOf(session, ready, core.policy.maxInputs);
  let best: MintOffer | undefined;
  let need = sat(most + 1);
  let amount = most;
  for (let round = 0; round < rounds && amount > 0; round += 1) {
    const invoice = await invoiceOf(core, destination, amount, signal);
    const found = await askForQuote(core, session, invoice, signal);
    need = sat(found.amount + found.quote.feeReserve);
    const room = remainingSat(most, found.quote.feeReserve);
    if (need <= most) best = found;
    if (room === found.amount || (best !== undefined && room <= best.amount)) break;
    amount = room;
  }
  if (best === undefined) throw new InsufficientFundsError({ have: sumProofs(ready), need, mint });
  return offer(core, session, mint, best);
}
