import { requestFor } from '../payment-requests/make-request.ts';
import { isPaidAsEcash } from '../payment-requests/payment-requests.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import type { Core } from '../wallet-core.ts';
import type { AskedTopUp, TopUpState } from '../wallet-types.ts';
import { type MintOperation, mintSchema } from './mint.ts';

/** An invoice that nobody has paid for so long is no news, and so many are shown. */
const shownMs = 24 * 3_600_000;
const shown = 20;

/** Invoices of an owner that wait to be paid, and those that ended since a moment; from the disk, newest first. */
export function askedTopUps(core: Core, owner: string, endedSince: number): readonly AskedTopUp[] {
  const now = core.clock.now();
  return core.journal.topUpsOf(owner, now - shownMs, shown).flatMap((head) => {
    const { operation, mint, amount } = head;
    const body = core.journal.body(operation, mintSchema);
    const { request: invoice, expiresAt } = body.quote;
    const state = standingOf(core, head, body, now);
    const endedAt = state === 'paid' ? head.updatedAt : (expiresAt ?? now);
    // One that is in trouble is told elsewhere.
    if (body.state === 'failed' || (state !== 'unpaid' && endedAt < endedSince)) return [];
    return { operation, mint, amount, invoice, expiresAt, request: requestFor(core, operation), state };
  });
}

function standingOf(
  core: Core,
  head: OperationHead,
  { state, quote }: MintOperation,
  now: number,
): TopUpState {
  if (state !== 'quoted' && state !== 'expired') return 'paid';
  if (isPaidAsEcash(core, head)) return 'paid';
  return state === 'expired' || (quote.expiresAt !== undefined && quote.expiresAt <= now)
    ? 'expired'
    : 'unpaid';
}
