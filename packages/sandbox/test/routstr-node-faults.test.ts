/** What the sandbox's node can be made to do wrong, and that its books hold to the msat through all of it. */
import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import { type SandboxMint, startSandboxMint } from '../src/mint/sandbox-mint.ts';
import { type SandboxNode, type SandboxNodeOptions, startSandboxNode } from '../src/node/sandbox-node.ts';
import { type FilledWallet, openFilledWallet } from './support/filled-wallet.ts';
import { keyOf, nodeClient } from './support/node-client.ts';
import { type ScriptedUpstream, startScriptedUpstream } from './support/scripted-upstream.ts';

type World = {
  readonly mint: SandboxMint;
  readonly upstream: ScriptedUpstream;
  readonly node: SandboxNode;
  readonly payer: FilledWallet;
  readonly clock: { value: number };
};
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function makeWorld(options: Partial<SandboxNodeOptions> = {}): Promise<World> {
  const mint = startSandboxMint({ feePpk: 100 });
  closers.push(mint.stop);
  const upstream = startScriptedUpstream();
  closers.push(upstream.stop);
  const clock = { value: Date.UTC(2026, 10, 1) };
  const node = startSandboxNode({
    mints: [mint.url],
    upstream: { baseUrl: upstream.baseUrl },
    clock: { now: () => clock.value },
    ...options,
  });
  closers.push(node.stop);
  return { mint, upstream, node, payer: await openFilledWallet(mint.url, 20_000), clock };
}

const change = z.object({ token: z.string(), sats: z.string() });
const chatBody = { model: 'claude-sonnet-4.5', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 };

function client({ node, payer }: World) {
  const http = nodeClient(node.url);
  const base = '/v1/wallet';
  const create = (token: string) => http.ask(`${base}/create?initial_balance_token=${token}`);
  return {
    ...http,
    create,
    info: (bearer: string) => http.ask(`${base}/info`, { bearer }),
    refund: (bearer: string) => http.ask(`${base}/refund`, { method: 'POST', bearer }),
    chat: (bearer: string, more: object = {}) =>
      http.ask('/v1/chat/completions', { bearer, body: { ...chatBody, ...more } }),
    deposit: async (face: number) => {
      const token = await payer.token(face);
      expect((await create(token)).status).toBe(200);
      return token;
    },
  };
}

/** Nothing is lost between wallet, node and mint: inside the node to the msat, outside to the sat. */
async function expectConserved({ mint, node, payer }: World): Promise<void> {
  const books = node.audit();
  expect(books).toMatchObject({ missingMsat: 0, unexplainedSat: 0, balanced: true });
  expect(books.creditedMsat).toBe(
    books.balancesMsat + books.spentMsat + books.refundedMsat + books.forfeitedMsat + books.keptMsat,
  );
  let onTheWay = 0;
  for (const { token, amount } of books.changeTokens) if (!(await payer.isSpent(token))) onTheWay += amount;
  const held = Object.values(books.heldSat).reduce((sum, n) => sum + n, 0);
  expect(mint.audit()).toMatchObject({ totalOutstanding: payer.balance() + held + onTheWay, balanced: true });
}

