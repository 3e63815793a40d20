import { afterAll, describe, expect, test } from 'bun:test';
import { createHash, randomBytes } from 'node:crypto';
import { apiKeyOf } from '../src/node/api-key.ts';
import { createNodeClient, defaultTimeouts } from '../src/node/node-client.ts';
import { NodeUrlError, parseNodeUrl } from '../src/node/node-url.ts';
import { parseRefusal, parseShortage } from '../src/node/refusal-shapes.ts';
import { startScriptedNode } from './support/scripted-node.ts';

const node = startScriptedNode();
afterAll(node.close);
const client = () => createNodeClient(parseNodeUrl(node.url));
const hasty = () =>
  createNodeClient(parseNodeUrl(node.url), { ...defaultTimeouts, create: 100, refund: 100 });
const signal = new AbortController().signal;
const token = `cashuB${randomBytes(60).toString('base64url')}`;
const key = apiKeyOf(token);

const a = (detail: string) => ({ detail, request_id: 'r' });
const b = (type: string, code: string, message = 'said so') => ({
  detail: { error: { message, type, code } },
  error: { message, type, code },
  request_id: 'r',
});
/** Nodes before 0.4.5 did not repeat the error at the top. */
const bOld = (type: string, code: string) => ({ detail: { error: { message: 'm', type, code } } });
const d = (type: string, code: string | number) => ({
  error: { message: 'm', type, code },
  request_id: 'r',
});

