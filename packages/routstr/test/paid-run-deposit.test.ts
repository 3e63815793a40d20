/**
 * Whatever a node does with a budget token, the run has begun with it or the money is ours again
 * (docs/node-protocol.md#what-becomes-of-a-token).
 */
import { afterEach, describe, expect, test } from 'bun:test';
import { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { NodeFault } from '@nostr-dm-agent/sandbox/node';
import { createNodeClient } from '../src/node/node-client.ts';
import {
  asked,
  call,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  type PaidWorldOptions,
  refusalOf,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
const begin = async (options?: PaidWorldOptions): Promise<void> => {
  world = await startPaidWorld(options);
};
afterEach(() => world.end());

type Effect = Extract<NodeFault, { when: 'before' | 'after' }>['effect'];
const says = (status: number, body: unknown): Effect => ({ kind: 'status', status, body });
const refusal = (status: number, type: string, code: string): Effect => {
  const error = { message: 'as the node words it', type, code };
  return says(status, { detail: { error }, error, request_id: 'req-1' });
};
const minute = 60_000;

describe('the token is taken back at once, and the run not started', () => {
  const refusals: readonly (readonly [string, Effect, presentations: number])[] = [
    ['can’t decode it', refusal(400, 'invalid_token', 'invalid_cashu_token'), 1],
    ['can’t redeem it', refusal(400, 'cashu_error', 'cashu_token_redemption_failed'), 1],
    ['does not trust the mint', refusal(400, 'untrusted_mint', 'cashu_untrusted_source_mint'), 1],
    ['says that fees eat it', refusal(422, 'mint_error', 'cashu_token_swap_fees_exceed_amount'), 1],
    ['could not swap it', refusal(422, 'mint_error', 'cashu_foreign_mint_swap_failed'), 1],
    ['calls it spent, wrongly', refusal(400, 'token_already_spent', 'cashu_token_already_spent'), 1],
    ['calls it worthless, wrongly', refusal(400, 'cashu_error', 'cashu_token_zero_value'), 1],
    ['does not know what it did, and did nothing', refusal(500, 'token_consumed', 'cashu_token_consumed'), 1],
    ['can’t reach its mint', refusal(503, 'mint_unreachable', 'cashu_source_mint_unreachable'), 3],
    ['is rate-limited by its mint', refusal(503, 'mint_rate_limited', 'cashu_mint_rate_limited'), 3],
    ['breaks', refusal(500, 'api_error', 'internal_error'), 3],
    ['breaks without a word', says(500, { detail: 'Internal server error, please contact support' }), 3],
    ['knows no such key', refusal(401, 'invalid_request_error', 'invalid_api_key'), 1],
    ['misses a field', says(422, { detail: [{ loc: ['body'], msg: 'Field required', type: 'missing' }] }), 1],
    ['is a proxy’s error page', { kind: 'html' }, 3],
    ['breaks the connection off', { kind: 'drop' }, 3],
    ['answers something else', says(200, { hello: 'world' }), 3],
  ];
  for (const [what, effect, presentations] of refusals) {
    test(`when the node ${what}`, async () => {
      await begin();
      world.node.faults.add({ endpoint: 'create', when: 'before', effect, times: 9 });
      const prepared = await world.prepare('r1');
      expect(refusalOf(prepared)).toMatchObject({
        ...{ kind: 'not_credited', node: `${world.node.url}/v1`, amount: 2000 },
        money: { state: 'back', spent: 0 },
      });
      expect(asked(world.node, '/create')).toBe(presentations);
      expect(world.state('r1')).toBe('settled');
      expect(await world.finalize('r1')).toMatchObject({ spent: 0, budget: 2000 });
      expect(lastEntry(world)).toMatchObject({ spent: 0 });
      expect(world.news).toEqual([]);
      await expectAllHome(world);
    });
  }

  test('when nobody listens there', async () => {
    await begin();
    world.node.crash();
    expect(refusalOf(await world.prepare('r1'))).toMatchObject({ outcome: { state: 'not_sent' } });
    await world.finalize('r1');
    await expectAllHome(world);
  });

  test('when the node never answers', async () => {
    await begin({ timeouts: { create: 200 } });
    world.node.faults.add({ endpoint: 'create', when: 'before', effect: { kind: 'hold' }, times: 9 });
    expect(refusalOf(await world.prepare('r1'))).toMatchObject({ outcome: { reason: 'no_answer' } });
    await world.finalize('r1');
    expect(world.state('r1')).toBe('settled');
    // The requests arrive after all: too late.
    world.node.faults.clear();
    world.node.faults.release();
    await until(() => world.node.faults.holding() === 0, 'the held requests went on');
    await expectAllHome(world);
  });
});

describe('the run begins all the same', () => {
  const passing: readonly (readonly [string, NodeFault])[] = [
    ['the first answer was lost', { endpoint: 'create', when: 'after', effect: { kind: 'drop' } }],
    ['a proxy hid the first answer', { endpoint: 'create', when: 'after', effect: { kind: 'html' } }],
    ['the first answer was cut', { endpoint: 'create', when: 'after', effect: { kind: 'truncate' } }],
    [
      'no answer ever came through',
      { endpoint: 'create', when: 'after', effect: { kind: 'html' }, times: 9 },
    ],
    ['the request was sent twice', { endpoint: 'create', when: 'before', effect: { kind: 'repeat' } }],
    ['a proxy failed once', { endpoint: 'create', when: 'before', effect: { kind: 'html', status: 504 } }],
    [
      'the node was killed before it did anything',
      { endpoint: 'create', when: 'before', effect: { kind: 'crash', memory: 'lost' } },
    ],
    [
      'the node was killed after it had credited it',
      { endpoint: 'create', when: 'after', effect: { kind: 'crash', memory: 'lost' } },
    ],
    [
      'the node does not know that it credited it',
      { endpoint: 'create', when: 'after', effect: refusal(500, 'token_consumed', 'cashu_token_consumed') },
    ],
    [
      'its mint was away for a moment',
      {
        endpoint: 'create',
        when: 'before',
        effect: refusal(503, 'mint_unreachable', 'cashu_source_mint_unreachable'),
      },
    ],
  ];
  for (const [what, fault] of passing) {
    test(`when ${what}`, async () => {
      await begin();
      world.node.faults.add(fault);
      const prepared = await world.prepare('r1');
      expect(prepared.state).toBe('ready');
      world.node.faults.clear();
      expect((await call(prepared)).status).toBe(200);
      expect(await world.finalize('r1')).toMatchObject({ spent: 1, budget: 2000 });
      await expectAllHome(world);
    });
  }

  test('when the answer came too late the first time', async () => {
    await begin({ timeouts: { create: 300 } });
    world.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'hold' } });
    expect((await world.prepare('r1')).state).toBe('ready');
    await world.finalize('r1');
    await expectAllHome(world);
  });

  test('at a node so old that it knows GET alone, and only the old prefix', async () => {
    await begin({ node: { profile: 'legacy' } });
    const prepared = await world.prepare('r1');
    await call(prepared);
    await world.finalize('r1');
    await expectAllHome(world);
  });
});