describe('conservation', () => {
  test('holds after deposits, answers, top-ups, payments with a request, refunds received and not', async () => {
    const world = await makeWorld();
    const { create, chat, refund, deposit, ask } = client(world);
    const one = await deposit(1000);
    for (const stream of [true, false, true]) await chat(one, { stream });
    const more = await world.payer.token(200);
    await ask('/v1/balance/topup', { bearer: one, body: { cashu_token: more } });
    const two = await deposit(300);
    await chat(two);
    await create(two);
    await ask('/v1/chat/completions', {
      headers: { 'x-cashu': await world.payer.token(150) },
      body: { ...chatBody, stream: true },
    });
    const { token } = change.parse((await refund(one)).json);
    await world.payer.receive(token);
    await refund(two);
    const three = await deposit(64);
    await expectConserved(world);
    const books = world.node.audit();
    expect(books.spentMsat).toBeGreaterThan(0);
    expect(books.forfeitedMsat).toBeGreaterThan(0);
    expect(books.changeTokens).toHaveLength(3);
    expect((await refund(three)).status).toBe(200);
    await expectConserved(world);
  });

  test('shows a token that was redeemed and never credited, and one that was never made', async () => {
    const world = await makeWorld();
    const { create, refund, info, deposit } = client(world);
    world.node.faults.add({ endpoint: 'create', when: 'between', effect: { kind: 'crash', memory: 'lost' } });
    const token = await world.payer.token(100);
    await expect(create(token)).rejects.toThrow();
    await until(
      async () => (await world.payer.isSpent(token)) && (await info('sk-x')).status === 401,
      'it is back',
    );
    expect((await info(keyOf(token))).status).toBe(401);
    expect(world.node.audit()).toMatchObject({ unexplainedSat: 99, balanced: false });
    expect((await create(token)).text).toContain('cashu_token_already_spent');

    const other = await deposit(100);
    world.node.faults.add({ endpoint: 'refund', when: 'between', effect: { kind: 'crash', memory: 'lost' } });
    await expect(refund(other)).rejects.toThrow();
    await until(async () => (await info(other)).text.includes('"balance":0'), 'the balance is gone');
    expect((await refund(other)).text).toContain('No balance to refund');
    expect(world.node.audit()).toMatchObject({ missingMsat: 99_000, balanced: false });
  });
});