describe('A token is presented', () => {
  test('and credited: the account is the one computed beforehand', async () => {
    node.answer({ path: '/v1/balance/create', status: 200, body: { api_key: key, balance: 99_000 } });
    const outcome = await client().create(token, signal);
    expect(outcome).toMatchObject({ state: 'credited', apiKey: key, balanceMsat: 99_000 });
    expect(outcome.evidence.requestId).toBe('req-1');
    expect(key).toBe(`sk-${createHash('sha256').update(token).digest('hex')}` as typeof key);
    expect(node.seen).toEqual([
      {
        method: 'POST',
        path: '/v1/balance/create',
        query: '',
        authorization: null,
        json: { initial_balance_token: token },
      },
    ]);
  });

  const refusals: readonly (readonly [number, unknown, Record<string, unknown>])[] = [
    [400, b('invalid_token', 'invalid_cashu_token'), { state: 'unspent', reason: 'undecodable' }],
    [400, b('token_already_spent', 'cashu_token_already_spent'), { state: 'spent' }],
    [400, bOld('token_already_spent', 'cashu_token_already_spent'), { state: 'spent' }],
    [400, d('token_already_spent', 400), { state: 'spent' }],
    [400, b('cashu_error', 'cashu_token_redemption_failed'), { state: 'check_mint' }],
    [400, b('cashu_error', 'cashu_token_zero_value'), { state: 'consumed' }],
    [
      400,
      b('untrusted_mint', 'cashu_untrusted_source_mint'),
      { state: 'unspent', reason: 'mint_not_trusted' },
    ],
    [
      422,
      b('mint_error', 'cashu_token_swap_fees_exceed_amount'),
      { state: 'unspent', reason: 'fees_exceed_amount' },
    ],
    [
      422,
      b('mint_error', 'cashu_foreign_mint_swap_failed'),
      { state: 'unspent', reason: 'foreign_swap_failed' },
    ],
    [503, b('mint_unreachable', 'cashu_mint_unreachable'), { state: 'mint_unavailable' }],
    [503, b('mint_unreachable', 'cashu_source_mint_unreachable'), { state: 'mint_unavailable' }],
    [503, b('mint_timeout', 'cashu_mint_timeout'), { state: 'mint_unavailable' }],
    [503, b('mint_rate_limited', 'cashu_mint_rate_limited'), { state: 'mint_unavailable' }],
    [500, b('token_consumed', 'cashu_token_consumed'), { state: 'ambiguous', reason: 'token_consumed' }],
    [500, b('api_error', 'internal_error'), { state: 'ambiguous', reason: 'node_error' }],
    [
      500,
      a('Internal server error, please contact support with the request ID.'),
      { state: 'ambiguous', reason: 'node_error' },
    ],
    [401, b('invalid_request_error', 'invalid_api_key'), { state: 'ambiguous', reason: 'not_accepted' }],
    [
      422,
      { detail: [{ loc: ['body'], msg: 'Field required', type: 'missing' }] },
      { state: 'ambiguous', reason: 'not_accepted' },
    ],
    [502, '<html><h1>Bad gateway</h1></html>', { state: 'ambiguous', reason: 'not_the_node' }],
    [520, '<html>cloudflare</html>', { state: 'ambiguous', reason: 'not_the_node' }],
    [200, '<html>captive portal</html>', { state: 'ambiguous', reason: 'not_the_node' }],
    [200, '{"api_key":"sk-', { state: 'ambiguous', reason: 'not_the_node' }],
    [200, { api_key: apiKeyOf('another'), balance: 1 }, { state: 'ambiguous', reason: 'not_the_node' }],
  ];
  test.each(refusals.map((row) => [row[0], JSON.stringify(row[1]).slice(0, 70), row] as const))(
    '%d %s',
    async (_status, _text, [status, body, expected]) => {
      node.answer({ status, body, path: '/v1/balance/create' });
      expect(await client().create(token, signal)).toMatchObject(expected);
    },
  );

  test('the node says when to come back', async () => {
    const headers = { 'retry-after': '7' };
    node.answer({ status: 503, body: b('mint_rate_limited', 'cashu_mint_rate_limited'), headers });
    expect(await client().create(token, signal)).toMatchObject({ retryAfterMs: 7000 });
  });

  test('no answer in time is ambiguous; nobody there is not', async () => {
    node.answer({ status: 200, body: {}, silent: true });
    expect(await hasty().create(token, signal)).toMatchObject({ state: 'ambiguous', reason: 'no_answer' });
    const gone = startScriptedNode();
    await gone.close();
    const away = createNodeClient(parseNodeUrl(gone.url));
    expect(await away.create(token, signal)).toMatchObject({ state: 'not_sent' });
  });

  test('an aborted call throws what it was aborted with', async () => {
    node.answer({ status: 200, body: {}, silent: true });
    const abort = new AbortController();
    const pending = client().create(token, abort.signal);
    setTimeout(() => abort.abort(new Error('bot stops')), 20);
    await expect(pending).rejects.toThrow('bot stops');
  });

  test('old nodes: the other prefix, and the token as the key that is asked about; never in an address', async () => {
    const credited = { api_key: key, balance: 1000 };
    node.answer({ path: '/v1/wallet/create', method: 'POST', status: 200, body: credited });
    expect(await client().create(token, signal)).toMatchObject({ state: 'credited' });

    node.answer(
      { path: '/v1/wallet/create', method: 'POST', status: 405, body: a('Method Not Allowed') },
      { path: '/v1/wallet/create', method: 'GET', status: 200, body: credited },
      { path: '/v1/wallet/info', method: 'GET', status: 200, body: { ...credited, reserved: 0 } },
      { path: '/v1/wallet/refund', method: 'POST', status: 200, body: { token, msats: '1000' } },
    );
    const old = client();
    expect(await old.create(token, signal)).toMatchObject({ state: 'credited' });
    expect(node.seen.at(-1)).toMatchObject({ path: '/v1/wallet/info', authorization: `Bearer ${token}` });
    for (const { path, query } of node.seen) expect(path + query).not.toContain('cashu');
    // From now on it knows where the balance API is.
    node.seen.length = 0;
    expect(await old.refund(key, () => undefined, signal)).toMatchObject({ state: 'token' });
    expect(node.seen.map(({ path }) => path)).toEqual(['/v1/wallet/refund']);
  });

  test('an old node whose proxy takes unknown paths for model calls', async () => {
    node.answer(
      { path: '/v1/balance/create', status: 401, body: a('Unauthorized') },
      { path: '/v1/wallet/create', status: 200, body: { api_key: key, balance: 1000 } },
      { path: '/v1/balance/refund', status: 400, body: d('invalid_model', 400) },
      { path: '/v1/wallet/refund', status: 400, body: a('No balance to refund') },
    );
    expect(await client().create(token, signal)).toMatchObject({ state: 'credited' });
    expect(await client().refund(key, () => undefined, signal)).toMatchObject({ state: 'no_balance' });
  });
});

