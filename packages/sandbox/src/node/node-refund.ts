import { NetworkError } from '@cashu/cashu-ts';
import { keyNotFound } from './bearer.ts';
import { type NodeContext, type NodeRequest, passMiddle } from './context.ts';
import { type Account, accountHash, available } from './node-accounts.ts';
import { coded, NodeRefusal, plain } from './node-refusals.ts';
import { addTransaction, enter, type Transaction, transactionsOf } from './node-store.ts';
import { windows } from './node-types.ts';
import { NoFundsError } from './node-wallet.ts';

type Body = Readonly<Record<string, string>>;

/** `POST /refund`, in routstr-core's order of evaluation. */
export async function refund(node: NodeContext, request: NodeRequest): Promise<Response> {
  const payment = request.headers.get('x-cashu');
  if (payment && node.profile !== 'legacy') return refundOfPayment(node, payment);

  const authorization = request.headers.get('authorization');
  if (!authorization?.startsWith('Bearer ')) throw badAuthorization();
  const bearer = authorization.slice('Bearer '.length);
  const account = node.accounts.find(bearer);
  if (!account) throw unknownKey(node);

  if (available(account) <= 0) {
    const replay = replayOf(node, bearer, account);
    if (replay) return Response.json(replay);
  }
  if (node.profile === 'main') refuseWhileClaimed(node, account);
  return Response.json(await pay(node, request, bearer, settleStale(node, account)));
}

export const badAuthorization = (): NodeRefusal =>
  plain(401, "Invalid authorization. Use 'Bearer <cashu-token>' or 'Bearer <api-key>'");

function unknownKey(node: NodeContext): NodeRefusal {
  if (node.profile !== 'legacy') return keyNotFound();
  return plain(401, 'Key not found. Deposit first via /v1/wallet/create before requesting a refund.');
}

/** What a payment by `x-cashu` left over, however often it is asked for. */
function refundOfPayment(node: NodeContext, payment: string): Response {
  const row = (type: 'in' | 'out', column: 'token' | 'request_id', value: string) =>
    node.db
      .query<Transaction, [string, string]>(`SELECT * FROM transactions WHERE type = ? AND ${column} = ?`)
      .get(type, value);
  const paid = row('in', 'token', payment);
  if (!paid?.request_id) throw plain(404, 'Refund not found');
  const change = row('out', 'request_id', paid.request_id);
  if (!change) throw plain(425, 'Refund is pending; retry shortly.');
  const body = collect(node, change);
  return Response.json(body, { headers: { 'x-cashu': change.token } });
}

/** The answer to an earlier refund: from memory by the bearer's text, else from the books. @throws NodeRefusal 410 */
function replayOf(node: NodeContext, bearer: string, account: Account): Body | undefined {
  const remembered = node.memory.refunds.get(accountHash(bearer.trim()));
  if (remembered && remembered.expires > node.clock.now()) return remembered.body;
  if (node.profile === 'legacy') return undefined;
  const newest = transactionsOf(node.db, account.hash).find((row) => row.type === 'out');
  return newest && collect(node, newest);
}

/** Marks a change token as fetched. @throws NodeRefusal 410 when the node took it back */
function collect(node: NodeContext, row: Transaction): Body {
  const old = !row.collected && node.clock.now() - row.created_at > windows.uncollected[node.profile];
  if (row.swept || old) {
    node.db.query('UPDATE transactions SET swept = 1 WHERE id = ?').run(row.id);
    throw plain(410, 'Refund has been swept');
  }
  node.db.query('UPDATE transactions SET collected = 1 WHERE id = ?').run(row.id);
  return { token: row.token, sats: String(row.amount) };
}

function settleStale(node: NodeContext, account: Account): Account {
  if (account.reserved <= 0) return account;
  node.accounts.releaseStale(windows.staleReservation, account.hash);
  const now = node.accounts.get(account.hash) ?? account;
  if (now.reserved > 0) {
    throw badRequest(
      node,
      'refund_ongoing_requests',
      'Cannot refund key. There are ongoing requests for this api key.',
    );
  }
  return now;
}

/** 0.4.5 knows these by their text only; later versions have codes. */
const badRequest = (node: NodeContext, code: string, message: string): NodeRefusal =>
  node.profile === 'main'
    ? coded(400, { message, type: 'invalid_request_error', code })
    : plain(400, message);

type Claim = { readonly id: string; readonly status: string; readonly created_at: number };

