import { parseJson } from '@nostr-dm-agent/kit/json';
import { msatToSatFloor, type Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { type ApiKey, isApiKey } from './api-key.ts';
import { type NodeRequest, noAnswer, type Reply } from './node-http.ts';
import { numeric } from './numeric.ts';
import type { Evidence } from './outcomes.ts';
import { isMissingPath, isUnknownKey, readRefusal } from './refusal-meaning.ts';

/** What came of asking a node for an invoice. */
export type InvoiceOutcome =
  | {
      readonly state: 'invoice';
      readonly invoiceId: string;
      readonly invoice: string;
      /** Unix milliseconds. */
      readonly expiresAt: number;
      readonly evidence: Evidence;
    }
  /** It has no such call. */
  | { readonly state: 'unsupported'; readonly evidence: Evidence }
  | { readonly state: 'refused'; readonly evidence: Evidence }
  | { readonly state: 'unavailable'; readonly evidence: Evidence };

/** What a node says of an invoice of its own. */
export type InvoiceState =
  | { readonly state: 'paid'; readonly key: ApiKey | undefined; readonly evidence: Evidence }
  | {
      readonly state: 'pending' | 'expired' | 'cancelled' | 'unclear' | 'unknown' | 'unavailable';
      readonly evidence: Evidence;
    };

/** Money to a node by Lightning, without a mint of ours (docs/node-protocol.md#calls). */
export type NodeLightning = {
  /** @param key a top-up of it; undefined: a new one, which comes with the invoice's payment */
  readonly invoice: (amount: Sat, key: ApiKey | undefined, signal: AbortSignal) => Promise<InvoiceOutcome>;
  /** Moves nothing; can be asked for ever. */
  readonly invoiceState: (invoiceId: string, signal: AbortSignal) => Promise<InvoiceState>;
};

const timeoutMs = 20_000;
const invoiceSchema = z.object({
  invoice_id: z.string().regex(/^[\w-]{1,100}$/),
  bolt11: z
    .string()
    .max(4096)
    .regex(/^ln[a-z0-9]+$/i),
  expires_at: numeric,
});
const stateSchema = z.object({
  status: z.string(),
  api_key: z.string().refine(isApiKey).nullish(),
});

export function lightningOf(
  call: (
    path: string,
    request: Pick<NodeRequest, 'method' | 'bearer' | 'json' | 'timeoutMs'>,
    signal: AbortSignal,
  ) => Promise<Reply>,
): NodeLightning {
  return {
    async invoice(amount, bearer, signal) {
      const json = { amount_sats: amount, purpose: bearer === undefined ? 'create' : 'topup' };
      const request = { method: 'POST', json, timeoutMs, ...(bearer !== undefined && { bearer }) } as const;
      const reply = await call('lightning/invoice', request, signal);
      if (reply.kind !== 'answer') return { state: 'unavailable', evidence: noAnswer(reply.message) };
      const { evidence, refusal } = readRefusal(reply);
      if (reply.status !== 200) {
        if (isUnknownKey(refusal)) return { state: 'refused', evidence };
        if (isMissingPath(reply, bearer !== undefined)) return { state: 'unsupported', evidence };
        return { state: reply.status >= 500 ? 'unavailable' : 'refused', evidence };
      }
      const body = invoiceSchema.safeParse(parseJson(reply.body)).data;
      const said = { ...evidence, message: '' };
      // For another amount than was asked for, nobody shall pay it.
      if (body === undefined || amountIn(body.bolt11) !== amount) {
        return {
          state: 'refused',
          evidence: { ...said, message: 'an invoice that is not what was asked for' },
        };
      }
      return {
        state: 'invoice',
        invoiceId: body.invoice_id,
        invoice: body.bolt11,
        expiresAt: Math.trunc(body.expires_at) * 1000,
        evidence: said,
      };
    },

    async invoiceState(invoiceId, signal) {
      const path = `lightning/invoice/${encodeURIComponent(invoiceId)}/status`;
      const reply = await call(path, { method: 'GET', timeoutMs }, signal);
      if (reply.kind !== 'answer') return { state: 'unavailable', evidence: noAnswer(reply.message) };
      const { evidence } = readRefusal(reply);
      if (reply.status === 404) return { state: 'unknown', evidence };
      const body = reply.status === 200 ? stateSchema.safeParse(parseJson(reply.body)).data : undefined;
      if (body === undefined) return { state: 'unavailable', evidence };
      const said = { ...evidence, message: '' };
      switch (body.status) {
        case 'paid':
          return { state: 'paid', key: body.api_key ?? undefined, evidence: said };
        case 'pending':
        case 'expired':
        case 'cancelled':
          return { state: body.status, evidence: said };
        case 'settlement_pending':
          return { state: 'pending', evidence: said };
        default:
          return { state: 'unclear', evidence: said };
      }
    },
  };
}

/** In sat, by the part that a person can read (BOLT11); undefined: none, or not whole. */
function amountIn(invoice: string): Sat | undefined {
  const [, digits, unit] = /^ln(?:bcrt|bc|tbs|tb|sb)(\d+)([munp]?)1/i.exec(invoice) ?? [];
  if (digits === undefined) return undefined;
  const msatPerUnit = { '': 1e11, m: 1e8, u: 1e5, n: 100, p: 0.1 }[(unit ?? '').toLowerCase()];
  const msat = Number(digits) * (msatPerUnit ?? Number.NaN);
  return Number.isSafeInteger(msat) && msat % 1000 === 0 ? msatToSatFloor(msat) : undefined;
}
