import { parseJson } from '@nostr-dm-agent/kit/json';
import { withoutTokens } from '@nostr-dm-agent/kit/token-text';
import { z } from 'zod';

/**
 * What a node's refusal says, whichever of the seven shapes it has (docs/node-protocol.md#shapes-of-a-refusal: A to F
 * are the node's own, G is HTML of a proxy in front of it).
 */
export type Refusal = {
  readonly shape: 'A' | 'B' | 'C' | 'D' | 'E' | 'F' | 'G';
  /** At most 300 characters, tokens and keys blanked out. */
  readonly message: string;
  /** E.g. `invalid_request_error`, `mint_error`. */
  readonly type: string | undefined;
  /** E.g. `key_not_found`. Numeric codes (a repeated HTTP status) are left out. */
  readonly code: string | undefined;
  /** Amounts of an x-cashu 402 (shape C), in msat. */
  readonly requiredMsat: number | undefined;
  readonly requestId: string | undefined;
};

const errorSchema = z.object({
  message: z.string().optional(),
  type: z.string().nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
});
const requestIdSchema = z.object({ request_id: z.string().optional() });
const shapes = {
  A: z.object({ detail: z.string() }),
  B: z.object({ detail: z.object({ error: errorSchema }) }),
  C: z.object({
    detail: z.object({
      error: z.string().optional(),
      reason: z.string().optional(),
      type: z.string().optional(),
      amount_required_msat: z.number().optional(),
    }),
  }),
  D: z.object({ error: z.union([errorSchema, z.string()]) }),
  E: z.object({ detail: z.array(z.object({ msg: z.string().optional() })) }),
};

/** F is A with this text: nobody in the node expected what happened. */
const unhandled = /^internal server error/i;

/**
 * Reads the body of an answer with an error status. Never throws: what has no known shape is `G`.
 *
 * @param requestId the header `x-routstr-request-id`, which wins over the body's
 */
export function parseRefusal(body: string, requestId: string | undefined): Refusal {
  const json = parseJson(body);
  const id = requestId ?? requestIdSchema.safeParse(json).data?.request_id;
  const facts = (
    shape: Refusal['shape'],
    message: string,
    rest: { type?: string | null | undefined; code?: string | number | null | undefined } = {},
    requiredMsat?: number,
  ): Refusal => ({
    shape,
    message: scrub(message),
    type: rest.type ?? undefined,
    code: typeof rest.code === 'string' ? rest.code : undefined,
    requiredMsat,
    requestId: id,
  });

  const nested = shapes.B.safeParse(json).data?.detail.error;
  if (nested) return facts('B', nested.message ?? '', nested);
  const text = shapes.A.safeParse(json).data?.detail;
  if (text !== undefined) return facts(unhandled.test(text) ? 'F' : 'A', text);
  const invalid = shapes.E.safeParse(json).data?.detail;
  if (invalid) return facts('E', invalid.map((item) => item.msg ?? '').join('; '));
  const other = shapes.C.safeParse(json).data?.detail;
  if (other) {
    return facts('C', other.error ?? other.reason ?? '', { type: other.type }, other.amount_required_msat);
  }
  const plain = shapes.D.safeParse(json).data?.error;
  if (plain !== undefined) {
    return typeof plain === 'string' ? facts('D', plain) : facts('D', plain.message ?? '', plain);
  }
  return facts('G', body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' '));
}

/** Nodes quote what they were sent: no token and no key leaves this file. */
export const scrub = (text: string): string =>
  withoutTokens(text, '[token]', 1)
    .replace(/\bsk-[A-Za-z0-9_-]{6,}/g, '[key]')
    .trim()
    .slice(0, 300);

export type Shortage = {
  readonly neededMsat: number | undefined;
  readonly availableMsat: number | undefined;
};

/**
 * The numbers of a 402. Knows the node's two sentences:
 * "Insufficient balance: 540 sats (540000 msats) required for this model; 120 sats (120000 msats) available." and
 * "Insufficient balance: 540000 mSats required. 120000 available. (reserved: 0)".
 */
export function parseShortage(refusal: Refusal): Shortage {
  const { message } = refusal;
  const needed = /(\d+)\s*msats?\)?\s*required/i.exec(message)?.[1];
  const available = /(\d+)(?:\s*msats?\))?\s*available/i.exec(message)?.[1];
  return {
    neededMsat: needed === undefined ? refusal.requiredMsat : Number(needed),
    availableMsat: available === undefined ? undefined : Number(available),
  };
}
