import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type NodeContext, type NodeRequest, passMiddle } from './context.ts';
import { NodeRefusal, plain } from './node-refusals.ts';

/** An invoice of the node's primary mint, and what it pays for. */
type Invoice = {
  readonly id: string;
  readonly bolt11: string;
  readonly payment_hash: string;
  readonly amount: number;
  readonly purpose: 'create' | 'topup';
  readonly mint: string;
  readonly quote: string;
  readonly account: string | null;
  readonly status: 'pending' | 'paid' | 'expired';
  readonly paid_at: number | null;
  readonly created_at: number;
  readonly expires_at: number;
};

/** A payment is credited for so long after its invoice has expired; both in seconds. */
const expirySeconds = 3600;
const graceSeconds = 24 * 3600;

const requestSchema = z.object({
  amount_sats: z.int().min(1).max(1_000_000),
  purpose: z.enum(['create', 'topup']).default('create'),
});

const seconds = (node: NodeContext): number => Math.floor(node.clock.now() / 1000);

/** `POST …/lightning/invoice`, as routstr-core's lightning.py answers it. */
export async function createInvoice(node: NodeContext, request: NodeRequest): Promise<Response> {
  const { amount_sats: amount, purpose } = readRequest(request.text);
  const bearer = request.headers
    .get('authorization')
    ?.replace(/^bearer /i, '')
    .trim();
  let mint = node.mints[0] ?? '';
  let account: string | null = null;
  if (purpose === 'topup') {
    if (!bearer) throw plain(401, 'Authorization bearer api key is required for topup');
    if (!bearer.startsWith('sk-')) throw plain(400, 'Invalid API key format');
    const known = node.accounts.find(bearer);
    if (!known) throw plain(404, 'API key not found');
    account = known.hash;
    mint = known.mint;
  }
  let made: Awaited<ReturnType<NodeContext['wallet']['invoice']>>;
  try {
    made = await node.wallet.invoice(amount, mint, node.life);
  } catch (cause) {
    node.life.throwIfAborted();
    throw Object.assign(plain(500, 'Failed to create Lightning invoice'), { cause });
  }
  const id = randomBytes(16).toString('base64url');
  const hash = createHash('sha256').update(made.bolt11).digest('hex');
  const now = seconds(node);
  node.db
    .query(
      `INSERT INTO invoices (id, bolt11, payment_hash, amount, purpose, mint, quote, account, status, created_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)`,
    )
    .run(id, made.bolt11, hash, amount, purpose, mint, made.quote, account, now, now + expirySeconds);
  return Response.json({
    invoice_id: id,
    bolt11: made.bolt11,
    amount_sats: amount,
    expires_at: now + expirySeconds,
    payment_hash: hash,
  });
}

function readRequest(text: string): z.infer<typeof requestSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = requestSchema.safeParse(value);
  if (parsed.data) return parsed.data;
  const detail = parsed.error.issues.map(({ path, message }) => ({
    type: 'value_error',
    loc: ['body', ...path.map(String)],
    msg: message,
    input: null,
  }));
  throw new NodeRefusal(422, { kind: 'validation', detail });
}

/** `GET …/lightning/invoice/{id}/status`: looks whether it was paid, and credits it then. */
export async function invoiceStatus(node: NodeContext, id: string): Promise<Response> {
  const found = read(node, id);
  if (!found) throw plain(404, 'Invoice not found');
  const invoice = await node.memory.invoices.run(id, undefined, () => settle(node, id));
  return Response.json({
    status: invoice.status,
    api_key: invoice.status === 'paid' && invoice.account !== null ? `sk-${invoice.account}` : null,
    amount_sats: invoice.amount,
    paid_at: invoice.paid_at,
    created_at: invoice.created_at,
    expires_at: invoice.expires_at,
  });
}

const read = (node: NodeContext, id: string): Invoice | undefined =>
  node.db.query<Invoice, [string]>('SELECT * FROM invoices WHERE id = ?').get(id) ?? undefined;

async function settle(node: NodeContext, id: string): Promise<Invoice> {
  const invoice = read(node, id);
  if (!invoice) throw plain(404, 'Invoice not found');
  const now = seconds(node);
  if (invoice.status === 'paid' || now >= invoice.expires_at + graceSeconds) return invoice;
  let collect: (() => void) | undefined;
  try {
    collect = await node.wallet.collect(invoice, node.life);
  } catch {
    // Its mint is away: nobody knows.
    node.life.throwIfAborted();
    return invoice;
  }
  if (collect === undefined) {
    if (now >= invoice.expires_at)
      node.db.query("UPDATE invoices SET status = 'expired' WHERE id = ?").run(id);
    return read(node, id) ?? invoice;
  }
  await passMiddle(node, 'invoice-status');
  const take = collect;
  node.db.transaction(() => {
    take();
    const account =
      invoice.account ?? createHash('sha256').update(`${id}${invoice.payment_hash}`).digest('hex');
    node.accounts.credit(account, invoice.amount * 1000, invoice.mint);
    node.db
      .query("UPDATE invoices SET status = 'paid', account = ?, paid_at = ? WHERE id = ?")
      .run(account, now, id);
  })();
  return read(node, id) ?? invoice;
}