test('the mint is away when the node has refused: the token is taken back when it is there again', async () => {
  await begin({
    provider: {
      onCheckpoint: (checkpoint) => {
        if (checkpoint === 'run:token_issued') void world.mint.goDown();
      },
    },
  });
  const prepared = await world.prepare('r1');
  expect(refusalOf(prepared)).toMatchObject({ kind: 'not_credited', money: { state: 'coming' } });
  expect(await world.finalize('r1')).toBeUndefined();
  expect(world.state('r1')).toBe('reclaim');
  await world.later(minute);
  expect(world.state('r1')).toBe('reclaim');
  expect(world.news).toEqual([]);
  world.mint.comeUp();
  await world.later(10 * minute);
  expect(world.state('r1')).toBe('settled');
  expect(world.told()).toEqual(['r1 settled']);
  await expectAllHome(world);
});

test('the mint has the token in the middle of something: whose it is is waited for', async () => {
  await begin();
  const refused = refusal(400, 'token_already_spent', 'cashu_token_already_spent');
  world.node.faults.add({ endpoint: 'create', when: 'before', effect: refused });
  const edit = (body: string): string => body.replaceAll('UNSPENT', 'PENDING');
  world.mint.faults.add({ path: '/v1/checkstate', when: 'after', effect: { kind: 'edit', edit }, times: 3 });
  expect(refusalOf(await world.prepare('r1'))).toMatchObject({ money: { state: 'coming' } });
  await world.finalize('r1');
  expect(world.state('r1')).toBe('reclaim');
  await world.later(minute);
  expect(world.state('r1')).toBe('reclaim');
  expect(world.news).toEqual([]);
  await world.later(10 * minute);
  expect(world.told()).toEqual(['r1 settled']);
  await expectAllHome(world);
});

