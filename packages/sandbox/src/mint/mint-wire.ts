import { z } from 'zod';

/** What wallets send, as the NUTs define it. Amounts are JSON integers. */
const amount = z.number().int().nonnegative();
const point = z.string().regex(/^0[23][0-9a-f]{64}$/);

const inputSchema = z.object({
  id: z.string(),
  amount: amount.positive(),
  secret: z.string().min(1).max(1024),
  C: point,
  witness: z.string().optional(),
});
export type Input = z.infer<typeof inputSchema>;

export const outputSchema = z.object({ id: z.string(), amount, B_: point });
export type Output = z.infer<typeof outputSchema>;

export const signatureSchema = z.object({
  id: z.string(),
  amount,
  C_: point,
  dleq: z.object({ e: z.string(), s: z.string() }),
});
export type Signature = z.infer<typeof signatureSchema>;

export const swapRequest = z.object({
  inputs: z.array(inputSchema).min(1),
  outputs: z.array(outputSchema).min(1),
});
export const stateRequest = z.object({ Ys: z.array(point) });
export const restoreRequest = z.object({ outputs: z.array(outputSchema) });
export const mintQuoteRequest = z.object({
  amount: amount.positive(),
  unit: z.string(),
  pubkey: point.nullish(),
  description: z.string().nullish(),
});
export const mintRequest = z.object({
  quote: z.string(),
  outputs: z.array(outputSchema).min(1),
  signature: z.string().nullish(),
});
export const meltQuoteRequest = z.object({
  request: z.string(),
  unit: z.string(),
  options: z.object({ amountless: z.object({ amount_msat: amount }).nullish() }).nullish(),
});
export const meltRequest = z.object({
  quote: z.string(),
  inputs: z.array(inputSchema).min(1),
  outputs: z.array(outputSchema).nullish(),
});

export const subscribeRequest = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('subscribe'),
    id: z.number(),
    params: z.object({
      kind: z.enum(['bolt11_mint_quote', 'bolt11_melt_quote', 'proof_state']),
      subId: z.string(),
      filters: z.array(z.string()).max(200),
    }),
  }),
  z.object({ method: z.literal('unsubscribe'), id: z.number(), params: z.object({ subId: z.string() }) }),
]);
export type SubscriptionKind = 'bolt11_mint_quote' | 'bolt11_melt_quote' | 'proof_state';