describe('The change is asked for', () => {
  const refund = async () => {
    const kept: string[] = [];
    const outcome = await client().refund(key, (raw) => kept.push(raw), signal);
    return { outcome, kept };
  };

  test('and comes, kept as it came before it is read', async () => {
    const body = { token, sats: '123', refund_id: 'ref-1', status: 'completed' };
    node.answer({ path: '/v1/balance/refund', status: 200, body });
    const { outcome, kept } = await refund();
    expect(outcome).toMatchObject({ state: 'token', token });
    expect(kept).toEqual([JSON.stringify(body)]);
    expect(node.seen[0]?.authorization).toBe(`Bearer ${key}`);
  });

  test('a body in which no token can be read is kept all the same', async () => {
    node.answer({ status: 200, body: '{"token":"cashuBo2F0gaJ' });
    const { outcome, kept } = await refund();
    expect(outcome).toMatchObject({ state: 'ambiguous', reason: 'unreadable', raw: kept[0] });
    expect(outcome.evidence.message).not.toContain('cashuBo2F0');
    node.answer({ status: 200, body: { recipient: 'a@b' } });
    expect((await refund()).outcome.state).toBe('ambiguous');
  });

  const rows: readonly (readonly [number, unknown, Record<string, unknown>])[] = [
    [400, a('Cannot refund key. There are ongoing requests for this api key.'), { state: 'ongoing' }],
    [400, b('invalid_request_error', 'refund_ongoing_requests'), { state: 'ongoing' }],
    [400, a('Balance too small to refund'), { state: 'too_small' }],
    [400, b('invalid_request_error', 'balance_too_small_to_refund'), { state: 'too_small' }],
    [400, a('No balance to refund'), { state: 'no_balance' }],
    [400, b('invalid_request_error', 'no_balance_to_refund'), { state: 'no_balance' }],
    [400, a('Child keys cannot be refunded'), { state: 'refused' }],
    [
      401,
      b(
        'invalid_request_error',
        'key_not_found',
        'Key not found. Deposit first via /v1/wallet/create before requesting a refund.',
      ),
      { state: 'unknown_key' },
    ],
    [
      401,
      a('Key not found. Deposit first via /v1/wallet/create before requesting a refund.'),
      { state: 'unknown_key' },
    ],
    [
      409,
      a('Balance changed concurrently. Please retry the refund.'),
      { state: 'conflict', kind: 'retryable' },
    ],
    [
      409,
      { ...b('invalid_request_error', 'refund_in_progress'), refund_id: 'ref-2' },
      { state: 'conflict', kind: 'retryable' },
    ],
    [409, b('invalid_request_error', 'refund_unresolved'), { state: 'conflict', kind: 'stuck' }],
    [410, a('Refund has been swept'), { state: 'swept' }],
    [425, a('Refund is pending; retry shortly.'), { state: 'pending', retryAfterMs: 2000 }],
    [500, a('Refund failed'), { state: 'failed_restored' }],
    [503, a('Mint service unavailable'), { state: 'failed_restored' }],
    [502, a('Refund was dispatched but its outcome is unconfirmed; withheld'), { state: 'withheld' }],
    [
      500,
      a('Internal server error, please contact support with the request ID.'),
      { state: 'ambiguous', reason: 'node_error' },
    ],
    [502, '<html>Bad gateway</html>', { state: 'ambiguous', reason: 'not_the_node' }],
    [504, '<html>Timeout</html>', { state: 'ambiguous', reason: 'not_the_node' }],
  ];
  test.each(rows.map((row) => [row[0], JSON.stringify(row[1]).slice(0, 70), row] as const))(
    '%d %s',
    async (_status, _text, [status, body, expected]) => {
      node.answer({ status, body, path: '/v1/balance/refund' });
      const { outcome, kept } = await refund();
      expect(outcome).toMatchObject(expected);
      expect(kept).toEqual([]);
    },
  );

  test('no answer in time is ambiguous', async () => {
    node.answer({ status: 200, body: {}, silent: true });
    const outcome = await hasty().refund(key, () => undefined, signal);
    expect(outcome).toMatchObject({ state: 'ambiguous', reason: 'no_answer' });
  });
});

