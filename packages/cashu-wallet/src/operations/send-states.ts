import { z } from 'zod';
import { operationIdSchema, satSchema } from '../store/stored-proof.ts';
import { swapPlanSchema } from './swap.ts';

const plans = z.array(swapPlanSchema).min(1);
const token = { token: z.string(), face: satSchema };
/** The payment that it is made for, and counted with. */
const partOf = { partOf: operationIdSchema.optional() };
const purpose = {
  /** How the token is to name its mint; absent: by the mint's own address. */
  mintName: z.string().optional(),
  /** All of it stays ours: other proofs are what is wanted, and no token (`own-swap.ts`). */
  own: z.literal(true).optional(),
  ...partOf,
};

export const sendSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('prepared'), plans, ...purpose }),
  z.object({ state: z.literal('issued'), ...token }),
  z.object({ state: z.literal('handed_over'), ...token, to: z.string() }),
  z.object({ state: z.literal('reclaiming'), ...token, to: z.string(), receive: operationIdSchema }),
  z.object({ state: z.literal('reclaimed'), face: satSchema, receive: operationIdSchema }),
  z.object({ state: z.literal('claimed'), face: satSchema, to: z.string() }),
  z.object({ state: z.literal('rolled_back'), plans, ...purpose }),
  z.object({ state: z.literal('failed'), plans }),
  z.object({ state: z.literal('regrouped'), face: satSchema, ...partOf }),
]);
/** A send in one of its states, with what exists in that state. */
export type SendOperation = z.infer<typeof sendSchema>;
