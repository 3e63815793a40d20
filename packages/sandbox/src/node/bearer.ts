import { type NodeContext, passMiddle } from './context.ts';
import { type Account, accountHash, available } from './node-accounts.ts';
import type { Endpoint } from './node-faults.ts';
import { coded, codeOf, NodeRefusal } from './node-refusals.ts';
import { addTransaction } from './node-store.ts';
import { windows } from './node-types.ts';
import { describe } from './node-wallet.ts';
import { terminal } from './redemption-errors.ts';

const invalidRequest = (code: string, message: string): NodeRefusal =>
  coded(401, { message, type: 'invalid_request_error', code });

export const keyNotFound = (): NodeRefusal =>
  invalidRequest(
    'key_not_found',
    'Key not found. Deposit first via /v1/wallet/create before requesting a refund.',
  );

/**
 * The account of a bearer text. A Cashu token that was never seen is redeemed, whatever the endpoint.
 *
 * @param requiredMsat what the request needs; looked at here for accounts that are known, as the real node does
 * @throws NodeRefusal 401 for what is neither key nor token, 400 to 503 when the token can't be redeemed, 402
 */
export async function accountOf(
  node: NodeContext,
  bearer: string,
  endpoint: Endpoint,
  requiredMsat = 0,
): Promise<Account> {
  if (bearer === '') throw invalidRequest('missing_api_key', 'API key or Cashu token required');
  if (bearer.startsWith('cashu')) describe(bearer);
  const known = node.accounts.find(bearer);
  if (known) return afford(known, requiredMsat);
  if (bearer.startsWith('cashu')) return present(node, bearer, endpoint, requiredMsat);
  if (bearer.startsWith('sk-') && node.profile === 'main') throw keyNotFound();
  throw invalidRequest(
    'invalid_api_key',
    "Invalid API key format. Expected an 'sk-...' API key or a 'cashu...' token.",
  );
}

function afford(account: Account, requiredMsat: number): Account {
  const left = available(account);
  if (left >= requiredMsat || requiredMsat === 0) return account;
  throw coded(402, {
    message: `Insufficient balance: ${inSats(requiredMsat)} required for this model; ${inSats(left)} available.`,
    type: 'insufficient_quota',
    code: 'insufficient_balance',
  });
}

const inSats = (msat: number): string =>
  `${(msat / 1000).toFixed(3).replace(/0+$/, '').replace(/\.$/, '')} sats (${msat} msats)`;

/** Redeems a token into a new account; the same text presented twice at once is redeemed once. */
function present(
  node: NodeContext,
  token: string,
  endpoint: Endpoint,
  requiredMsat: number,
): Promise<Account> {
  const hash = accountHash(token);
  const { presentations } = node.memory;
  const first = presentations.get(hash);
  if (first) return first.then((account) => afford(account, requiredMsat));
  const mine = redeemInto(node, token, hash, endpoint).finally(() => presentations.delete(hash));
  presentations.set(hash, mine);
  return mine;
}

async function redeemInto(
  node: NodeContext,
  token: string,
  hash: string,
  endpoint: Endpoint,
): Promise<Account> {
  const dead = node.memory.dead.get(hash);
  if (dead && dead.expires > node.clock.now()) throw dead.refusal;
  try {
    return (await credit(node, token, hash, undefined, endpoint)).account;
  } catch (cause) {
    if (cause instanceof NodeRefusal && terminal.has(String(codeOf(cause)))) {
      node.memory.dead.set(hash, { expires: node.clock.now() + windows.deadToken, refusal: cause });
    }
    throw cause;
  }
}

/**
 * Redeems a token and adds it to an account. A top-up must come from the account's own mint; a first deposit from any
 * that is trusted.
 */
export async function credit(
  node: NodeContext,
  token: string,
  hash: string,
  mint: string | undefined,
  endpoint: Endpoint,
): Promise<{ readonly account: Account; readonly msat: number }> {
  const { amount, mint: from } = await node.wallet.redeem(
    token,
    mint === undefined ? node.mints : [mint],
    node.life,
  );
  await passMiddle(node, endpoint);
  const msat = Math.floor(amount * 1000 * node.behaviour.creditShare);
  return node.db.transaction(() => {
    addTransaction(node.db, {
      type: 'in',
      source: 'apikey',
      token,
      amount,
      mint: from,
      request_id: null,
      account: hash,
      collected: 0,
      created_at: node.clock.now(),
    });
    return { account: node.accounts.credit(hash, msat, from), msat };
  })();
}
