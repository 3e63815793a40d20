import { z } from 'zod';
import { accountOf, credit } from './bearer.ts';
import type { NodeContext, NodeRequest } from './context.ts';
import { createInvoice, invoiceStatus } from './lightning-api.ts';
import { type Account, available } from './node-accounts.ts';
import { badAuthorization, refund } from './node-refund.ts';
import { missingField, NodeRefusal, plain } from './node-refusals.ts';
import { transactionsOf } from './node-store.ts';
import { isObject } from './pricing.ts';

/** Everything below `/v1/balance` and `/v1/wallet`. `path` is what follows the prefix. */
export async function balanceApi(node: NodeContext, request: NodeRequest, path: string): Promise<Response> {
  const call = `${request.method} ${path}`;
  const status = /^GET \/lightning\/invoice\/([\w-]+)\/status$/.exec(call);
  if (status?.[1] !== undefined && node.behaviour.lightning) return invoiceStatus(node, status[1]);
  switch (call) {
    case 'POST /create':
      if (node.profile !== 'legacy') return create(node, tokenInBody(request, 'initial_balance_token'));
      break;
    case 'GET /create':
      if (node.profile !== 'main') return create(node, tokenInQuery(request));
      break;
    case 'GET /info':
    case 'GET /':
      return Response.json(describeAccount(await accountByHeader(node, request)));
    case 'POST /topup':
      return topup(node, request);
    case 'POST /refund':
      return refund(node, request);
    case 'GET /history':
      return history(node, await accountByHeader(node, request));
    case 'POST /lightning/invoice':
      if (node.behaviour.lightning) return createInvoice(node, request);
      break;
  }
  throw plain(404, 'Not found check /docs for available endpoints');
}

async function accountByHeader(node: NodeContext, request: NodeRequest): Promise<Account> {
  const authorization = request.headers.get('authorization');
  if (authorization === null) throw missingField('header', 'authorization', null);
  if (!authorization.startsWith('Bearer ')) throw badAuthorization();
  return accountOf(node, authorization.slice('Bearer '.length), request.endpoint);
}

function tokenInBody(request: NodeRequest, field: string): string {
  const body = parseBody(request);
  const parsed = z.object({ [field]: z.string() }).safeParse(body);
  const token = parsed.success ? parsed.data[field] : undefined;
  if (token !== undefined) return token;
  if (isObject(body) && field in body) {
    throw new NodeRefusal(422, {
      kind: 'validation',
      detail: [
        {
          type: 'string_type',
          loc: ['body', field],
          msg: 'Input should be a valid string',
          input: body[field],
        },
      ],
    });
  }
  throw missingField('body', field, body);
}

function parseBody(request: NodeRequest): unknown {
  if (request.text === '') {
    throw new NodeRefusal(422, {
      kind: 'validation',
      detail: [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }],
    });
  }
  try {
    return JSON.parse(request.text);
  } catch {
    throw new NodeRefusal(422, {
      kind: 'validation',
      detail: [
        {
          type: 'json_invalid',
          loc: ['body', 0],
          msg: 'JSON decode error',
          input: {},
          ctx: { error: 'Expecting value' },
        },
      ],
    });
  }
}

function tokenInQuery(request: NodeRequest): string {
  const token = request.url.searchParams.get('initial_balance_token');
  if (token === null) throw missingField('query', 'initial_balance_token', null);
  return token;
}

async function create(node: NodeContext, token: string): Promise<Response> {
  const account = await accountOf(node, token, 'create');
  return Response.json({ api_key: `sk-${account.hash}`, balance: account.balance });
}

function describeAccount(account: Account) {
  return {
    api_key: `sk-${account.hash}`,
    balance: available(account),
    reserved: account.reserved,
    is_child: false,
    total_requests: account.total_requests,
    total_spent: account.total_spent,
    balance_limit: null,
    balance_limit_reset: null,
    validity_date: null,
  };
}

async function topup(node: NodeContext, request: NodeRequest): Promise<Response> {
  const account = await accountByHeader(node, request);
  const given =
    request.text === '' ? request.url.searchParams.get('cashu_token') : tokenInBody(request, 'cashu_token');
  if (given === null) throw plain(400, 'A cashu_token is required.');
  const token = given.replace(/[\n\r\t]/g, '');
  if (token.length < 10 || !token.includes('cashu')) throw plain(400, 'Invalid token format');
  const { msat } = await credit(node, token, account.hash, account.mint, 'topup');
  return Response.json({ msats: msat });
}

function history(node: NodeContext, account: Account): Response {
  const transactions = transactionsOf(node.db, account.hash).map((row) => ({
    id: row.id,
    type: row.type,
    source: row.source,
    amount: row.amount,
    unit: 'sat',
    mint_url: row.mint,
    created_at: Math.floor(row.created_at / 1000),
    collected: row.collected === 1,
    swept: row.swept === 1,
  }));
  return Response.json({ transactions });
}
