import { PaymentRequest as CashuRequest, PaymentRequestTransportType } from '@cashu/cashu-ts';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { requestKey } from '../crypto/request-keys.ts';
import type { StoredRequest } from '../store/request-store.ts';
import type { Core } from '../wallet-core.ts';
import type { MintUrl, OperationId, PaymentRequest, RequestId, TopUp } from '../wallet-types.ts';
import { freshNumber } from './older-requests.ts';

/** How long payments are looked for: a day in which it is paid, and a week for what comes late. */
const watchedMs = 8 * 24 * 3_600_000;
/** Watched at a time, by all and by one owner. Beyond that an invoice is the only way. */
const mostWatched = 200;
const mostUnpaidOfOwner = 20;

/**
 * Makes a request for the payment of a top-up. Inside the transaction that stores that.
 *
 * @returns undefined: payers can't reach us, or there are too many already
 */
export function makeRequest(
  core: Core,
  { operation, mint, amount }: Pick<TopUp, 'operation' | 'mint' | 'amount'>,
  owner: string | undefined,
): PaymentRequest | undefined {
  const { requests, payee, clock } = core;
  const watched = requests.watched();
  const unpaid = watched.filter((one) => one.owner === owner && !isPaid(core, one));
  if (watched.length >= mostWatched || unpaid.length >= mostUnpaidOfOwner) return undefined;
  const number = freshNumber(core);
  const { id, publicKey } = requestKey(core.seed, number);
  const address = payee.addressOf?.(publicKey);
  if (address === undefined) return undefined;
  const now = clock.now();
  const made = { number, id: id as RequestId, key: publicKey, topUp: operation, mint, amount, owner };
  requests.insert({ ...made, createdAt: now, watchedUntil: now + watchedMs });
  return written(id as RequestId, address, mint, amount);
}

/** The request that was made for a top-up; undefined: none was, or payers can't reach us now. */
export function requestFor({ requests, payee }: Core, topUp: OperationId): PaymentRequest | undefined {
  const made = requests.byTopUp(topUp);
  const address = made && payee.addressOf?.(made.key);
  if (made?.mint === undefined || made.amount === undefined || address === undefined) return undefined;
  return written(made.id, address, made.mint, made.amount);
}

function written(id: RequestId, address: string, mint: MintUrl, amount: Sat): PaymentRequest {
  // Some wallets refuse a transport without tags.
  const transport = { type: PaymentRequestTransportType.NOSTR, target: address, tags: [['n', '17']] };
  const request = new CashuRequest([transport], id, amount, 'sat', [mint], 'top up', true);
  return {
    id,
    // The alphabet of URLs, which all decoders know; cashu-ts writes the other one.
    text: request.toEncodedRequest().replaceAll('+', '-').replaceAll('/', '_'),
    qr: request.toEncodedCreqB().toUpperCase(),
  };
}

const isPaid = ({ payments, journal }: Core, { number, amount, topUp }: StoredRequest): boolean =>
  payments.total(number, 'redeemed').face >= (amount ?? 0) ||
  (topUp !== undefined && journal.head(topUp).state === 'done');