test('a node that redeemed the token and was killed before it credited it is remembered for its operator', async () => {
  await begin();
  world.node.faults.add({ endpoint: 'create', when: 'between', effect: { kind: 'crash', memory: 'lost' } });
  expect((await world.prepare('r1')).state).toBe('refused');
  await world.finalize('r1');
  expect(world.state('r1')).toBe('reclaim');
  await world.later(5 * minute);
  expect(world.news).toEqual([]);
  await world.later(6 * minute);
  expect(world.state('r1')).toBe('needs_operator');
  expect(world.news).toMatchObject([{ id: 'r1', body: { trouble: 'not_credited' } }]);
  expect(world.provider().owed()).toMatchObject({ doubtful: 1 });
  // Asked once a day, told once.
  const before = world.node.requests.length;
  for (let hours = 0; hours < 48; hours += 6) await world.later(6 * 60 * minute);
  expect(world.node.requests.length - before).toBe(2);
  expect(world.news).toHaveLength(1);
  expect(world.provider().paidRuns.evidence('r1').length).toBeGreaterThan(3);
});

test('stopped while the token is on its way: the run is not started, and whoever has the money, it comes home', async () => {
  await begin();
  world.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'hold' } });
  const stop = new AbortController();
  const prepared = world.provider().prepareRun(world.ticket('r1'), stop.signal);
  await until(() => world.node.faults.holding() === 1, 'the token is with the node');
  stop.abort('stopped');
  await expect(prepared).rejects.toBe('stopped');
  world.node.faults.release();
  expect(await world.finalize('r1')).toMatchObject({ spent: 0, budget: 2000 });
  expect(world.outcomes('r1', 'refund')).toEqual(['token']);
  await expectAllHome(world);
});

test('a node that swaps from another mint takes its fees, and gives change there: it waits until that mint is accepted', async () => {
  const other = startSandboxMint({ feePpk: 0 });
  await begin({ node: { mints: [other.url] } });
  try {
    await world.prepare('r1');
    await world.finalize('r1');
    expect(world.state('r1')).toBe('needs_operator');
    await world.provider().lookAfter(soon());
    expect(world.news).toMatchObject([{ body: { trouble: 'change_mint', detail: readMintUrl(other.url) } }]);
    // Owed by the node: what the token says of its worth is that mint's word alone.
    expect(world.provider().owed().due).toBeGreaterThan(1900);
    expect(world.wallet().balance().incoming).toBe(sat(0));
    world.wallet().addMint(other.url);
    await world.later(24 * 60 * minute);
    expect(world.state('r1')).toBe('settled');
    const { budget, refund, spent, fee } = lastEntry(world);
    expect(spent).toBe(sat(0));
    expect(fee).toBeGreaterThan(20);
    expect(budget).toBe(sat(refund + fee));
    expect(world.wallet().balance().mints).toContainEqual(
      expect.objectContaining({ mint: readMintUrl(other.url), ready: refund }),
    );
    expect(world.news).toHaveLength(2);
  } finally {
    await other.stop();
  }
});

test('a node that takes the token for a fraction of its worth runs nothing, and owes all of it', async () => {
  await begin({
    nodes: {
      at: (url) => {
        const node = createNodeClient(url);
        const create: typeof node.create = async (token, signal) => {
          const outcome = await node.create(token, signal);
          return outcome.state === 'credited' ? { ...outcome, balanceMsat: 100_000 } : outcome;
        };
        return { ...node, create };
      },
    },
  });
  expect(refusalOf(await world.prepare('r1'))).toMatchObject({
    ...{ kind: 'credited_short', amount: 2000, creditedMsat: 100_000 },
  });
  await world.finalize('r1');
  expect(world.provider().owed()).toMatchObject({ doubtful: 0 });
  expect(world.state('r1')).toBe('settled');
  await expectAllHome(world);
});
