import { accountOf } from './bearer.ts';
import { type NodeContext, type NodeRequest, passMiddle } from './context.ts';
import { findModel } from './node-models.ts';
import { detailed, NodeRefusal, plain, proxied } from './node-refusals.ts';
import { describe } from './node-wallet.ts';
import { isObject, reservationOf } from './pricing.ts';
import { serve } from './serve.ts';
import { payPerRequest } from './x-cashu.ts';

const prefixes = [
  'v1/',
  'responses',
  'chat/',
  'completions',
  'models',
  'embeddings',
  'audio/',
  'images/',
  'moderations',
  'providers',
];

/** Everything that is not the node's own: model calls. In routstr-core's order: model, price, who pays, upstream. */
export async function proxy(node: NodeContext, request: NodeRequest): Promise<Response> {
  const path = request.url.pathname.slice(1);
  if (!['GET', 'POST'].includes(request.method)) throw plain(405, 'Method Not Allowed');
  const known = prefixes.some((prefix) => path.startsWith(prefix));
  if ((request.method === 'GET' && !known) || (node.profile === 'main' && path.startsWith('v1/v1/'))) {
    throw proxied(404, 'not_found', `Path '/${path}' not found`);
  }
  const body = readBody(request);
  const name = typeof body.model === 'string' ? body.model : 'unknown';
  const model = findModel(node.models, name);
  if (!model) throw proxied(400, 'invalid_model', `Model '${name}' not found`);
  const call = { path, model, body, reserveMsat: reservationOf(model, body, node.usdPerSat, node.profile) };

  const payment = request.headers.get('x-cashu');
  if (payment) {
    checkPayment(payment, name, call.reserveMsat);
    return payPerRequest(node, request, call, payment);
  }
  const authorization = request.headers.get('authorization');
  if (!authorization) throw plain(401, 'Unauthorized');
  const [scheme, bearer = ''] = authorization.split(/\s+/);
  const account = await accountOf(
    node,
    scheme?.toLowerCase() === 'bearer' ? bearer : '',
    request.endpoint,
    call.reserveMsat,
  );
  const reservation = node.accounts.reserve(account.hash, call.reserveMsat);
  node.memory.serving.add(reservation.id);
  try {
    await passMiddle(node, 'chat');
    return await serve(node, request, call, reservation);
  } catch (cause) {
    node.life.throwIfAborted();
    node.accounts.release(reservation, true);
    node.memory.serving.delete(reservation.id);
    throw cause;
  }
}

function readBody(request: NodeRequest): Record<string, unknown> {
  if (request.text === '') return {};
  let body: unknown;
  try {
    body = JSON.parse(request.text);
  } catch {
    throw detailed(400, { error: { type: 'invalid_request_error', code: 'invalid_json' } });
  }
  if (!isObject(body)) throw new NodeRefusal(500, { kind: 'unhandled' });
  if ('max_tokens' in body && !Number.isInteger(body.max_tokens)) {
    throw detailed(400, { error: 'max_tokens must be an integer' });
  }
  return body;
}

/** Looks at a payment's face value only; the token is not spent. */
function checkPayment(token: string, model: string, needMsat: number): void {
  let amount: number;
  try {
    amount = describe(token).amount;
  } catch (cause) {
    if (cause instanceof NodeRefusal) throw plain(401, 'Invalid authentication token format');
    throw cause;
  }
  if (needMsat > amount * 1000) {
    throw detailed(402, {
      reason: 'Insufficient balance',
      amount_required_msat: needMsat,
      model,
      type: 'minimum_balance_required',
    });
  }
}