describe('a refund', () => {
  test('whose answer got lost comes again, the same', async () => {
    for (const effect of [{ kind: 'drop' }, { kind: 'html' }, { kind: 'truncate' }] as const) {
      const world = await makeWorld();
      const { refund, deposit } = client(world);
      const token = await deposit(100);
      world.node.faults.add({ endpoint: 'refund', when: 'after', effect });
      const lost = await refund(token).then(
        (answer) => answer.json,
        () => undefined,
      );
      expect(lost).toBeUndefined();
      const again = change.parse((await refund(token)).json);
      expect(again.sats).toBe('99');
      expect(world.node.audit().changeTokens.map((row) => row.token)).toEqual([again.token]);
      await expectConserved(world);
    }
  });

  test('that never reached the node costs nothing', async () => {
    const world = await makeWorld();
    const { refund, info, deposit } = client(world);
    const token = await deposit(100);
    for (const effect of [
      { kind: 'html', status: 504 },
      { kind: 'status', status: 520 },
    ] as const) {
      world.node.faults.add({ endpoint: 'refund', when: 'before', effect });
      expect((await refund(token)).status).toBe(effect.status);
    }
    expect((await info(token)).text).toContain('"balance":99000');
  });

  test('still under way answers a second caller with a false "No balance"', async () => {
    const world = await makeWorld();
    const { refund, deposit } = client(world);
    const token = await deposit(100);
    world.node.faults.add({ endpoint: 'refund', when: 'between', effect: { kind: 'hold' } });
    const first = refund(token);
    await until(() => world.node.faults.holding() === 1, 'the balance is taken');
    expect((await refund(token)).text).toContain('No balance to refund');
    world.node.faults.release();
    expect((await first).status).toBe(200);
    expect((await refund(token)).json).toEqual((await first).json);
  });

  test('under way is told as such by later versions, and as stuck after five minutes', async () => {
    const world = await makeWorld({ profile: 'main' });
    const { refund, ask } = client(world);
    const token = await world.payer.token(100);
    await ask('/v1/balance/create', { body: { initial_balance_token: token } });
    world.node.faults.add({ endpoint: 'refund', when: 'between', effect: { kind: 'crash', memory: 'lost' } });
    await expect(refund(token)).rejects.toThrow();
    await until(() => world.node.audit().missingMsat > 0, 'the balance is taken');
    const error = async () => {
      const answer = await refund(token);
      return [answer.status, z.object({ error: z.looseObject({}) }).parse(answer.json).error];
    };
    expect(await error()).toEqual([
      409,
      expect.objectContaining({
        code: 'refund_in_progress',
        status: 'pending',
        refund_id: expect.any(String),
      }),
    ]);
    world.clock.value += 301_000;
    expect(await error()).toEqual([
      409,
      expect.objectContaining({ code: 'refund_unresolved', status: 'unresolved' }),
    ]);
  });

  test('is replayed after a restart from the books; older nodes only remember it', async () => {
    for (const profile of ['legacy', '0.4.5'] as const) {
      for (const memory of ['lost', 'kept'] as const) {
        const world = await makeWorld({ profile });
        const { refund, deposit } = client(world);
        const token = await deposit(100);
        const { json } = await refund(token);
        world.node.crash(memory);
        await expect(refund(token)).rejects.toThrow();
        world.node.comeUp();
        const again = await refund(token);
        if (profile === 'legacy' && memory === 'lost') expect(again.text).toContain('No balance to refund');
        else expect(again.json).toEqual(json);
      }
    }
  });

  test('survives in the file', async () => {
    const home = await mkdtemp(join(tmpdir(), 'routstr-node-'));
    closers.push(() => rm(home, { recursive: true }));
    const world = await makeWorld({ file: join(home, 'node.db') });
    const token = await client(world).deposit(100);
    const { json } = await client(world).refund(token);
    await world.node.stop();
    const next = startSandboxNode({
      mints: [world.mint.url],
      upstream: { baseUrl: world.upstream.baseUrl },
      file: join(home, 'node.db'),
    });
    try {
      expect((await client({ ...world, node: next }).refund(token)).json).toEqual(json);
      expect(next.audit().balanced).toBe(true);
    } finally {
      await next.stop();
      closers.splice(closers.indexOf(world.node.stop), 1);
    }
  });

  test('that fails gives the balance back, but a withheld one doesn’t', async () => {
    const world = await makeWorld();
    const { refund, info, deposit } = client(world);
    const token = await deposit(100);
    const refuse = (why: 'race' | 'mint-away' | 'failed' | 'withheld') =>
      world.node.faults.add({ endpoint: 'refund', when: 'between', effect: { kind: 'refuse', why } });
    const cases = [
      ['race', 409, 'Balance changed concurrently. Please retry the refund.'],
      ['mint-away', 503, 'Mint service unavailable'],
      ['failed', 500, 'Refund failed'],
    ] as const;
    for (const [why, status, detail] of cases) {
      refuse(why);
      const answer = await refund(token);
      expect([answer.status, answer.json]).toEqual([status, { detail, request_id: expect.any(String) }]);
      expect((await info(token)).text).toContain('"balance":99000');
    }
    refuse('withheld');
    const withheld = await refund(token);
    expect([withheld.status, withheld.text]).toEqual([
      502,
      expect.stringContaining('outcome is unconfirmed'),
    ]);
    expect((await info(token)).text).toContain('"balance":0');
    expect(world.node.audit().missingMsat).toBe(99_000);
  });

  test('is swept when nobody fetched it for half a year; once fetched again it stays', async () => {
    const world = await makeWorld();
    const { refund, deposit } = client(world);
    const [one, two] = [await deposit(50), await deposit(50)];
    await refund(one);
    await refund(two);
    world.node.crash();
    world.node.comeUp();
    expect((await refund(two)).status).toBe(200);
    world.clock.value += 181 * 86_400_000;
    const swept = await refund(one);
    expect([swept.status, swept.json]).toEqual([
      410,
      { detail: 'Refund has been swept', request_id: expect.any(String) },
    ]);
    expect((await refund(two)).status).toBe(200);
  });

  test('waits for a reservation until that is five minutes old', async () => {
    for (const profile of ['legacy', '0.4.5'] as const) {
      const world = await makeWorld({ profile, behaviour: { onDisconnect: 'keep' } });
      const { refund, deposit, open, info } = client(world);
      const token = await deposit(500);
      world.upstream.reply({ hang: true });
      const leave = new AbortController();
      const response = await open('/v1/chat/completions', {
        bearer: token,
        body: { ...chatBody, stream: true },
        signal: leave.signal,
      });
      await response.body?.getReader().read();
      leave.abort();
      expect((await refund(token)).text).toContain('ongoing requests');
      world.clock.value += 301_000;
      expect((await refund(token)).status).toBe(profile === 'legacy' ? 400 : 200);
      if (profile !== 'legacy') continue;
      world.node.crash();
      world.node.comeUp();
      expect((await info(token)).text).toContain('"reserved":0');
      expect((await refund(token)).status).toBe(200);
    }
  });

  test('comes from another trusted mint when its own is away, and not at all when none is there', async () => {
    const second = startSandboxMint();
    closers.push(second.stop);
    const first = startSandboxMint();
    closers.push(first.stop);
    const world = await makeWorld({ mints: [first.url, second.url] });
    const { refund, create, info } = client(world);
    const [here, there] = [await openFilledWallet(first.url, 500), await openFilledWallet(second.url, 500)];
    const token = await here.token(100);
    await create(token);
    await create(await there.token(200));
    await first.goDown();
    const other = change.parse((await refund(token)).json);
    expect((await there.proofs(other.token)).length).toBeGreaterThan(0);
    expect(await there.receive(other.token)).toBe(100);
    first.comeUp();
    const last = await here.token(50);
    await create(last);
    await first.goDown();
    await second.goDown();
    expect((await refund(last)).text).toContain('Refund failed');
    expect((await info(last)).text).toContain('"balance":50000');
    first.comeUp();
    expect((await refund(last)).status).toBe(200);
  });
});