describe('What a node knows', () => {
  test('of an account', async () => {
    const body = { api_key: key, balance: 1500, reserved: 500, total_spent: '4000', total_requests: 2 };
    node.answer({ path: '/v1/balance/info', status: 200, body });
    expect(await client().info(key, signal)).toMatchObject({
      state: 'known',
      balance: { availableMsat: 1500, reservedMsat: 500, totalSpentMsat: 4000 },
    });
    node.answer({ status: 401, body: b('invalid_request_error', 'invalid_api_key') });
    expect((await client().info(key, signal)).state).toBe('unknown_key');
    // A balance that is missing is not a balance of nothing.
    node.answer({ status: 200, body: { api_key: key, balance: null } });
    expect((await client().info(key, signal)).state).toBe('unavailable');
  });

  test('of a top-up', async () => {
    node.answer({ path: '/v1/balance/topup', status: 200, body: { msats: 5000 } });
    expect(await client().topup(key, token, signal)).toMatchObject({ state: 'credited', addedMsat: 5000 });
    expect(node.seen[0]).toMatchObject({ authorization: `Bearer ${key}`, json: { cashu_token: token } });
    node.answer({ status: 400, body: b('token_already_spent', 'cashu_token_already_spent') });
    expect((await client().topup(key, token, signal)).state).toBe('spent');
    node.answer({ status: 401, body: b('invalid_request_error', 'key_not_found') });
    expect((await client().topup(key, token, signal)).state).toBe('unknown_key');
  });

  test('of itself', async () => {
    node.answer({
      path: '/v1/info',
      status: 200,
      body: { name: 'n', version: '0.4.5', mints: ['https://m'] },
    });
    expect(await client().nodeInfo(signal)).toMatchObject({
      state: 'ok',
      value: { version: '0.4.5', mints: ['https://m'], npub: undefined },
    });
    node.answer({ status: 200, body: '<html>' });
    expect((await client().nodeInfo(signal)).state).toBe('unavailable');
  });
});

describe('Addresses, keys and refusals', () => {
  test.each([
    ['https://Api.Routstr.com', 'https://api.routstr.com/v1'],
    ['https://api.routstr.com/v1/', 'https://api.routstr.com/v1'],
    ['https://api.routstr.com/v1/v1', 'https://api.routstr.com/v1'],
    [' http://127.0.0.1:8000/node/v1?x=1#y ', 'http://127.0.0.1:8000/node/v1'],
  ])('%s is %s', (text, url) => {
    expect<string>(parseNodeUrl(text)).toBe(url);
  });

  test.each(['', 'routstr', 'ftp://x', 'https://user:pw@x'])('%p is no address', (text) => {
    expect(() => parseNodeUrl(text)).toThrow(NodeUrlError);
  });

  test('what a node quotes of a token or a key is blanked out', () => {
    const { message } = parseRefusal(JSON.stringify(a(`bad token ${token} of ${key}`)), undefined);
    expect(message).toBe('bad token [token] of [key]');
  });

  test('every shape of an error is read', () => {
    const shape = (body: unknown) => parseRefusal(JSON.stringify(body), undefined);
    expect(shape(a('x'))).toMatchObject({ shape: 'A', message: 'x', requestId: 'r' });
    expect(shape(b('t', 'c'))).toMatchObject({ shape: 'B', type: 't', code: 'c' });
    expect(shape({ detail: { error: 'max_tokens must be an integer' } })).toMatchObject({
      shape: 'C',
      message: 'max_tokens must be an integer',
    });
    expect(shape(d('invalid_model', 400))).toMatchObject({
      shape: 'D',
      type: 'invalid_model',
      code: undefined,
    });
    expect(shape({ detail: [{ msg: 'Field required' }] })).toMatchObject({
      shape: 'E',
      message: 'Field required',
    });
    expect(shape(a('Internal server error, please contact support with the request ID.')).shape).toBe('F');
    expect(parseRefusal('<html><b>413</b> too large</html>', 'h')).toMatchObject({
      shape: 'G',
      message: '413 too large',
      requestId: 'h',
    });
  });

  test.each([
    [
      'Insufficient balance: 540 sats (540000 msats) required for this model; 120 sats (120000 msats) available.',
      { neededMsat: 540_000, availableMsat: 120_000 },
    ],
    [
      'Insufficient balance: 540000 mSats required. 120000 available. (reserved: 0)',
      { neededMsat: 540_000, availableMsat: 120_000 },
    ],
    ['Insufficient balance', { neededMsat: undefined, availableMsat: undefined }],
  ])('%s', (message, expected) => {
    const body = JSON.stringify(b('insufficient_quota', 'insufficient_balance', message));
    expect(parseShortage(parseRefusal(body, undefined))).toEqual(expected);
  });

  test('the x-cashu 402 says what is needed as a number', () => {
    const detail = {
      reason: 'Insufficient balance',
      amount_required_msat: 7000,
      type: 'minimum_balance_required',
    };
    expect(parseShortage(parseRefusal(JSON.stringify({ detail }), undefined)).neededMsat).toBe(7000);
  });
});
