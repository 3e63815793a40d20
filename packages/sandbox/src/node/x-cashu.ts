import { type NodeContext, type NodeRequest, passMiddle } from './context.ts';
import type { ModelCall } from './model-call.ts';
import { codeOf, NodeRefusal, proxied } from './node-refusals.ts';
import { addTransaction, enter } from './node-store.ts';
import type { Redeemed } from './node-wallet.ts';
import { type Cost, costHeaders, costIntoUsage, costOf, isObject } from './pricing.ts';
import { gone } from './redemption-errors.ts';
import { askUpstream, parse } from './upstream.ts';

/**
 * Serves a model call that its own token pays for. The answer is read to its end, so that the change can stand in its
 * `X-Cashu` header; a stream is a stream in form only.
 */
export async function payPerRequest(
  node: NodeContext,
  request: NodeRequest,
  call: ModelCall,
  payment: string,
): Promise<Response> {
  const paid = await redeem(node, payment);
  node.db.transaction(() => {
    record(node, request, 'in', payment, paid);
    enter(node.db, 'credit', paid.amount * 1000);
  })();
  await passMiddle(node, 'chat');
  let answer: Response;
  let text: string;
  try {
    answer = await askUpstream(node, call.path, call.model, call.body, node.life);
    text = await answer.text();
  } catch {
    node.life.throwIfAborted();
    // As 0.4.5 has it: what was paid stays with the node.
    enter(node.db, 'keep', paid.amount * 1000);
    throw proxied(500, 'internal_error', 'An unexpected server error occurred');
  }
  node.life.throwIfAborted();
  if (answer.status !== 200) return giveAllBack(node, request, paid, answer.status);
  const streams = text.includes('data:');
  const { cost, body } = streams ? priceStream(node, call, text) : priceWhole(node, call, text);
  // A stream without usage is not billed at all: no change.
  const spent = cost === undefined ? paid.amount : Math.min(paid.amount, Math.ceil(cost.total_msats / 1000));
  enter(node.db, 'keep', spent * 1000);
  const change = paid.amount - spent;
  // Up to 0.4.5 the node sends upstream's Content-Length with a body that has grown by the cost, and its server cuts it
  // off. There the connection breaks; here the text just ends, so that the headers certainly arrive.
  const told = streams || node.profile === 'main' ? null : answer.headers.get('content-length');
  const whole = Buffer.from(body);
  return new Response(told === null ? whole : whole.subarray(0, Number(told)), {
    headers: {
      'content-type': streams ? 'text/event-stream; charset=utf-8' : 'application/json',
      'x-routstr-request-id': request.requestId,
      ...(cost === undefined ? {} : costHeaders(cost)),
      ...(change > 0 ? { 'x-cashu': await sendChange(node, request, change, paid.mint) } : {}),
    },
  });
}

async function redeem(node: NodeContext, payment: string): Promise<Redeemed> {
  try {
    return await node.wallet.redeem(payment, node.mints, node.life);
  } catch (cause) {
    if (!(cause instanceof NodeRefusal) || cause.envelope.kind !== 'detail') throw cause;
    const { detail } = cause.envelope;
    const error = isObject(detail) && isObject(detail.error) ? detail.error : {};
    const code = String(codeOf(cause));
    throw proxied(cause.status, String(error.type), String(error.message), {
      code,
      headers: gone.has(code) ? {} : { 'x-cashu': payment },
    });
  }
}

function record(
  node: NodeContext,
  request: NodeRequest,
  type: 'in' | 'out',
  token: string,
  { amount, mint }: Redeemed,
): void {
  addTransaction(node.db, {
    type,
    source: 'x-cashu',
    token,
    amount,
    mint,
    request_id: request.requestId,
    account: null,
    collected: type === 'in' ? 1 : 0,
    created_at: node.clock.now(),
  });
}

async function sendChange(
  node: NodeContext,
  request: NodeRequest,
  amount: number,
  mint: string,
): Promise<string> {
  const change = await node.wallet.send(amount, node.behaviour.refundMint ?? mint, node.mints, node.life);
  node.db.transaction(() => {
    record(node, request, 'out', change.token, { amount, mint: change.mint });
    enter(node.db, 'refund', amount * 1000);
  })();
  return change.token;
}

async function giveAllBack(
  node: NodeContext,
  request: NodeRequest,
  paid: Redeemed,
  status: number,
): Promise<Response> {
  const token = await sendChange(node, request, paid.amount, paid.mint);
  throw new NodeRefusal(
    status,
    {
      kind: 'error',
      error: {
        message: 'Error forwarding request to upstream',
        type: 'upstream_error',
        code: status,
        refund_token: token,
      },
      withoutRequestId: true,
    },
    { 'x-cashu': token },
  );
}

type Priced = { readonly cost: Cost | undefined; readonly body: string };

function priceWhole(node: NodeContext, call: ModelCall, text: string): Priced {
  const answer = parse(text);
  // What is no JSON is passed on, and paid back whole.
  if (!isObject(answer)) return { cost: costOf(call.model, undefined, 0, node.usdPerSat), body: text };
  const cost = costOf(call.model, answer.usage, call.reserveMsat, node.usdPerSat);
  if (cost) costIntoUsage(answer, cost);
  return { cost, body: JSON.stringify({ ...answer, provider: 'base' }) };
}

function priceStream(node: NodeContext, call: ModelCall, text: string): Priced {
  const lines = text.split('\n');
  const chunks = lines.map((line) =>
    line.startsWith('data: ') ? parse(line.slice('data: '.length)) : undefined,
  );
  const usage = chunks.findLast((chunk) => isObject(chunk) && isObject(chunk.usage));
  const cost = isObject(usage)
    ? costOf(call.model, usage.usage, call.reserveMsat, node.usdPerSat)
    : undefined;
  const body = lines.map((line, i) => {
    const chunk = chunks[i];
    if (!isObject(chunk)) return line;
    if (cost) costIntoUsage(chunk, cost);
    return `data: ${JSON.stringify({ ...chunk, provider: 'base' })}`;
  });
  return { cost, body: body.join('\n') };
}