describe('a deposit', () => {
  test('of a dead token is refused from memory, until the node forgets', async () => {
    const world = await makeWorld();
    const { create, deposit } = client(world);
    const token = await deposit(60);
    const spent = world.payer.encode(await world.payer.proofs(token), 'once more');
    const swaps = () => world.mint.requests.filter((line) => line === 'POST /v1/swap').length;
    const before = swaps();
    await create(spent);
    await create(spent);
    expect(swaps()).toBe(before + 1);
    world.node.crash();
    world.node.comeUp();
    await create(spent);
    expect(swaps()).toBe(before + 2);
  });

  test('while the mint is away or has had enough is refused, and the same token works later', async () => {
    const world = await makeWorld();
    const { create } = client(world);
    const token = await world.payer.token(100);
    await world.mint.goDown();
    expect((await create(token)).text).toContain('cashu_source_mint_unreachable');
    world.mint.comeUp();
    world.mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'status', status: 429 } });
    const limited = await create(token);
    expect([limited.status, limited.text]).toEqual([503, expect.stringContaining('cashu_mint_rate_limited')]);
    expect((await create(token)).status).toBe(200);
  });

  test('whose swap got no answer is ambiguous', async () => {
    const world = await makeWorld();
    const { create } = client(world);
    const token = await world.payer.token(100);
    world.mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'cut' } });
    const answer = await create(token);
    expect([answer.status, answer.text]).toEqual([500, expect.stringContaining('cashu_token_consumed')]);
    expect(await world.payer.isSpent(token)).toBe(true);
  });

  test('of proofs from two keysets is refused unspent', async () => {
    const world = await makeWorld();
    const { create } = client(world);
    const old = await world.payer.proofs(await world.payer.token(32));
    world.mint.rotate();
    const young = await openFilledWallet(world.mint.url, 100);
    const fresh = await young.proofs(await young.token(32));
    const token = world.payer.encode([...old, ...fresh]);
    expect((await create(token)).text).toContain('cashu_token_redemption_failed');
    expect(await world.payer.isSpent(token)).toBe(false);
  });

  test('of a mint it doesn’t list is refused where the swap fails or costs too much', async () => {
    const world = await makeWorld();
    const { create } = client(world);
    const foreign = startSandboxMint();
    closers.push(foreign.stop);
    const payer = await openFilledWallet(foreign.url, 500);
    expect((await create(await payer.token(2))).text).toContain('cashu_token_swap_fees_exceed_amount');
    foreign.lightning.outgoing = 'failed';
    const token = await payer.token(100);
    const failed = await create(token);
    expect([failed.status, failed.text]).toEqual([
      422,
      expect.stringContaining('cashu_foreign_mint_swap_failed'),
    ]);
    expect(await payer.isSpent(token)).toBe(false);
    foreign.lightning.outgoing = 'paid';
    expect((await create(token)).status).toBe(200);
    expect(world.node.audit().balanced).toBe(true);
  });

  test('answered late, twice, or through a proxy that finds it too long', async () => {
    const world = await makeWorld();
    const { create, info, open } = client(world);
    const token = await world.payer.token(100);
    world.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'hold' } });
    const late = open(`/v1/wallet/create?initial_balance_token=${token}`, {
      signal: AbortSignal.timeout(300),
    });
    await expect(late).rejects.toThrow();
    await until(() => world.node.faults.holding() === 1, 'the deposit is made');
    expect((await info(token)).text).toContain('"balance":99000');
    world.node.faults.release();

    const other = await world.payer.token(50);
    world.node.faults.add({ endpoint: 'create', when: 'before', effect: { kind: 'repeat' } });
    expect((await create(other)).text).toContain('"balance":49000');
    await expectConserved(world);

    world.node.behaviour.maxHeaderBytes = 600;
    const long = await info(await world.payer.token(1023));
    expect([long.status, long.headers.get('content-type')]).toEqual([400, 'text/html']);
    expect((await info(keyOf(other))).status).toBe(200);
  });
});

