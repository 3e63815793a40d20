/*
 * Payment requests (NUT-18): the way to pay a top-up with ecash. A payer is a stranger, so each request has a key of its
 * own, derived from the words; what comes to it is checked here before any mint is asked, and is on disk before that, too.
 */

import type { Sat } from '@nostr-dm-agent/kit/sat';
import { requestKey } from '../crypto/request-keys.ts';
import type { PaymentRequests } from '../faces.ts';
import type { StoredPayment } from '../store/payment-store.ts';
import type { StoredRequest } from '../store/request-store.ts';
import type { Core } from '../wallet-core.ts';
import { TokenRefusedError } from '../wallet-errors.ts';
import type { OperationId, OperationSummary } from '../wallet-types.ts';
import { lookForOlderPayments, olderNumbers, requestOf } from './older-requests.ts';
import { type Payload, readPayload } from './read-payload.ts';
import { redeemPayment } from './redeem-payment.ts';
import type { Delivery, OpenRequest, PaymentId, RequestNews } from './request-types.ts';

/** How long nobody is surprised that it is not paid; it is taken for longer. */
const openMs = 24 * 3_600_000;
/** What came for one request and waits to be redeemed. */
const mostWaiting = 50;

/** Sees to it that what payers send is received, and told. */
export function createPaymentRequests(core: Core): PaymentRequests {
  const { requests, payments, payee, clock } = core;
  return {
    reachedAt: (addressOf, onChange) => Object.assign(payee, { addressOf, onChange }),
    mailboxes: () =>
      [...requests.watched().map(({ number }) => number), ...olderNumbers(core)].map((number) => {
        const { publicKey, secretKey } = requestKey(core.seed, number);
        return { publicKey, secretKey };
      }),
    since: () => Math.min(clock.now(), ...requests.watched().map(({ createdAt }) => createdAt)),
    deliver: (publicKey, content) => deliver(core, publicKey, content),
    redeemNext: async (signal) => {
      const [next] = payments.waiting('due', 1);
      return next && redeemPayment(core, next.id, signal);
    },
    news: () => [...payments.untold().flatMap((payment) => newsOf(core, payment)), ...refusals(core)],
    newsTold: ({ kind, payment }) =>
      core.store.write(() => (kind === 'came' ? payments.told(payment) : requests.refusalTold(payment))),
    lookForOlder: () => lookForOlderPayments(core),
    open: (owner) =>
      requests
        .watched()
        .filter((request) => owner === undefined || request.owner === owner)
        .flatMap((request) => openRequest(core, request) ?? []),
    paidFor: (topUp) => paidFor(core, topUp),
  };
}

function paidFor({ requests, payments }: Core, topUp: OperationId): Sat | undefined {
  const request = requests.byTopUp(topUp);
  return request && payments.total(request.number, 'redeemed').face;
}

/** An invoice that nobody waits for any more, although it can be paid: its request was. */
export const isPaidAsEcash = (core: Core, { operation, kind, state, amount }: OperationSummary): boolean =>
  kind === 'mint' && state === 'quoted' && (paidFor(core, operation) ?? 0) >= amount;

function deliver(core: Core, publicKey: string, content: string): Delivery {
  const { requests, payments, store } = core;
  const request = requestOf(core, publicKey);
  if (request === undefined) return 'junk';
  let payload: Payload | undefined;
  try {
    payload = readPayload(core, request.id, content);
  } catch (error) {
    if (!(error instanceof TokenRefusedError)) throw error;
    const { problem } = error;
    core.log.info({ request: request.id, problem: problem.kind }, 'a payment can not be taken');
    // Only once: each write waits for the disk, and strangers send as many as they like.
    if (request.refusal === undefined) store.write(() => requests.noteRefusal(request.number, problem));
    return 'refused';
  }
  if (payload === undefined) return 'junk';
  const { id, token, face } = payload;
  const delivery = store.write((): Delivery => {
    if (payments.read(id) !== undefined) return 'known';
    if (payments.total(request.number, 'new').count >= mostWaiting) return 'later';
    if (requests.byKey(publicKey) === undefined) requests.insert(request);
    payments.add({ id, request: request.number, token, face });
    return 'kept';
  });
  if (delivery === 'kept') core.reached('payment:kept');
  return delivery;
}

function newsOf(core: Core, payment: StoredPayment): readonly RequestNews[] {
  const request = core.requests.byNumber(payment.request);
  if (request === undefined || payment.operation === undefined) return [];
  const { operation, mint, amount, fee } = core.journal.head(payment.operation);
  return [
    {
      kind: 'came',
      payment: payment.id,
      request: request.id,
      asked: request.amount,
      owner: request.owner,
      received: { operation, mint, amount, fee },
      before: core.payments.before(payment),
      invoicePaid: request.topUp !== undefined && core.journal.head(request.topUp).state === 'done',
    },
  ];
}

/** Named by the key of their request: there is one of each. */
const refusals = ({ requests }: Core): readonly RequestNews[] =>
  requests.untoldRefusals().flatMap(({ id, key, amount, owner, refusal }) =>
    refusal === undefined
      ? []
      : [
          {
            kind: 'refused',
            payment: key as PaymentId,
            request: id,
            asked: amount,
            owner,
            problem: refusal,
          },
        ],
  );

/** undefined: it is paid, or so old that nobody expects it to be. */
function openRequest(core: Core, stored: StoredRequest): OpenRequest | undefined {
  const { number, id, topUp, mint, amount, createdAt } = stored;
  if (topUp === undefined || mint === undefined || amount === undefined) return undefined;
  const came = core.payments.total(number, 'redeemed').face;
  const waiting = core.payments.total(number, 'new').face;
  const isOver =
    came >= amount || core.journal.head(topUp).state === 'done' || createdAt + openMs < core.clock.now();
  if (isOver && waiting === 0) return undefined;
  return { request: id, topUp, mint, amount, came, waiting, createdAt };
}
