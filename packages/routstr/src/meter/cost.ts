import { z } from 'zod';
import { reservationMsat } from '../models/usable-models.ts';
import { numeric } from '../node/numeric.ts';
import type { MeterPrice, RequestUsage } from './metered-run.ts';

const optional = numeric.nullish().catch(undefined);
const costSchema = z.object({ total_msats: optional }).nullish().catch(undefined);
const detailsSchema = z.object({ cached_tokens: optional }).nullish().catch(undefined);
const usageSchema = z
  .object({
    prompt_tokens: optional,
    completion_tokens: optional,
    prompt_tokens_details: detailsSchema,
    /** An object from a Routstr node; a number, in USD, from what is behind it and from old nodes. */
    cost: z
      .union([z.object({ total_msats: optional }), numeric])
      .nullish()
      .catch(undefined),
    cost_sats: optional,
    remaining_balance_msats: optional,
  })
  .nullish()
  .catch(undefined);

/**
 * The parts of a chunk, or of a whole answer, in which nodes of any version say what it cost
 * (docs/node-protocol.md#what-a-call-costs).
 */
export const billSchema = z.object({
  usage: usageSchema,
  cost: costSchema,
  metadata: z
    .object({
      routstr: z
        .object({ cost: z.object({ total_msats: optional, remaining_balance_msats: optional }).nullish() })
        .nullish()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
});
export type BillPart = z.infer<typeof billSchema>;

/** What is known of one request's cost so far; a stream says it in pieces. */
export type Bill = {
  nodeMsat: number | undefined;
  usd: number | undefined;
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  cachedTokens: number | undefined;
  remainingMsat: number | undefined;
};

export const emptyBill = (): Bill => ({
  nodeMsat: undefined,
  usd: undefined,
  promptTokens: undefined,
  completionTokens: undefined,
  cachedTokens: undefined,
  remainingMsat: undefined,
});

/** Later pieces win: the node's own chunk comes after the upstream's. */
export function addToBill(bill: Bill, part: BillPart): void {
  const { usage, cost, metadata } = part;
  const own = metadata?.routstr?.cost;
  const inUsage = typeof usage?.cost === 'object' ? usage.cost?.total_msats : undefined;
  const sats = usage?.cost_sats;
  bill.nodeMsat =
    inUsage ??
    cost?.total_msats ??
    own?.total_msats ??
    (sats == null ? undefined : sats * 1000) ??
    bill.nodeMsat;
  if (typeof usage?.cost === 'number') bill.usd = usage.cost;
  bill.promptTokens = usage?.prompt_tokens ?? bill.promptTokens;
  bill.completionTokens = usage?.completion_tokens ?? bill.completionTokens;
  bill.cachedTokens = usage?.prompt_tokens_details?.cached_tokens ?? bill.cachedTokens;
  bill.remainingMsat = usage?.remaining_balance_msats ?? own?.remaining_balance_msats ?? bill.remainingMsat;
}

/** The header of an answer that is no stream. */
export function addHeaderToBill(bill: Bill, headers: Headers): void {
  const value = numeric.safeParse(headers.get('x-routstr-cost-msats') ?? undefined).data;
  if (value !== undefined) bill.nodeMsat = value;
}

/**
 * What a request cost, by the best that is known.
 *
 * @param received tokens that were sent and received, by their length: for an answer that ended without a bill
 */
export function settleBill(
  bill: Bill,
  model: string | undefined,
  price: MeterPrice | undefined,
  received: { readonly promptTokens: number; readonly completionTokens: number },
): RequestUsage {
  const { promptTokens, completionTokens } = bill;
  const facts = { model, promptTokens, completionTokens };
  const known = bill.nodeMsat ?? usdToMsat(bill.usd, price);
  if (known !== undefined && known >= 0) {
    // Without the dust of binary fractions, which would cost a whole msat.
    return { ...facts, msat: Math.ceil(Number(known.toPrecision(12))), source: 'node' };
  }
  if (!price) return { ...facts, msat: 0, source: 'estimate' };
  if (promptTokens !== undefined && completionTokens !== undefined) {
    const cached = Math.min(bill.cachedTokens ?? 0, promptTokens);
    const saved = cached * (price.sat.prompt - (price.sat.cacheRead ?? price.sat.prompt)) * 1000;
    const msat = reservationMsat(price.sat, promptTokens, completionTokens) - saved;
    return { ...facts, msat: Math.max(0, Math.ceil(msat)), source: 'tokens' };
  }
  return {
    ...facts,
    msat: reservationMsat(price.sat, received.promptTokens, received.completionTokens),
    source: 'estimate',
  };
}

/** A node prices every token in both: that is its exchange rate. */
function usdToMsat(usd: number | undefined, price: MeterPrice | undefined): number | undefined {
  if (usd === undefined || !price?.usd || price.usd.completion <= 0) return undefined;
  return usd * (price.sat.completion / price.usd.completion) * 1000;
}