describe('a model call', () => {
  test('broken off by the node’s death charges nothing, and the reservation is gone when it is back', async () => {
    const world = await makeWorld();
    const { deposit, open, info, refund } = client(world);
    const token = await deposit(500);
    world.upstream.reply({ hang: true });
    const response = await open('/v1/chat/completions', {
      bearer: token,
      body: { ...chatBody, stream: true },
    });
    const text = response.text();
    world.node.crash();
    await expect(text).rejects.toThrow();
    world.node.comeUp();
    world.upstream.release();
    expect(z.looseObject({}).parse((await info(token)).json)).toMatchObject({
      balance: 499_000,
      reserved: 0,
      total_spent: 0,
    });
    expect((await refund(token)).status).toBe(200);
    await expectConserved(world);
  });

  test('for which upstream can’t be reached is not charged; with its own token the node keeps that', async () => {
    const world = await makeWorld();
    const { deposit, chat, info, ask } = client(world);
    const token = await deposit(500);
    await world.upstream.stop();
    const answer = await chat(token);
    expect([answer.status, answer.json]).toEqual([
      502,
      {
        error: { message: 'Unable to connect to upstream service', type: 'upstream_error', code: 502 },
        request_id: expect.any(String),
      },
    ]);
    expect((await info(token)).text).toContain('"balance":499000');
    const paid = await world.payer.token(100);
    const lost = await ask('/v1/chat/completions', { headers: { 'x-cashu': paid }, body: chatBody });
    expect([lost.status, lost.text]).toEqual([500, expect.stringContaining('internal_error')]);
    expect(world.node.audit().keptMsat).toBe(99_000);
    await expectConserved(world);
  });

  test('for a model without a price reserves one sat, and its answer is refused', async () => {
    const world = await makeWorld();
    const { deposit, chat, info } = client(world);
    const token = await deposit(100);
    const answer = await chat(token, { model: 'gpt-unpriced' });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('pricing_error')]);
    expect((await info(token)).text).toContain('"balance":99000,"reserved":0');
  });
});

test('the list has every oddity of real lists', async () => {
  const { ask } = client(await makeWorld());
  const list = z
    .object({
      data: z.array(
        z.object({
          id: z.string(),
          sats_pricing: z.object({ prompt: z.union([z.number(), z.string()]) }).nullable(),
          top_provider: z.looseObject({}).nullable(),
          architecture: z.object({ output_modalities: z.array(z.string()) }),
        }),
      ),
    })
    .parse((await ask('/v1/models')).json).data;
  expect(list.some((model) => model.sats_pricing === null)).toBe(true);
  expect(list.some((model) => model.top_provider === null)).toBe(true);
  expect(list.some((model) => typeof model.sats_pricing?.prompt === 'string')).toBe(true);
  expect(list.some((model) => !model.architecture.output_modalities.includes('text'))).toBe(true);
});
