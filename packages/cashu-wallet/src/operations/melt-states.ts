import { z } from 'zod';
import { satSchema, storedOutputSchema, storedProofSchema } from '../store/stored-proof.ts';

export const meltQuoteSchema = z.object({
  quote: z.string(),
  request: z.string(),
  feeReserve: satSchema,
  /** Milliseconds since the Unix epoch. */
  expiresAt: z.number().optional(),
  /** The mint's fees that were shown: more is not paid. Absent: quoted by an older version. */
  mintFee: satSchema.optional(),
});
const planSchema = z.object({
  keyset: z.string(),
  inputs: z.array(storedProofSchema).min(1),
  inputFee: satSchema,
  /** Blank: the mint writes the amounts of the change onto them. */
  outputs: z.array(storedOutputSchema),
});
const underWay = { quote: meltQuoteSchema, plan: planSchema };

export const meltSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('quoted'), quote: meltQuoteSchema }),
  z.object({ state: z.literal('expired'), quote: meltQuoteSchema }),
  z.object({ state: z.literal('prepared'), ...underWay }),
  z.object({ state: z.literal('pending'), ...underWay }),
  z.object({ state: z.literal('paid'), quote: meltQuoteSchema, preimage: z.string().optional() }),
  z.object({ state: z.literal('rolled_back'), ...underWay }),
]);
/** A withdrawal in one of its states, with what exists in that state. */
export type MeltOperation = z.infer<typeof meltSchema>;
export type UnderWay = Extract<MeltOperation, { state: 'prepared' | 'pending' | 'rolled_back' }>;