/** `main`: a refund that has begun keeps others off until it is known how it ended. */
function refuseWhileClaimed(node: NodeContext, account: Account): void {
  const claim = node.db
    .query<Claim, [string]>(
      "SELECT id, status, created_at FROM refunds WHERE account = ? AND status IN ('pending', 'unresolved')",
    )
    .get(account.hash);
  if (!claim) return;
  const stuck = claim.status === 'unresolved' || node.clock.now() - claim.created_at > windows.refundClaim;
  if (stuck) setClaim(node, claim.id, 'unresolved');
  throw coded(
    409,
    {
      message: stuck
        ? 'Refund could not be resolved automatically; contact the node operator.'
        : 'A refund for this key is already in progress.',
      type: 'invalid_request_error',
      code: stuck ? 'refund_unresolved' : 'refund_in_progress',
    },
    { refund_id: claim.id, status: stuck ? 'unresolved' : 'pending' },
  );
}

const setClaim = (node: NodeContext, id: string, status: string): void => {
  node.db.query('UPDATE refunds SET status = ? WHERE id = ?').run(status, id);
};

async function pay(node: NodeContext, request: NodeRequest, bearer: string, account: Account): Promise<Body> {
  const msat = available(account);
  const sats = Math.floor(msat / 1000);
  if (msat > 0 && sats <= 0) {
    throw badRequest(node, 'balance_too_small_to_refund', 'Balance too small to refund');
  }
  if (sats <= 0) throw badRequest(node, 'no_balance_to_refund', 'No balance to refund');

  // Others may read the balance before it is taken: only one of them gets it.
  await Bun.sleep(1);
  node.life.throwIfAborted();
  if (node.profile === 'main') refuseWhileClaimed(node, account);
  const id = crypto.randomUUID();
  const taken = node.db.transaction(() => {
    if (node.profile === 'main') {
      node.db
        .query("INSERT INTO refunds (id, account, status, created_at) VALUES (?, ?, 'pending', ?)")
        .run(id, account.hash, node.clock.now());
    }
    return node.accounts.takeAll(account);
  })();
  const refusal = taken ? await passMiddle(node, 'refund') : undefined;
  if (!taken || refusal?.why === 'race') {
    giveBack(node, account, taken ? msat : 0, id);
    throw plain(409, 'Balance changed concurrently. Please retry the refund.');
  }
  if (node.behaviour.refundDelayMs > 0) await Bun.sleep(node.behaviour.refundDelayMs);
  node.life.throwIfAborted();

  let change: { readonly token: string; readonly mint: string };
  try {
    if (refusal) throw failureOf(refusal.why);
    change = await node.wallet.send(sats, node.behaviour.refundMint ?? account.mint, node.mints, node.life);
  } catch (cause) {
    node.life.throwIfAborted();
    const answer = failureOf(cause);
    // Withheld: the balance stays taken, because the money may be under way.
    if (answer.status === 502) setClaim(node, id, 'unresolved');
    else giveBack(node, account, msat, id);
    throw answer;
  }
  return node.db.transaction(() => {
    addTransaction(node.db, {
      type: 'out',
      source: 'apikey',
      token: change.token,
      amount: sats,
      mint: change.mint,
      request_id: request.requestId,
      account: account.hash,
      collected: 0,
      created_at: node.clock.now(),
    });
    enter(node.db, 'refund', sats * 1000, account.hash);
    enter(node.db, 'forfeit', msat - sats * 1000, account.hash);
    setClaim(node, id, 'completed');
    const body = {
      token: change.token,
      sats: String(sats),
      ...(node.profile === 'main' ? { refund_id: id, status: 'completed' } : {}),
    };
    const expires = node.clock.now() + windows.refundReplay;
    node.memory.refunds.set(accountHash(bearer.trim()), { expires, body });
    return body;
  })();
}

function giveBack(node: NodeContext, account: Account, msat: number, claim: string): void {
  node.db.transaction(() => {
    node.accounts.giveBack(account.hash, msat);
    setClaim(node, claim, 'failed');
  })();
}

function failureOf(cause: unknown): NodeRefusal {
  if (cause instanceof NodeRefusal) return cause;
  if (cause === 'withheld') {
    return plain(
      502,
      'Refund was dispatched but its outcome is unconfirmed; the balance is withheld until reconciliation completes',
    );
  }
  if (cause === 'mint-away' || cause instanceof NetworkError) return plain(503, 'Mint service unavailable');
  // No funds, which is also what a mint that is away looks like to the search for one: 500, as 0.4.5 has it.
  if (cause === 'failed' || cause instanceof NoFundsError) return plain(500, 'Refund failed');
  return Object.assign(plain(500, 'Refund failed'), { cause });
}
