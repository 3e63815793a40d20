/**
 * What a Routstr node answers, byte shape by byte shape. By default this runs against the sandbox's node in each of its
 * profiles; with `ROUTSTR_CONFORMANCE_URL`, `_MINT` and `_UPSTREAM_PORT` (see `docs/routstr-node.md`) against any node.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import {
  type ConformanceNode,
  conformanceProfiles,
  startConformanceNode,
} from './support/conformance-node.ts';
import { type Answer, type Call, keyOf, nodeClient } from './support/node-client.ts';
import type { UpstreamReply } from './support/scripted-upstream.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const created = z.strictObject({ api_key: z.string(), balance: z.number().int() });
const change = z.object({ token: z.string(), sats: z.string().regex(/^\d+$/) });
const money = z.object({
  balance: z.number(),
  reserved: z.number(),
  total_spent: z.number(),
  total_requests: z.number(),
});
const priced = z.object({
  id: z.string(),
  sats_pricing: z.object({
    prompt: z.number(),
    completion: z.number(),
    max_cost: z.number(),
    max_completion_cost: z.number(),
  }),
  top_provider: z.object({ context_length: z.number(), max_completion_tokens: z.number() }),
});
const costSchema = z.object({
  base_msats: z.number(),
  input_msats: z.number(),
  output_msats: z.number(),
  total_msats: z.number(),
  cache_read_input_tokens: z.number(),
  cache_creation_input_tokens: z.number(),
  cache_read_msats: z.number(),
  cache_creation_msats: z.number(),
  total_usd: z.number().optional(),
});
const usageSchema = z.object({
  cost: costSchema,
  cost_sats: z.number().int(),
  remaining_balance_msats: z.number().int(),
});
const sumsSchema = z.object({ sats_cost: z.number(), remaining_balance_msats: z.number() });
const billed = z.object({
  usage: usageSchema,
  metadata: z.object({ routstr: z.looseObject({ cost: z.looseObject({}) }) }),
  cost: costSchema.extend(sumsSchema.shape),
  model: z.string(),
  id: z.string(),
});

for (const profile of conformanceProfiles) {
  describe(`a Routstr node, ${profile}`, () => {
    let node: ConformanceNode;
    let http: ReturnType<typeof nodeClient>;
    const base = profile === 'legacy' ? '/v1/wallet' : '/v1/balance';
    const legacy = profile === 'legacy';
    const main = profile === 'main';

    beforeAll(async () => {
      node = await startConformanceNode(profile);
      http = nodeClient(node.url);
    }, 60_000);
    afterAll(() => node?.stop());

    const ask = (path: string, call?: Call): Promise<Answer> => http.ask(path, call);
    const create = (token: string): Promise<Answer> =>
      legacy
        ? ask(`${base}/create?initial_balance_token=${encodeURIComponent(token)}`)
        : ask(`${base}/create`, { body: { initial_balance_token: token } });
    const info = async (bearer: string) => money.parse((await ask(`${base}/info`, { bearer })).json);
    const refund = (bearer: string): Promise<Answer> => ask(`${base}/refund`, { method: 'POST', bearer });
    /** A fresh account with the credit of a token of this face value. */
    const deposit = async (face: number) => {
      const token = await node.payer.token(face);
      const { balance } = created.parse((await create(token)).json);
      return { token, key: keyOf(token), balance };
    };
    const chatBody = (more: object = {}) => ({
      model: node.model,
      messages: [{ role: 'user', content: 'Say hello.' }],
      max_tokens: 100,
      ...more,
    });
    const chat = (bearer: string, more: object = {}, reply?: UpstreamReply): Promise<Answer> => {
      if (reply) node.upstream.reply(reply);
      return ask('/v1/chat/completions', { bearer, body: chatBody(more) });
    };
    const price = async () => {
      const list = z
        .object({ data: z.array(z.looseObject({ id: z.string() })) })
        .parse((await ask('/v1/models')).json);
      return priced.parse(list.data.find((model) => model.id === node.model));
    };

    /** Envelope A. */
    const expectPlain = (answer: Answer, status: number, detail: string) => {
      expect(answer.status).toBe(status);
      const requestId = answer.headers.get('x-routstr-request-id');
      expect(requestId).toMatch(uuid);
      expect(answer.json).toEqual({ detail, request_id: requestId });
    };
    /** Envelope B; `error` stands twice since 0.4.5. */
    const expectCoded = (answer: Answer, status: number, error: Record<string, unknown>) => {
      expect(answer.status).toBe(status);
      const requestId = answer.headers.get('x-routstr-request-id');
      expect(answer.json).toEqual({ detail: { error }, ...(legacy ? {} : { error }), request_id: requestId });
    };
    /** Envelope D. */
    const expectProxied = (answer: Answer, status: number, error: Record<string, unknown>) => {
      expect(answer.status).toBe(status);
      expect(answer.json).toEqual({ error, request_id: answer.headers.get('x-routstr-request-id') });
    };

    describe('tells what it is', () => {
      test('name, version and trusted mints', async () => {
        const answer = await ask('/v1/info');
        expect(answer.status).toBe(200);
        expect(answer.headers.get('x-routstr-request-id')).toMatch(uuid);
        const body = z
          .object({
            name: z.string(),
            description: z.string(),
            version: z.string(),
            npub: z.string(),
            mints: z.array(z.string()),
          })
          .parse(answer.json);
        expect(body.mints).toContain(node.mint);
      });

      test('models with every field, prices per token in USD and in sat, without saying which can use tools', async () => {
        const answer = await ask('/v1/models');
        const list = z.object({ data: z.array(z.looseObject({ id: z.string() })) }).parse(answer.json);
        const model = list.data.find(({ id }) => id === node.model);
        expect(Object.keys(model ?? {}).sort()).toEqual(
          [
            'id',
            'name',
            'created',
            'description',
            'context_length',
            'architecture',
            'pricing',
            'sats_pricing',
            'per_request_limits',
            'top_provider',
            'enabled',
            'upstream_provider_id',
            'canonical_slug',
            'alias_ids',
            'forwarded_model_id',
          ].sort(),
        );
        const { sats_pricing: sats, top_provider: top } = priced.parse(model);
        const usd = z.object({ pricing: z.object({ prompt: z.number() }) }).parse(model).pricing.prompt;
        expect(sats.prompt).toBeGreaterThan(usd);
        expect(sats.max_cost).toBeCloseTo(
          (top.context_length - top.max_completion_tokens) * sats.prompt +
            top.max_completion_tokens * sats.completion,
          6,
        );
        expect((await ask('/models')).text).toBe(answer.text);
      });

      test('no list of other providers', async () => {
        expectPlain(await ask('/v1/providers/'), 404, 'Provider discovery is disabled');
      });

      test('404 in two shapes: below the balance path, and for a page', async () => {
        expectPlain(await ask(`${base}/nonsense`), 404, 'Not found check /docs for available endpoints');
        expectPlain(await ask('/v1/models', { method: 'DELETE' }), 405, 'Method Not Allowed');
        expectProxied(await ask('/nonsense'), 404, {
          message: "Path '/nonsense' not found",
          type: 'not_found',
          code: 404,
        });
      });
    });

    describe('takes deposits', () => {
      test('credits face less input fee, and the key is the SHA-256 of the token text', async () => {
        const token = await node.payer.token(1000);
        const answer = await create(token);
        expect(answer.status).toBe(200);
        expect(created.parse(answer.json)).toEqual({
          api_key: keyOf(token),
          balance: (1000 - (await node.payer.feeOf(token))) * 1000,
        });
        expect(await node.payer.isSpent(token)).toBe(true);
      });

      test('the same text again is the same account, with nothing added', async () => {
        const token = await node.payer.token(100);
        const first = await create(token);
        const second = await create(token);
        expect(second.json).toEqual(first.json);
      });

      test('the same text presented several times at once is redeemed once', async () => {
        const token = await node.payer.token(100);
        const answers = await Promise.all([
          create(token),
          create(token),
          ask(`${base}/info`, { bearer: token }),
          create(token),
        ]);
        const balance = (100 - (await node.payer.feeOf(token))) * 1000;
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
        expect(answers.map(({ json }) => z.object({ balance: z.number() }).parse(json).balance)).toEqual([
          balance,
          balance,
          balance,
          balance,
        ]);
      });

      test.if(!legacy)('by GET in older versions, by POST in newer ones', async () => {
        const token = await node.payer.token(50);
        const byGet = await ask(`${base}/create?initial_balance_token=${encodeURIComponent(token)}`);
        expect(byGet.status).toBe(main ? 404 : 200);
      });
      test.if(legacy)('by GET only, below /v1/wallet only', async () => {
        const token = await node.payer.token(50);
        const body = { initial_balance_token: token };
        expect((await ask('/v1/wallet/create', { body })).status).toBe(404);
        expect((await ask('/v1/balance/create', { body })).status).toBe(400);
        expect(await node.payer.isSpent(token)).toBe(false);
      });

      test.if(!legacy)('below either prefix', async () => {
        const { key } = await deposit(64);
        const [one, other] = [
          await ask('/v1/balance/info', { bearer: key }),
          await ask('/v1/wallet/info', { bearer: key }),
        ];
        expect(one.json).toEqual(other.json);
        expect((await ask('/v1/wallet/', { bearer: key })).json).toEqual(one.json);
      });

      test('the account by key and by token text, and `info` redeems a token that is new', async () => {
        const token = await node.payer.token(77);
        const byToken = await ask(`${base}/info`, { bearer: token });
        expect(byToken.json).toEqual({
          api_key: keyOf(token),
          balance: (77 - (await node.payer.feeOf(token))) * 1000,
          reserved: 0,
          is_child: false,
          total_requests: 0,
          total_spent: 0,
          balance_limit: null,
          balance_limit_reset: null,
          validity_date: null,
        });
        expect((await ask(`${base}/info`, { bearer: keyOf(token) })).json).toEqual(byToken.json);
      });

      test('a top-up adds to the account', async () => {
        const { key, balance } = await deposit(100);
        const more = await node.payer.token(40);
        const answer = await ask(`${base}/topup`, { bearer: key, body: { cashu_token: more } });
        expect(answer.json).toEqual({ msats: (40 - (await node.payer.feeOf(more))) * 1000 });
        expect((await info(key)).balance).toBe(balance + (40 - (await node.payer.feeOf(more))) * 1000);
        const again = await ask(`${base}/topup`, { bearer: key, body: { cashu_token: more } });
        expectCoded(again, 400, {
          message: 'Cashu token already spent',
          type: 'token_already_spent',
          code: 'cashu_token_already_spent',
        });
        expectPlain(
          await ask(`${base}/topup`, { bearer: key, body: { cashu_token: 'nonsense' } }),
          400,
          'Invalid token format',
        );
        expectPlain(
          await ask(`${base}/topup`, { bearer: key, method: 'POST' }),
          400,
          'A cashu_token is required.',
        );
      });

      test('the history names amounts and never a token', async () => {
        const { key, token, balance } = await deposit(30);
        const answer = await ask(`${base}/history`, { bearer: key });
        const { transactions } = z.object({ transactions: z.array(z.looseObject({})) }).parse(answer.json);
        expect(transactions).toEqual([
          {
            id: expect.stringMatching(/^[0-9a-f]+$/),
            type: 'in',
            source: 'apikey',
            amount: balance / 1000,
            unit: 'sat',
            mint_url: node.mint,
            created_at: expect.any(Number),
            collected: false,
            swept: false,
          },
        ]);
        expect(answer.text).not.toContain(token);
      });
    });

    describe('refuses', () => {
      test('a request without, or with a strange, authorization', async () => {
        const none = await ask(`${base}/info`);
        expect(none.status).toBe(422);
        expect(none.json).toEqual({
          detail: [{ type: 'missing', loc: ['header', 'authorization'], msg: 'Field required', input: null }],
        });
        expectPlain(
          await ask(`${base}/info`, { headers: { authorization: 'Basic abc' } }),
          401,
          "Invalid authorization. Use 'Bearer <cashu-token>' or 'Bearer <api-key>'",
        );
        expectCoded(await ask(`${base}/info`, { bearer: 'something' }), 401, {
          message: "Invalid API key format. Expected an 'sk-...' API key or a 'cashu...' token.",
          type: 'invalid_request_error',
          code: 'invalid_api_key',
        });
      });

      test('a key it never saw', async () => {
        const answer = await ask(`${base}/info`, { bearer: keyOf('cashuBnever') });
        expect(answer.status).toBe(401);
        const { detail } = z
          .object({ detail: z.object({ error: z.object({ code: z.string() }) }) })
          .parse(answer.json);
        expect(detail.error.code).toBe(main ? 'key_not_found' : 'invalid_api_key');
      });

      test.if(!legacy)('a deposit without a token', async () => {
        const answer = await ask(`${base}/create`, { body: {} });
        expect(answer.status).toBe(422);
        expect(answer.json).toEqual({
          detail: [
            { type: 'missing', loc: ['body', 'initial_balance_token'], msg: 'Field required', input: {} },
          ],
        });
        expect(answer.headers.get('x-routstr-request-id')).toMatch(uuid);
      });

      test('a token that can’t be decoded', async () => {
        expectCoded(await create('cashuBnonsense'), 400, {
          message: 'Invalid Cashu token',
          type: 'invalid_token',
          code: 'invalid_cashu_token',
        });
      });

      test('a spent token, each time alike; another encoding of redeemed proofs counts as spent', async () => {
        const token = await node.payer.token(60);
        const proofs = await node.payer.proofs(token);
        expect((await create(token)).status).toBe(200);
        const other = node.payer.encode(proofs, 'the same proofs in other words');
        const spent = {
          message: 'Cashu token already spent',
          type: 'token_already_spent',
          code: 'cashu_token_already_spent',
        };
        expectCoded(await create(other), 400, spent);
        expectCoded(await create(other), 400, spent);
        expect((await ask(`${base}/info`, { bearer: token })).status).toBe(200);
      });

      test('a token worth no more than its fee, which stays unspent', async () => {
        const token = await node.payer.token(1);
        expect(await node.payer.feeOf(token)).toBe(1);
        const answer = await create(token);
        expectCoded(answer, 400, {
          message: 'Failed to redeem Cashu token',
          type: 'cashu_error',
          code: 'cashu_token_redemption_failed',
        });
        expect(await node.payer.isSpent(token)).toBe(false);
      });

      test.if(main)('a token of a mint that it doesn’t list, unspent', async () => {
        const token = await node.foreign?.token(100);
        const answer = await create(token ?? '');
        expect(answer.status).toBe(400);
        expect(answer.text).toContain('cashu_untrusted_source_mint');
        expect(await node.foreign?.isSpent(token ?? '')).toBe(false);
      });
    });

    test.if(!main)('swaps a token of a mint that it doesn’t list, and gives change at its own', async () => {
      // Without such a mint there is nothing to see.
      if (!node.foreign) return;
      const token = await node.foreign.token(100);
      const { balance } = created.parse((await create(token)).json);
      expect(balance).toBeGreaterThan(90_000);
      expect(balance).toBeLessThan(100_000);
      const back = change.parse((await refund(token)).json);
      expect(back.sats).toBe(String(balance / 1000));
      expect(await node.payer.receive(back.token)).toBeGreaterThan(90);
    });

    describe('gives back', () => {
      test('what is left, as a V4 token without DLEQ proofs, amount as text', async () => {
        const { token, balance } = await deposit(500);
        const answer = await refund(token);
        expect(answer.status).toBe(200);
        const body = change.parse(answer.json);
        expect(Object.keys(z.looseObject({}).parse(answer.json)).sort()).toEqual(
          main ? ['refund_id', 'sats', 'status', 'token'] : ['sats', 'token'],
        );
        expect(body.sats).toBe(String(balance / 1000));
        expect(body.token).toStartWith('cashuB');
        const proofs = await node.payer.proofs(body.token);
        expect(proofs.every((proof) => proof.dleq === undefined)).toBe(true);
        const fee = await node.payer.feeOf(body.token);
        expect(await node.payer.receive(body.token)).toBe(balance / 1000 - fee);
        const after = await info(token);
        expect([after.balance, after.reserved, after.total_spent]).toEqual([0, 0, 0]);
      });

      test('the same token again, by key and by text', async () => {
        const { token, key } = await deposit(90);
        const first = change.parse((await refund(token)).json);
        expect(change.parse((await refund(token)).json).token).toBe(first.token);
        if (!legacy) expect(change.parse((await refund(key)).json).token).toBe(first.token);
      });

      test('an entry in the history, collected once it was asked for again', async () => {
        const { key, balance } = await deposit(45);
        await refund(key);
        const rows = async () =>
          z
            .object({
              transactions: z.array(z.object({ type: z.string(), amount: z.number(), swept: z.boolean() })),
            })
            .parse((await ask(`${base}/history`, { bearer: key })).json)
            .transactions.map(({ type, amount, swept }) => ({ type, amount, swept }));
        expect((await rows()).sort((a, b) => a.type.localeCompare(b.type))).toEqual([
          { type: 'in', amount: balance / 1000, swept: false },
          { type: 'out', amount: balance / 1000, swept: false },
        ]);
      });

      test('nothing without authorization', async () => {
        expectPlain(
          await ask(`${base}/refund`, { method: 'POST' }),
          401,
          "Invalid authorization. Use 'Bearer <cashu-token>' or 'Bearer <api-key>'",
        );
      });

      test('nothing for a token it never saw, which stays unspent', async () => {
        const token = await node.payer.token(33);
        const message = 'Key not found. Deposit first via /v1/wallet/create before requesting a refund.';
        for (const bearer of [token, keyOf(token)]) {
          const answer = await refund(bearer);
          if (legacy) expectPlain(answer, 401, message);
          else expectCoded(answer, 401, { message, type: 'invalid_request_error', code: 'key_not_found' });
        }
        expect(await node.payer.isSpent(token)).toBe(false);
      });

      test('once, to several that ask at the same moment', async () => {
        const { key } = await deposit(70);
        const answers = await Promise.all([refund(key), refund(key), refund(key)]);
        const statuses = answers.map(({ status }) => status);
        expect(statuses).toContain(200);
        for (const status of statuses) expect(status).toBeOneOf([200, 400, 409]);
        const given = answers
          .filter(({ status }) => status === 200)
          .map(({ json }) => change.parse(json).token);
        expect(new Set(given).size).toBe(1);
        expect(change.parse((await refund(key)).json).token).toBe(given[0] ?? '');
      });

      test('a deposit can follow a refund, and then its own change is given', async () => {
        const { key } = await deposit(80);
        const first = change.parse((await refund(key)).json);
        const more = await node.payer.token(20);
        await ask(`${base}/topup`, { bearer: key, body: { cashu_token: more } });
        const second = change.parse((await refund(key)).json);
        expect(second.token).not.toBe(first.token);
        expect(second.sats).toBe(String(20 - (await node.payer.feeOf(more))));
      });

      test('a part of a sat stays behind', async () => {
        const { key, balance } = await deposit(200);
        const { sats_pricing: sats } = await price();
        // Leaves between half a sat and less than a whole one.
        const prompt = Math.floor((balance - 500) / (sats.prompt * 1000));
        await chat(key, {}, { usage: { prompt_tokens: prompt, completion_tokens: 0, total_tokens: prompt } });
        const left = (await info(key)).balance;
        expect(left).toBeGreaterThan(0);
        expect(left).toBeLessThan(1000);
        const answer = await refund(key);
        if (main) expect(answer.text).toContain('balance_too_small_to_refund');
        else expectPlain(answer, 400, 'Balance too small to refund');
      });

      test('not while a request is under way; afterwards yes', async () => {
        const { key } = await deposit(2000);
        node.upstream.reply({ hang: true });
        const leave = new AbortController();
        const response = await http.open('/v1/chat/completions', {
          bearer: key,
          body: chatBody({ stream: true }),
          signal: leave.signal,
        });
        const answer = await refund(key);
        if (main) expect(answer.text).toContain('refund_ongoing_requests');
        else expectPlain(answer, 400, 'Cannot refund key. There are ongoing requests for this api key.');
        node.upstream.release();
        expect(await response.text()).toContain('[DONE]');
        expect((await refund(key)).status).toBe(200);
      });
    });

    describe('answers model calls', () => {
      test('charges by usage and says so in headers and body', async () => {
        const { key, balance } = await deposit(2000);
        const { sats_pricing: sats } = await price();
        const answer = await chat(
          key,
          {},
          { usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 } },
        );
        expect(answer.status).toBe(200);
        const cost = Math.ceil(1000 * sats.prompt * 1000 + 100 * sats.completion * 1000 - 1e-6);
        const body = billed.parse(answer.json);
        expect(body.usage.cost.total_msats).toBe(cost);
        expect(body.usage.cost.input_msats + body.usage.cost.output_msats).toBe(cost);
        expect(body.usage.cost_sats).toBe(Math.floor(cost / 1000));
        expect(body.usage.remaining_balance_msats).toBe(balance - cost);
        expect(Object.keys(body.metadata.routstr)).toEqual(['cost']);
        expect(body.metadata.routstr.cost).toEqual(
          z.object({ cost: z.looseObject({}) }).parse(answer.json).cost,
        );
        expect([body.cost.total_msats, body.cost.sats_cost, body.cost.remaining_balance_msats]).toEqual([
          cost,
          Math.floor(cost / 1000),
          balance - cost,
        ]);
        expect(body.model).toEndWith(node.model);
        expect(answer.headers.get('x-routstr-cost-msats')).toBe(String(cost));
        expect(answer.headers.get('x-routstr-input-cost-msats')).toBe(String(body.usage.cost.input_msats));
        expect(answer.headers.get('x-routstr-output-cost-msats')).toBe(String(body.usage.cost.output_msats));
        expect(await info(key)).toEqual({
          balance: balance - cost,
          reserved: 0,
          total_spent: cost,
          total_requests: 1,
        });
      });

      test('with upstream’s key and name for the model, never the client’s', async () => {
        const { key, token } = await deposit(2000);
        await chat(key);
        const sent = node.upstream.requests.at(-1);
        expect(sent?.path).toBe('/v1/chat/completions');
        expect(sent?.authorization).toBe('Bearer upstream-key');
        expect(JSON.stringify(sent)).not.toContain(token);
      });

      test('streams, with the cost in one last chunk of its own', async () => {
        const { key, balance } = await deposit(2000);
        const answer = await chat(key, { stream: true });
        expect(answer.headers.get('content-type')).toContain('text/event-stream');
        expect(answer.headers.get('x-routstr-cost-msats')).toBeNull();
        expect(answer.text).not.toContain('PROCESSING');
        const events = answer.text.trim().split('\n\n');
        expect(events.pop()).toBe('data: [DONE]');
        const chunks = events.map((event) =>
          z.looseObject({}).parse(JSON.parse(event.replace(/^data: /, ''))),
        );
        const last = chunks.pop();
        expect(chunks.some((chunk) => 'usage' in chunk || 'cost' in chunk)).toBe(false);
        expect(chunks.every((chunk) => String(chunk.model).endsWith(node.model))).toBe(true);
        expect(z.object({ choices: z.array(z.unknown()) }).parse(last).choices).toEqual([]);
        const body = billed.parse(last);
        expect(body.usage.remaining_balance_msats).toBe(balance - body.usage.cost.total_msats);
        expect(Object.keys(body.metadata.routstr).sort()).toEqual([
          'cost',
          'remaining_balance_msats',
          'sats_cost',
        ]);
        expect((await info(key)).total_spent).toBe(body.usage.cost.total_msats);
        const sent = z
          .object({ stream_options: z.object({ include_usage: z.boolean() }) })
          .parse(node.upstream.requests.at(-1)?.body);
        expect(sent.stream_options.include_usage).toBe(true);
      });

      test('an answer whose usage nobody told is free', async () => {
        const { key, balance } = await deposit(2000);
        for (const stream of [true, false]) await chat(key, { stream }, { usage: null });
        expect(await info(key)).toMatchObject({ balance, reserved: 0, total_spent: 0 });
      });

      test('an answer that cost more than was reserved takes what there is, and no more', async () => {
        const { key, balance } = await deposit(20);
        const answer = await chat(
          key,
          { max_tokens: 10 },
          {
            usage: { prompt_tokens: 100_000, completion_tokens: 10, total_tokens: 100_010 },
          },
        );
        expect(billed.parse(answer.json).usage.cost.total_msats).toBe(balance);
        expect(await info(key)).toMatchObject({ balance: 0, reserved: 0, total_spent: balance });
      });

      test('reserves prompt and max_tokens at the model’s price', async () => {
        const { key } = await deposit(3000);
        const { sats_pricing: sats, top_provider: top } = await price();
        const text = 'x'.repeat(3000);
        const messages = [{ role: 'user', content: text }];
        const reservedBy = async (more: object): Promise<number> => {
          node.upstream.reply({ hang: true });
          const response = await http.open('/v1/chat/completions', {
            bearer: key,
            body: { model: node.model, messages, stream: true, ...more },
          });
          const { reserved } = await info(key);
          node.upstream.release();
          await response.text();
          return reserved;
        };
        const full = Math.trunc(sats.max_cost * 1000 * 0.99);
        const tokens = main ? Math.floor((text.length + node.model.length + 'user'.length) / 3) : 1000;
        const limit = top.context_length - top.max_completion_tokens;
        const prompt = Math.floor((limit * sats.prompt * 0.99 - tokens * sats.prompt) * 1000);
        expect(await reservedBy({})).toBeCloseTo(full - prompt, -1);
        const output = Math.floor((sats.max_completion_cost * 0.99 - 500 * sats.completion) * 1000);
        expect(await reservedBy({ max_tokens: 500 })).toBeCloseTo(full - prompt - output, -1);
        // Only the newest read the name that OpenAI gave it since.
        const newer = await reservedBy({ max_completion_tokens: 500 });
        expect(newer).toBeCloseTo(main ? full - prompt - output : full - prompt, -1);
      });

      test('under any spelling of a model’s name; below /v1 and without it', async () => {
        const { key } = await deposit(2000);
        for (const model of [node.model.toUpperCase(), `anthropic/${node.model}`, `${node.model}-20250929`]) {
          expect((await chat(key, { model })).status).toBe(200);
        }
        expect((await ask('/chat/completions', { bearer: key, body: chatBody() })).status).toBe(200);
      });

      test('not for a model it doesn’t have, and then a new token isn’t touched', async () => {
        const token = await node.payer.token(50);
        expectProxied(await chat(token, { model: 'no-such-model' }), 400, {
          message: "Model 'no-such-model' not found",
          type: 'invalid_model',
          code: 400,
        });
        expect(await node.payer.isSpent(token)).toBe(false);
      });

      test('not for nobody, nor for a body it can’t read', async () => {
        expectPlain(await ask('/v1/chat/completions', { body: chatBody() }), 401, 'Unauthorized');
        expectCoded(await ask('/v1/chat/completions', { body: '{"model":' }), 400, {
          type: 'invalid_request_error',
          code: 'invalid_json',
        });
        const answer = await chat('sk-any', { max_tokens: 'many' });
        const error = 'max_tokens must be an integer';
        expect(answer.json).toEqual({
          detail: { error },
          ...(legacy ? {} : { error }),
          request_id: answer.headers.get('x-routstr-request-id'),
        });
      });

      test('not for less than the reservation: a known account is told in sat', async () => {
        const { key, balance } = await deposit(40);
        const answer = await chat(key, { max_tokens: 32_000 });
        const message = z
          .object({ detail: z.object({ error: z.object({ message: z.string() }) }) })
          .parse(answer.json);
        const said =
          /^Insufficient balance: ([\d.]+) sats \((\d+) msats\) required for this model; ([\d.]+) sats \((\d+) msats\) available\.$/.exec(
            message.detail.error.message,
          );
        expect(Number(said?.[2])).toBe(Number(said?.[1]) * 1000);
        expect(Number(said?.[4])).toBe(balance);
        expectCoded(answer, 402, {
          message: message.detail.error.message,
          type: 'insufficient_quota',
          code: 'insufficient_balance',
        });
      });

      test('not for less: a new token is told in msat, redeemed all the same and given back', async () => {
        const token = await node.payer.token(40);
        const answer = await chat(token, { max_tokens: 32_000 });
        expect(answer.status).toBe(402);
        const available = (40 - (await node.payer.feeOf(token))) * 1000;
        expect(answer.text).toMatch(
          new RegExp(
            `Insufficient balance: \\d+ mSats required\\. ${available} available\\. \\(reserved: 0\\)`,
          ),
        );
        expect(await node.payer.isSpent(token)).toBe(true);
        expect(change.parse((await refund(token)).json).sats).toBe(String(available / 1000));
      });

      test('passes upstream’s refusals on and takes nothing for them', async () => {
        const { key, balance } = await deposit(2000);
        const refused = await chat(
          key,
          {},
          { status: 404, body: '{"error":{"message":"nope","code":"gone"}}' },
        );
        expect([refused.status, refused.json]).toEqual([404, { error: { message: 'nope', code: 'gone' } }]);
        const limited = await chat(
          key,
          {},
          {
            status: 429,
            headers: { 'retry-after': '7' },
            body: '{"error":{"message":"Rate limit reached for x"}}',
          },
        );
        expect(limited.status).toBe(429);
        expect(limited.headers.get('retry-after')).toBe('7');
        expect(z.object({ error: z.looseObject({}) }).parse(limited.json).error).toMatchObject({
          message: 'Rate limit reached for x',
          code: 'UPSTREAM_RATE_LIMIT',
          details: { code: 'UPSTREAM_RATE_LIMIT', retry_after_seconds: 7 },
        });
        const html = await chat(
          key,
          {},
          { status: 413, headers: { 'content-type': 'text/html' }, body: '<h1>too big</h1>' },
        );
        expect(html.status).toBe(413);
        expect(html.json).toMatchObject({ error: { type: 'upstream_error', upstream_status: 413 } });
        expect(await info(key)).toEqual({ balance, reserved: 0, total_spent: 0, total_requests: 0 });
      });

      test('tells upstream’s failures and takes nothing for them', async () => {
        const { key, balance } = await deposit(2000);
        const failed = await chat(key, {}, { status: 503, body: 'overloaded' });
        const { error } = z.object({ error: z.looseObject({ message: z.string() }) }).parse(failed.json);
        expectProxied(failed, main ? 424 : 503, {
          message: error.message,
          type: 'upstream_error',
          code: main ? 'UPSTREAM_UNAVAILABLE' : 503,
        });
        expect(error.message).toContain('returned 503');
        expect(failed.headers.get('x-routstr-error-scope')).toBe(main ? 'upstream' : null);
        expect(await info(key)).toEqual({ balance, reserved: 0, total_spent: 0, total_requests: 0 });
      });

      test('reads on and charges for everything when the client leaves in mid-stream', async () => {
        const { key, balance } = await deposit(2000);
        node.upstream.reply({ hang: true });
        const leave = new AbortController();
        const response = await http.open('/v1/chat/completions', {
          bearer: key,
          body: chatBody({ stream: true }),
          signal: leave.signal,
        });
        await response.body?.getReader().read();
        leave.abort();
        expect((await info(key)).reserved).toBeGreaterThan(0);
        expect((await refund(key)).status).toBe(400);
        node.upstream.release();
        await until(async () => (await info(key)).reserved === 0, 'upstream is read to its end');
        const after = await info(key);
        expect(after.total_spent).toBeGreaterThan(0);
        expect(after.balance).toBe(balance - after.total_spent);
      });
    });

    describe('takes payment with the request', () => {
      const pay = (payment: string, more: object = {}, reply?: UpstreamReply): Promise<Answer> => {
        if (reply) node.upstream.reply(reply);
        return ask('/v1/chat/completions', { headers: { 'x-cashu': payment }, body: chatBody(more) });
      };
      const faceOf = async (token: string): Promise<number> =>
        (await node.payer.proofs(token)).reduce((sum, proof) => sum + proof.amount.toNumber(), 0);
      const paidBack = async (payment: string) =>
        ask(`${base}/refund`, { method: 'POST', headers: { 'x-cashu': payment } });

      test('change in a header, the cost rounded up to whole sat', async () => {
        const payment = await node.payer.token(100);
        const answer = await pay(payment, { stream: true });
        expect(answer.status).toBe(200);
        expect(answer.text).toContain('[DONE]');
        const cost = Number(answer.headers.get('x-routstr-cost-msats'));
        expect(cost).toBeGreaterThan(0);
        const back = answer.headers.get('x-cashu') ?? '';
        const expected = 100 - (await node.payer.feeOf(payment)) - Math.ceil(cost / 1000);
        expect(await faceOf(back)).toBe(expected);
        if (legacy) return;
        const again = await paidBack(payment);
        expect(again.json).toEqual({ token: back, sats: String(expected) });
        expect(again.headers.get('x-cashu')).toBe(back);
      });

      test('without streaming the change comes, but up to 0.4.5 the body breaks off', async () => {
        const payment = await node.payer.token(100);
        const response = await http.open('/v1/chat/completions', {
          headers: { 'x-cashu': payment },
          body: chatBody(),
        });
        expect(response.status).toBe(200);
        const cost = Number(response.headers.get('x-routstr-cost-msats'));
        expect(await faceOf(response.headers.get('x-cashu') ?? '')).toBe(
          100 - (await node.payer.feeOf(payment)) - Math.ceil(cost / 1000),
        );
        const readable = response.json().then(
          () => true,
          () => false,
        );
        expect(await readable).toBe(main);
      });

      test('too little is refused unspent', async () => {
        const payment = await node.payer.token(20);
        const answer = await pay(payment, { max_tokens: 32_000 });
        expect(answer.status).toBe(402);
        expect(answer.json).toEqual({
          detail: {
            reason: 'Insufficient balance',
            amount_required_msat: expect.any(Number),
            model: node.model,
            type: 'minimum_balance_required',
          },
          request_id: answer.headers.get('x-routstr-request-id'),
        });
        expect(await node.payer.isSpent(payment)).toBe(false);
      });

      test('all of it comes back when upstream refuses', async () => {
        const payment = await node.payer.token(100);
        const answer = await pay(payment, {}, { status: 500 });
        expect(answer.status).toBe(500);
        const back = answer.headers.get('x-cashu');
        expect(answer.json).toEqual({
          error: {
            message: 'Error forwarding request to upstream',
            type: 'upstream_error',
            code: 500,
            refund_token: back,
          },
        });
        expect(await faceOf(back ?? '')).toBe(100 - (await node.payer.feeOf(payment)));
      });

      test('a spent token is refused and not handed back', async () => {
        const payment = await node.payer.token(100);
        expect((await pay(payment, { stream: true })).status).toBe(200);
        const answer = await pay(payment);
        expectProxied(answer, 400, {
          message: 'Cashu token already spent',
          type: 'token_already_spent',
          code: 'cashu_token_already_spent',
        });
        expect(answer.headers.get('x-cashu')).toBeNull();
        expectPlain(await pay('cashuBnonsense'), 401, 'Invalid authentication token format');
      });

      test.if(!legacy)('its change can be asked for: unknown, pending, there', async () => {
        const payment = await node.payer.token(100);
        expectPlain(await paidBack(payment), 404, 'Refund not found');
        node.upstream.reply({ hang: true });
        const asked = node.upstream.requests.length;
        const answer = pay(payment, { stream: true });
        await until(() => node.upstream.requests.length > asked, 'upstream is asked');
        const pending = await paidBack(payment);
        expectPlain(pending, 425, 'Refund is pending; retry shortly.');
        node.upstream.release();
        expect((await answer).status).toBe(200);
        expect((await paidBack(payment)).status).toBe(200);
      });
    });
  });
}
