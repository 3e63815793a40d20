/** A run that a Routstr node serves, when all goes well; and when it does not begin at all. */
import { afterEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import {
  asked,
  call,
  costly,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  type PaidWorldOptions,
  ready,
  refusalOf,
  sonnet,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
const begin = async (options?: PaidWorldOptions): Promise<void> => {
  world = await startPaidWorld(options);
};
afterEach(() => world.end());

describe('a paid run', () => {
  for (const feePpk of [0, 100]) {
    test(`pays from its own budget and brings the change home, at a mint that takes ${feePpk} ppk`, async () => {
      await begin({ mint: { feePpk } });
      const prepared = await world.prepare('r1');
      expect(world.state('r1')).toBe('running');
      expect(ready(prepared).key).toStartWith('cashuB');
      world.upstream.reply({ usage: costly });
      expect((await call(prepared)).status).toBe(200);
      expect<object | undefined>(world.provider().usage('r1')).toEqual({
        spent: 136,
        budget: 2000,
        held: false,
      });
      expect(world.provider().owed()).toMatchObject({ running: 2000, runs: 1, due: 0 });
      expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 2000 });
      expect(lastEntry(world)).toMatchObject({
        provider: 'routstr',
        spent: 136,
        model: 'routstr/claude-sonnet-4.5',
        sessionId: 's1',
        promptPrefix: 'write hello.txt with the text hi',
        nodeUrl: `${world.node.url}/v1`,
      });
      if (feePpk === 0) expect(lastEntry(world)).toMatchObject({ budget: 2000, refund: 1864, fee: 0 });
      expect(world.news).toEqual([]);
      await expectAllHome(world);
    });
  }

  test('costs one swap and one deposit, one refund and one swap, and nothing else', async () => {
    await begin();
    const paid = async (run: string) => {
      const prepared = await world.prepare(run);
      world.upstream.reply({ usage: costly });
      await call(prepared);
      await world.finalize(run);
    };
    await paid('warm');
    const before = { mint: world.mint.requests.length, node: world.node.requests.length };
    const nodeSwaps = 2; // the node's own: redeeming the budget, making the change
    await paid('r1');
    expect(world.node.requests.slice(before.node)).toEqual([
      'POST /v1/balance/create',
      'POST /v1/chat/completions',
      'POST /v1/balance/refund',
    ]);
    const atMint = world.mint.requests.slice(before.mint);
    expect(atMint.filter((line) => line.startsWith('POST'))).toEqual(
      Array.from({ length: 2 + nodeSwaps }, () => 'POST /v1/swap'),
    );
    await expectAllHome(world);
  });

  test('whose agent never called a model costs fees only', async () => {
    await begin();
    await world.prepare('r1');
    expect(await world.finalize('r1')).toMatchObject({ spent: 0, budget: 2000 });
    await expectAllHome(world);
  });

  test('that spent all of its budget is closed by what the node says it spent', async () => {
    await begin();
    const prepared = await world.prepare('r1', { budget: 100 });
    world.upstream.reply({ usage: costly });
    await call(prepared);
    expect(await world.finalize('r1')).toMatchObject({ spent: 100, budget: 100 });
    expect(lastEntry(world)).toMatchObject({ spent: 100, refund: 0 });
    expect(world.outcomes('r1', 'refund')).toEqual(['no_balance']);
    await expectAllHome(world);
  });

  test('that left less than a sat leaves it there', async () => {
    await begin({ mint: { feePpk: 0 } });
    const prepared = await world.prepare('r1', { budget: 136 });
    world.upstream.reply({ usage: costly });
    await call(prepared);
    await world.finalize('r1');
    expect(world.outcomes('r1', 'refund')).toEqual(['too_small']);
    expect(lastEntry(world)).toMatchObject({ spent: 136, refund: 0, fee: 0 });
    await expectAllHome(world);
  });

  test('goes on at the node that it began with, wherever the settings point meanwhile', async () => {
    await begin();
    await world.prepare('r1');
    world.settings.node = 'http://127.0.0.1:1';
    await world.finalize('r1');
    expect(world.state('r1')).toBe('settled');
    await expectAllHome(world);
  });

  test('beside others has money of its own: none is spent twice, all comes back', async () => {
    await begin();
    const runs = ['a', 'b', 'c', 'd'];
    const prepared = await Promise.all(runs.map((run) => world.prepare(run)));
    expect(new Set(prepared.map((each) => ready(each).key)).size).toBe(4);
    await Promise.all(prepared.map((each) => call(each)));
    await Promise.all(runs.map((run) => world.finalize(run)));
    expect(asked(world.node, '/create')).toBe(4);
    await expectAllHome(world);
  });

  test('is finalized twice at once, and refunded once', async () => {
    await begin();
    await world.prepare('r1');
    await Promise.all([world.finalize('r1'), world.finalize('r1')]);
    expect(asked(world.node, '/refund')).toBe(1);
    expect(await world.finalize('r1')).toMatchObject({ spent: 0, budget: 2000 });
    await expectAllHome(world);
  });

  test('whose owner has the answer is waited for by whoever shows money, until its change is home', async () => {
    await begin();
    const prepared = await world.prepare('r1');
    world.upstream.reply({ usage: costly });
    await call(prepared);
    await world.provider().settled();
    world.provider().answered('r1');
    let isShown = false;
    const shown = world
      .provider()
      .settled()
      .then(() => {
        isShown = true;
        expect(lastEntry(world)).toMatchObject({ state: 'settled', spent: 136 });
      });
    await Bun.sleep(5);
    expect(isShown).toBe(false);
    await world.finalize('r1');
    await shown;
    await world.provider().settled();
  });

  test('can spend nothing more once it is over', async () => {
    await begin();
    const prepared = await world.prepare('r1');
    await world.finalize('r1');
    expect((await call(prepared)).status).toBeGreaterThanOrEqual(400);
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('has one budget at stake, however often it is prepared', async () => {
    await begin();
    await world.prepare('r1');
    await expect(world.prepare('r1')).rejects.toThrow('is running');
    expect(asked(world.node, '/create')).toBe(1);
    await world.finalize('r1');
    await expectAllHome(world);
  });
});

describe('a run is refused with the numbers', () => {
  const refusal = async (more: Parameters<PaidWorld['prepare']>[1] = {}) => {
    const prepared = await world.prepare('r1', more);
    expect(await world.finalize('r1')).toBeUndefined();
    expect(world.node.requests).toEqual([]);
    return refusalOf(prepared);
  };

  test('when the wallet has too little', async () => {
    await begin({ funds: 500 });
    expect(await refusal()).toMatchObject({ kind: 'short', have: 500, need: 2000 });
    expect(world.provider().paidRuns.open()).toEqual([]);
  });

  test('when the fees make it too little', async () => {
    await begin({ funds: 2000 });
    const short = await refusal();
    expect(short).toMatchObject({ kind: 'short_with_fees', have: 2000 });
    expect(short).toHaveProperty('need', expect.any(Number));
    expect(world.state('r1')).toBe('void');
    expect(world.wallet().balance().ready).toBe(sat(2000));
    expect(world.wallet().ledger.latest(10)).toEqual([]);
  });

  test('when the budget is less than the model needs', async () => {
    await begin({ rules: { model: () => ({ ...sonnet, minimum: sat(672) }) } });
    expect(await refusal({ budget: 500 })).toEqual({
      ...{ kind: 'below_minimum', budget: 500, minimum: 672, model: 'claude-sonnet-4.5' },
    });
    expect((await world.prepare('r2', { budget: 700 })).state).toBe('ready');
    await world.finalize('r2');
  });

  test('when the day has cost enough, runs under way included', async () => {
    await begin();
    world.settings.limit = sat(5000);
    await world.prepare('a');
    await world.prepare('b');
    const third = await world.prepare('c');
    expect(refusalOf(third)).toMatchObject({ kind: 'day_limit', limit: 5000, budget: 2000 });
    expect(world.provider().usedSince(0)).toBeGreaterThanOrEqual(4000);
    await Promise.all([world.finalize('a'), world.finalize('b')]);
    expect((await world.prepare('d')).state).toBe('ready');
    await world.finalize('d');
    await expectAllHome(world);
  });

  test('when the mint is away', async () => {
    await begin();
    await world.mint.goDown();
    expect(await refusal()).toEqual({ kind: 'mint_away', mint: world.mint.url });
    world.mint.comeUp();
    expect((await world.prepare('r2')).state).toBe('ready');
    await world.finalize('r2');
    await expectAllHome(world);
  });
});
