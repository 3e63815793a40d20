import { createHash } from 'node:crypto';
import { readText } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { createGuardedFetch, isOnion, isProxied, PrivateAddressError } from '@nostr-dm-agent/kit/net';
import { msatToSatCeil, msatToSatFloor, type Sat } from '@nostr-dm-agent/kit/sat';
import { bech32 } from '@scure/base';
import { z } from 'zod';
import type { Core } from '../wallet-core.ts';
import { InvoiceRefusedError, LnurlError } from '../wallet-errors.ts';
import { requirePayable } from './invoice.ts';

type LnurlOptions = {
  /** BOLT11 prefix that the invoice must have; undefined accepts every network. */
  readonly network: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Sandbox and tests: plain http to this machine. Off: https to public addresses alone. */
  readonly loopback: boolean;
};

/** What a service says about itself (LUD-06): amounts in sat that it takes. */
type PayService = {
  readonly callback: URL;
  readonly min: Sat;
  readonly max: Sat;
  /** Exactly as it was sent: the invoice commits to it. */
  readonly metadata: string;
};

const maxBodyBytes = 64 * 1024;
const timeoutMs = 10_000;

/**
 * Gets an invoice for exactly `amount` from a Lightning address (LUD-16) or an LNURL (LUD-01, LUD-06). The invoice is
 * checked: amount, network, expiry, and that it commits to the service's metadata.
 *
 * @throws LnurlError
 */
export async function requestInvoice(
  { policy: { network }, clock }: Pick<Core, 'policy' | 'clock'>,
  address: string,
  amount: Sat,
  signal: AbortSignal,
): Promise<string> {
  const options = { network, now: clock.now(), loopback: network === undefined };
  const service = await askService(address, options, signal);
  if (amount < service.min || amount > service.max) {
    throw new LnurlError({ kind: 'amount', min: service.min, max: service.max });
  }
  const url = new URL(service.callback);
  url.searchParams.set('amount', String(amount * 1000));
  const answer = invoiceSchema.safeParse(await getJson(url, options, signal));
  if (!answer.success) throw new LnurlError({ kind: 'nonsense', detail: 'no invoice' }, answer.error);
  return checkInvoice(answer.data.pr, amount, service, options);
}

/** Asks what the service behind an address takes. @throws LnurlError */
async function askService(address: string, options: LnurlOptions, signal: AbortSignal): Promise<PayService> {
  const answer = serviceSchema.safeParse(await getJson(addressUrl(address, options), options, signal));
  if (!answer.success) throw new LnurlError({ kind: 'nonsense', detail: 'no payRequest' }, answer.error);
  const { callback, minSendable, maxSendable, metadata } = answer.data;
  return {
    callback: new URL(callback),
    min: msatToSatCeil(minSendable),
    max: msatToSatFloor(maxSendable),
    metadata,
  };
}

const serviceSchema = z.object({
  tag: z.literal('payRequest'),
  callback: z.url(),
  minSendable: z.number().int().positive().safe(),
  maxSendable: z.number().int().positive().safe(),
  metadata: z.string().refine((text) => Array.isArray(parseJson(text))),
});
const invoiceSchema = z.object({ pr: z.string().max(8192) });
const refusalSchema = z.object({ status: z.literal('ERROR'), reason: z.string().optional() });

function addressUrl(address: string, { loopback }: LnurlOptions): URL {
  const text = address
    .trim()
    .toLowerCase()
    .replace(/^lightning:/, '');
  try {
    if (text.startsWith('lnurl1')) {
      const { prefix, words } = bech32.decode(text as `lnurl1${string}`, 2000);
      if (prefix !== 'lnurl') throw new TypeError('not an LNURL');
      return new URL(new TextDecoder().decode(bech32.fromWords(words)));
    }
    const [, name, host] = /^([a-z0-9._+-]+)@([a-z0-9.-]+(?::\d+)?)$/.exec(text) ?? [];
    if (name === undefined || host === undefined) throw new TypeError('no address');
    const local = loopback && /^(localhost|127\.0\.0\.1)(:|$)/.test(host);
    // LUD-16: onion services are asked by http.
    const plain = local || (isProxied() && isOnion(host.replace(/:\d+$/, '')));
    return new URL(`${plain ? 'http' : 'https'}://${host}/.well-known/lnurlp/${name}`);
  } catch (cause) {
    throw new LnurlError({ kind: 'malformed' }, cause);
  }
}

async function getJson(url: URL, options: LnurlOptions, signal: AbortSignal): Promise<unknown> {
  const timeout = AbortSignal.timeout(timeoutMs);
  // Somebody else chose this address, and those it sends us to.
  const guarded = createGuardedFetch({ allowLoopback: options.loopback, redirects: 3 });
  let status: number;
  let body: string | undefined;
  try {
    const response = await guarded(url, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.any([signal, timeout]),
    });
    status = response.status;
    body = await readText(response, maxBodyBytes);
  } catch (cause) {
    signal.throwIfAborted();
    const kind = cause instanceof PrivateAddressError ? 'forbidden' : 'unreachable';
    throw new LnurlError({ kind, host: url.host }, cause);
  }
  if (body === undefined) throw new LnurlError({ kind: 'nonsense', detail: 'the answer is too large' });
  const parsed = parseJson(body);
  const refused = refusalSchema.safeParse(parsed);
  if (refused.success) {
    throw new LnurlError({ kind: 'refused', reason: (refused.data.reason ?? '').slice(0, 200) });
  }
  if (status === 404) throw new LnurlError({ kind: 'unknown' });
  if (status !== 200 || parsed === undefined) {
    throw new LnurlError({ kind: 'nonsense', detail: `status ${status}` });
  }
  return parsed;
}

function checkInvoice(text: string, amount: Sat, service: PayService, options: LnurlOptions): string {
  try {
    const invoice = requirePayable(text, options);
    if (invoice.amountMsat !== amount * 1000) {
      throw new InvoiceRefusedError({ kind: 'amount-mismatch', asked: amount, quoted: invoice.atMost });
    }
    const commitment = createHash('sha256').update(service.metadata, 'utf8').digest('hex');
    if (invoice.descriptionHash !== undefined && invoice.descriptionHash !== commitment) {
      throw new LnurlError({ kind: 'nonsense', detail: 'the invoice is for something else' });
    }
    return invoice.text;
  } catch (cause) {
    if (cause instanceof InvoiceRefusedError)
      throw new LnurlError({ kind: 'invoice', problem: cause.problem }, cause);
    throw cause;
  }
}
