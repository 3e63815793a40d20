import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';

const amount = z
  .number()
  .refine((value) => isSat(value) && value > 0, 'no amount in sat')
  .transform((value) => value as Sat);

const schema = z.object({
  /** The bot's `.env`, for a wallet that is somewhere else. */
  env: z.string().optional(),
  /** Fill the key from the wallet by itself: `amount` as soon as less than `below` is on it, at most `perDay` a day. */
  autoTopUp: z.object({ perDay: amount, amount, below: amount }).optional(),
});

/** What a user may set in `opencode.json`, beside the plugin's name: `["…/opencode-plugin", { … }]`. */
export type RoutstrOptions = z.infer<typeof schema>;
export type AutoTopUp = NonNullable<RoutstrOptions['autoTopUp']>;

/** @returns what is wrong, in words, and the options without it: a mistake in them is not to keep opencode from starting */
export function readOptions(given: unknown): { readonly options: RoutstrOptions; readonly problem?: string } {
  const parsed = schema.safeParse(given ?? {});
  if (parsed.success) return { options: parsed.data };
  const [issue] = parsed.error.issues;
  const problem = `${issue?.path.join('.') ?? 'options'}: ${issue?.message ?? 'not understood'}`;
  return {
    options: {},
    problem: `The options of the Routstr plugin were not understood (${problem}). It goes on without them.`,
  };
}
