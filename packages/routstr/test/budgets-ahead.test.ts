/** A budget that is there before its run: made once, used once, and nobody's loss when it is not used. */
import { afterEach, describe, expect, test } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { addSat, sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { type NodeUrl, parseNodeUrl } from '../src/node/node-url.ts';
import {
  call,
  expectAllHome,
  type PaidWorld,
  type PaidWorldOptions,
  sonnetPrice,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
afterEach(() => world.end());

/** A bot with a warm server of ada's. */
async function warm(options: PaidWorldOptions = {}) {
  world = await startPaidWorld(options);
  const release = world.provider().keepBudgetFor('ada');
  await made();
  return { release };
}
/** A question to it may cost 2,500 sat. */
const model = {
  ...{ id: 'claude-sonnet-4.5', sat: { ...sonnetPrice.sat, completion: 2.4 }, usd: sonnetPrice.usd },
  ...{ limit: { context: 200_000, output: 16_384 }, reasoning: false },
};
const ahead = (): number => addSat(...world.provider().madeAhead().values());
const made = () => until(() => ahead() > 0, 'a budget is made ahead');
const gone = () => until(() => ahead() === 0 && world.wallet().balance().sent === 0, 'it is back');
const swaps = (): number => world.mint.requests.filter((line) => line === 'POST /v1/swap').length;
const unused = (): number =>
  world
    .wallet()
    .operations({ limit: 20, unfinished: true })
    .filter(({ note }) => note === 'a budget for the next run').length;
const paid = async (runId: string, budget?: number): Promise<void> => {
  const prepared = await world.prepare(runId, budget === undefined ? {} : { budget });
  expect(prepared.state).toBe('ready');
  await call(prepared);
  await world.finalize(runId);
};

describe('a budget that is made ahead', () => {
  test('is the next run’s: nothing but the node is asked then, and nothing more than ever in all', async () => {
    const { release } = await warm();
    expect(world.wallet().balance()).toMatchObject({ sent: ahead() });
    expect(world.provider().owed()).toMatchObject({ running: 0, runs: 0, due: 0 });
    expect(world.provider().usedSince(0)).toBe(sat(0));
    expect(world.wallet().ledger.latest(10)).toEqual([]);
    const before = { swaps: swaps(), node: world.node.requests.length };
    const prepared = await world.prepare('r1');
    expect(prepared.state).toBe('ready');
    // The node's own, when it redeems the token.
    expect(swaps() - before.swaps).toBe(1);
    expect(world.provider().owed()).toMatchObject({ running: 2000, runs: 1 });
    await call(prepared);
    await world.finalize('r1');
    await made();
    expect(world.node.requests.slice(before.node).filter((line) => line.startsWith('POST'))).toEqual([
      'POST /v1/balance/create',
      'POST /v1/chat/completions',
      'POST /v1/balance/refund',
    ]);
    // The node's two, ours for the change, and the next budget's.
    expect(swaps() - before.swaps).toBe(4);
    expect(world.wallet().ledger.latest(10)).toMatchObject([
      { state: 'settled', promptPrefix: expect.stringMatching(/^write hello/) },
    ]);
    release();
    await gone();
    expect(world.news).toEqual([]);
    await expectAllHome(world);
  });

  test('of another size, or for another node, than what is asked for is no use: it is made anew', async () => {
    const { release } = await warm();
    await paid('r1', 500);
    expect(ahead()).toBeGreaterThan(2000);
    world.settings.budget = sat(300);
    await paid('r2');
    await until(() => ahead() > 0 && ahead() < 400, 'the new one is of the new size');
    release();
    await gone();
    await expectAllHome(world);
  });

  test('is back in the wallet when it is asked for its money, and stays there for a while', async () => {
    await warm();
    await world.provider().freeBudgets(soon());
    expect(world.wallet().balance()).toMatchObject({ sent: 0, reserved: 0 });
    expect(world.wallet().balance().ready).toBeGreaterThan(9990);
    await paid('r1');
    expect(ahead()).toBe(0);
    world.clock.offset += 11 * 60_000;
    await paid('r2');
    await made();
    // Nobody is told of money that nobody missed.
    expect(world.news).toEqual([]);
    await world.provider().freeBudgets(soon());
    await expectAllHome(world);
  });

  test('goes back when it is not used in time, when the bot ends, and when it was killed', async () => {
    await warm({ provider: { waits: { present: [5, 5], settle: [5, 5], ahead: 100 } } });
    await gone();
    world.provider().keepBudgetFor('ada');
    await made();
    expect(await world.restart()).toEqual([]);
    expect(world.wallet().balance()).toMatchObject({ sent: 0 });
    world.provider().keepBudgetFor('ada');
    await made();
    world.mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'status', status: 503 } });
    await world.restart();
    await world.later(120_000);
    await gone();
    expect(world.news).toEqual([]);
    await expectAllHome(world);
  });

  test('is back when the bot ends, be it that its server ends with it, or that it is being made', async () => {
    const { release } = await warm();
    /** The mint begins to do what it is asked once the bot has begun to end. */
    const endWith = async (begin: () => void): Promise<void> => {
      const at = { asked: false, ending: false };
      const isLet = (): boolean => {
        at.asked = true;
        return at.ending;
      };
      world.mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'wait', until: isLet } });
      begin();
      await until(() => at.asked, 'it is asked');
      const ended = world.provider().close();
      at.ending = true;
      await ended;
      expect(world.wallet().balance()).toMatchObject({ sent: 0, reserved: 0 });
    };
    await endWith(release);
    await world.restart();
    await endWith(() => void world.provider().keepBudgetFor('ada'));
    await expectAllHome(world);
  });

  test('of one owner is given back when another’s run needs the money; it counts for no limit', async () => {
    await warm({ funds: 4100 });
    world.settings.limit = sat(4050);
    const bob = await world.prepare('r1', { owner: 'bob' });
    expect(bob.state).toBe('ready');
    const carol = await world.prepare('r2', { owner: 'carol' });
    expect(carol.state).toBe('ready');
    expect(ahead()).toBe(0);
    await world.finalize('r1');
    await world.finalize('r2');
    await expectAllHome(world);
  });

  test('is money for whatever has to be paid at once: more for a run, a question, a deposit, a run at another node', async () => {
    // Two budgets and a little: beside the one that is set aside there is not enough for another one.
    const beside = 4060;
    await warm({ funds: beside, nodes: { fallbacks: () => others } });
    const others: NodeUrl[] = [];
    expect((await world.prepare('r1')).state).toBe('ready');
    expect(ahead()).toBe(0);
    await world.finalize('r1');
    const setAside = async (): Promise<void> => {
      world.clock.offset += 11 * 60_000;
      world.provider().keepBudgetFor('ada')();
      world.provider().keepBudgetFor('ada');
      await made();
    };

    await setAside();
    const small = await world.prepare('r2', { owner: 'bob', budget: 100 });
    expect(small.state).toBe('ready');
    expect(ahead()).toBeGreaterThan(0);
    expect(await world.more('r2', 2500)).toMatchObject({ state: 'added' });
    expect(ahead()).toBe(0);
    await world.finalize('r2');

    await setAside();
    const question = { key: 'q', owner: 'bob', question: 'How far is the moon?', model };
    expect(await world.provider().quick(question, soon())).toMatchObject({ state: 'answered' });
    expect(ahead()).toBe(0);

    await setAside();
    const bobs = { amount: sat(2500), key: 'd', owner: 'bob' };
    expect(await world.provider().account.deposit(bobs, soon())).toMatchObject({ state: 'deposited' });
    expect(ahead()).toBe(0);
    await world.provider().account.refund(soon());

    await setAside();
    const upstream = { baseUrl: world.upstream.baseUrl };
    const other = startSandboxNode({ mints: [world.mint.url], upstream, clock: world.clock });
    others.push(parseNodeUrl(other.url));
    world.node.crash();
    expect((await world.prepare('r3', { owner: 'bob', budget: 2500 })).state).toBe('ready');
    expect(ahead()).toBe(0);
    await world.finalize('r3');
    await other.stop();
    expect(world.wallet().balance()).toMatchObject({ reserved: 0, sent: 0 });
  });

  test('is one for each owner at the most: none is made while an earlier one is not back', async () => {
    const { release } = await warm();
    await world.mint.goDown();
    await world.provider().freeBudgets(soon());
    expect(ahead()).toBe(0);
    world.mint.comeUp();
    world.clock.offset += 11 * 60_000;
    expect(unused()).toBe(1);
    world.provider().keepBudgetFor('ada')();
    await paid('r1');
    expect(ahead()).toBe(0);
    await world.later(120_000);
    expect(unused()).toBe(0);
    await paid('r2');
    await made();
    release();
    await gone();
    await expectAllHome(world);
  });

  test('is not made where there is not as much left for others, nor twice', async () => {
    world = await startPaidWorld({ funds: 3900 });
    const ends = [world.provider().keepBudgetFor('ada'), world.provider().keepBudgetFor('ada')];
    await paid('r1');
    expect(ahead()).toBe(0);
    expect(world.wallet().balance()).toMatchObject({ sent: 0 });
    for (const end of ends) end();
    await expectAllHome(world);
  });

  test('that its owner takes back by hand is not handed to a node', async () => {
    const { release } = await warm();
    const [made] = world.wallet().operations({ limit: 10, unfinished: true });
    expect(made?.note).toBe('a budget for the next run');
    if (made) await world.wallet().reclaim(made.operation, soon());
    await paid('r1');
    release();
    await gone();
    expect(world.wallet().balance()).toMatchObject({ sent: 0, reserved: 0, incoming: 0 });
    expect(world.provider().paidRuns.open()).toEqual([]);
  });
});
