import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { isSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import {
  askAbilities,
  askWallet,
  type Relays,
  type WalletAnswer,
  type WalletConnection,
  walletRequest,
} from '@nostr-dm-agent/nostr';
import { z } from 'zod';

/** What a connection is good for. `silent`: the wallet did not answer; it may be asleep. */
export type ConnectionCheck = 'good' | 'silent' | 'relay-away' | 'cannot-pay' | 'unauthorized';

/** What a wallet says that its connection may still spend. A wallet that says nothing of it has `undefined`. */
export type Means = {
  /** Of the connection's budget, and when that is renewed (Unix ms). */
  readonly budget: { readonly left: Sat; readonly renewsAt: number | undefined } | undefined;
  /** What the wallet holds, or lets this connection see of it. */
  readonly balance: Sat | undefined;
};

type Client = {
  readonly connection: WalletConnection;
  readonly relays: Pick<Relays, 'borrow' | 'ask'>;
  readonly clock: Clock;
  /** How long each answer is waited for. */
  readonly waitMs: number;
};

/** Asks a wallet what it is (`get_info`); moves nothing. `ask` asks it more in the same way. */
export async function lookAtConnection(
  { connection, relays, clock, waitMs }: Client,
  signal: AbortSignal,
): Promise<
  | { readonly found: Exclude<ConnectionCheck, 'good'> }
  | { readonly found: 'good'; readonly ask: (method: string) => Promise<WalletAnswer> }
> {
  const abilities = await askAbilities({ connection, relays }, waitMs, signal);
  if (abilities === undefined) return { found: 'relay-away' };
  const { encryption, methods } = abilities;
  if (methods?.includes('pay_invoice') === false) return { found: 'cannot-pay' };
  const ask = (method: string): Promise<WalletAnswer> => {
    const at = { encryption, at: unixSeconds(clock), ttl: Math.ceil(waitMs / 1000) };
    const request = walletRequest(connection, { method, params: {} }, at);
    return askWallet({ connection, relays }, request, waitMs, signal);
  };
  const answer = await ask('get_info');
  if (answer.kind === 'silent') return { found: 'silent' };
  if (answer.kind === 'refused')
    return answer.code === 'UNAUTHORIZED' ? { found: 'unauthorized' } : { found: 'good', ask };
  // What this connection may do; what the wallet publishes is what it can do.
  const own = infoShape.safeParse(answer.result).data?.methods;
  return own?.includes('pay_invoice') === false ? { found: 'cannot-pay' } : { found: 'good', ask };
}

/** What there is to spend, as far as the wallet says so: both are asked for, and neither has to be known there. */
export async function meansOf(ask: (method: string) => Promise<WalletAnswer>): Promise<Means> {
  const [budget, balance] = await Promise.all([ask('get_budget'), ask('get_balance')]);
  return {
    budget: budget.kind === 'done' ? budgetShape.safeParse(budget.result).data : undefined,
    balance: balance.kind === 'done' ? balanceShape.safeParse(balance.result).data : undefined,
  };
}

const infoShape = z.object({ methods: z.array(z.string()).min(1).optional() });
/** Millisats, of which whole sats count. */
const satOfMsat = z
  .number()
  .nonnegative()
  .transform((msat) => Math.floor(msat / 1000))
  .refine(isSat)
  .transform(sat);
const balanceShape = z.object({ balance: satOfMsat }).transform(({ balance }) => balance);
const budgetShape = z
  .object({
    used_budget: satOfMsat,
    total_budget: satOfMsat,
    renews_at: z.int().positive().max(10_000_000_000).nullish().catch(undefined),
  })
  .transform(({ used_budget, total_budget, renews_at }) => ({
    left: sat(Math.max(0, total_budget - used_budget)),
    renewsAt: renews_at == null ? undefined : renews_at * 1000,
  }));
