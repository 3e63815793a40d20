/*
 * A payment that came for one of our requests becomes ours.
 *
 *           receipt
 *   new ───────────────► redeemed
 *    │ │ ├ another receipt had its proofs ► repeated
 *    │ │ └ somebody else has them ────────► spent
 *    │ └ the mint does not take it ───────► refused
 *    └ the mint is away: again later
 *
 * It is on disk, as a token, before anything is asked of a mint; the receipt that is begun for it is written to its row in
 * the transaction that begins that receipt. Killed anywhere it is redeemed at the next look: a receipt that was cut off is
 * finished by its own rules (`operations/receive.ts`), and found by its row.
 */
import { addSat } from '@nostr-dm-agent/kit/sat';
import { finishReceive } from '../operations/receive.ts';
import { receiveToken } from '../operations/receive-token.ts';
import { retryPause } from '../operations/retry-pause.ts';
import type { StoredPayment } from '../store/payment-store.ts';
import type { Core } from '../wallet-core.ts';
import { type TokenProblem, TokenRefusedError, WalletError } from '../wallet-errors.ts';
import type { OperationId, Received } from '../wallet-types.ts';
import type { PaymentId, PaymentOutcome } from './request-types.ts';

/** How long a request that was paid is looked after: somebody may pay it again. */
const watchedOnMs = 7 * 24 * 3_600_000;
/** So many payments of one request are told of; who sends more, sat by sat, is counted without a word. */
const mostTold = 10;
/** So often a mint is asked that says no for a reason which may pass. */
const mostRefusals = 8;
/** It stays bad whenever it is asked about. */
const finalProblems: ReadonlySet<TokenProblem['kind']> = new Set([
  'malformed',
  'too-large',
  'too-many-proofs',
  'wrong-unit',
  'locked',
  'bad-signature',
  'dust',
]);

type End =
  | { readonly state: 'redeemed'; readonly received: Received }
  | { readonly state: 'refused'; readonly problem: TokenProblem }
  | { readonly state: 'repeated' | 'spent' };

/** Redeems a payment that is on disk; what goes wrong is written to its row. Throws for the signal alone, and for defects. */
export async function redeemPayment(core: Core, id: PaymentId, signal: AbortSignal): Promise<PaymentOutcome> {
  return core.paymentTurns.run(id, signal, async () => {
    const payment = core.payments.read(id);
    if (payment === undefined) return 'repeated';
    if (payment.state !== 'new') return payment.state;
    const end = await receive(core, payment, signal).then(
      (received): End => ({ state: 'redeemed', received }),
      (error: unknown) => {
        if (signal.aborted || !(error instanceof WalletError)) throw error;
        return endOf(core, payment, error);
      },
    );
    if (end === undefined) return 'later';
    core.store.write(() => settle(core, payment, end));
    core.reached('payment:settled');
    return end.state;
  });
}

async function receive(core: Core, payment: StoredPayment, signal: AbortSignal): Promise<Received> {
  const { operation } = payment;
  if (operation !== undefined) {
    // Begun by an earlier try: it may be over, or has to be.
    await finishReceive(core, operation, signal);
    const done = receivedBy(core, operation);
    if (done !== undefined) return done;
  }
  const request = core.requests.byNumber(payment.request);
  const options = {
    cap: false,
    ...(request?.owner !== undefined && { owner: request.owner }),
    note: `payment request ${request?.id ?? ''}`,
    also: (begun: OperationId): void => core.payments.begin(payment.seq, begun),
  };
  return receiveToken(core, payment.token, options, signal);
}

function receivedBy(core: Core, operation: OperationId): Received | undefined {
  const { state, mint, amount, fee } = core.journal.head(operation);
  return state === 'done' ? { operation, mint, amount, fee } : undefined;
}

/** What an error of the receipt means; undefined: nothing yet, it is tried again. */
function endOf(core: Core, payment: StoredPayment, error: WalletError): End | undefined {
  const problem = error instanceof TokenRefusedError ? error.problem : undefined;
  if (problem?.kind === 'already-received') {
    // By the receipt that was begun for it just now, or by somebody who had the same proofs.
    const own = core.payments.read(payment.id)?.operation === problem.operation;
    const received = own ? receivedBy(core, problem.operation) : undefined;
    return received === undefined ? { state: 'repeated' } : { state: 'redeemed', received };
  }
  if (problem?.kind === 'spent') return { state: 'spent' };
  if (problem !== undefined && (finalProblems.has(problem.kind) || payment.attempts >= mostRefusals)) {
    return { state: 'refused', problem };
  }
  core.log.info({ payment: payment.id, error }, 'a payment could not be redeemed yet');
  const again = core.clock.now() + retryPause(payment.attempts);
  core.store.write(() => core.payments.postpone(payment.seq, again));
  return undefined;
}

/** Inside a transaction. */
function settle({ requests, payments, clock }: Core, payment: StoredPayment, end: End): void {
  let { face } = payment;
  if (end.state === 'redeemed') {
    const { operation, amount, fee } = end.received;
    payments.begin(payment.seq, operation);
    requests.watchUntil(payment.request, clock.now() + watchedOnMs);
    face = addSat(amount, fee);
  }
  const { state } = end;
  const silent = state !== 'redeemed' || payments.total(payment.request, 'redeemed').count >= mostTold;
  payments.settle(payment, { state, face, silent });
  if (end.state === 'refused') requests.noteRefusal(payment.request, end.problem);
}
