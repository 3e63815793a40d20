/** A budget that is there before its run: made once, used once, and nobody's loss when it is not used. */
import { afterEach, describe, expect, test } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import {
  call,
  expectAllHome,
  type PaidWorld,
  type PaidWorldOptions,
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
const ahead = (): number => world.provider().madeAhead();
const made = () => until(() => ahead() > 0, 'a budget is made ahead');
const gone = () => until(() => ahead() === 0 && world.wallet().balance().sent === 0, 'it is back');
const swaps = (): number => world.mint.requests.filter((line) => line === 'POST /v1/swap').length;
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
