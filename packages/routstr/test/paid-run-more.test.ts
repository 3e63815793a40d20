/** More money for a run that is under way: it arrives once, or comes back, and is in one run's books. */
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import {
  asked,
  call,
  costly,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  refusalOf,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
afterEach(() => world.end());

const more = (amount = 1000) => world.more('r1', amount);

test('a call that waits for money goes on when there is more, and the agent never notices', async () => {
  world = await startPaidWorld();
  let held = 0;
  const prepared = await world.prepare('r1', {
    budget: 100,
    observer: {
      onHold: () => {
        held += 1;
      },
    },
  });
  world.upstream.reply({ usage: costly });
  await call(prepared);
  const waiting = call(prepared);
  await until(() => held === 1, 'the run waits for money');
  expect(await more()).toEqual({ state: 'added', budget: 1100 });
  expect((await waiting).status).toBe(200);
  expect<number | undefined>(world.provider().usage('r1')?.budget).toBe(1100);
  expect(await world.finalize('r1')).toMatchObject({ budget: 1100 });
  expect(asked(world.node, '/topup')).toBe(1);
  expect(world.wallet().ledger.latest(9)).toHaveLength(1);
  expect(lastEntry(world).budget).toBeGreaterThanOrEqual(1100);
  await expectAllHome(world);
});

test('a top-up whose answer was lost is found at the node', async () => {
  world = await startPaidWorld();
  await world.prepare('r1');
  for (const kind of ['drop', 'html', 'truncate'] as const) {
    world.node.faults.add({ endpoint: 'topup', when: 'after', effect: { kind } });
    expect(await more()).toMatchObject({ state: 'added' });
  }
  expect(await world.finalize('r1')).toMatchObject({ spent: 0, budget: 5000 });
  await expectAllHome(world);
});

test('a top-up that the node did not take is back in the wallet, and the run goes on with what it had', async () => {
  world = await startPaidWorld();
  const prepared = await world.prepare('r1');
  for (const kind of ['drop', 'html'] as const) {
    world.node.faults.add({ endpoint: 'topup', when: 'before', effect: { kind } });
    expect(refusalOf(await more())).toMatchObject({ kind: 'not_credited', money: { state: 'back' } });
  }
  expect((await call(prepared)).status).toBe(200);
  expect(await world.finalize('r1')).toMatchObject({ spent: 1, budget: 2000 });
  expect(world.news).toEqual([]);
  await expectAllHome(world);
});

test('the change is not asked for before it is known where a top-up is', async () => {
  world = await startPaidWorld();
  await world.prepare('r1');
  const port = world.mint;
  world.node.faults.add({
    endpoint: 'topup',
    when: 'before',
    effect: { kind: 'run', run: () => port.goDown() },
  });
  expect(await more()).toMatchObject({ state: 'refused' });
  // Nor is more added: which of the two had arrived could not be told.
  expect(refusalOf(await more())).toEqual({ kind: 'still_adding' });
  await world.finalize('r1');
  expect(world.state('r1')).toBe('refund_due');
  expect(world.state('r1+1')).toBe('reclaim');
  expect(asked(world.node, '/refund')).toBe(0);
  world.mint.comeUp();
  await world.later(600_000);
  await world.later(600_000);
  expect([world.state('r1'), world.state('r1+1')]).toEqual(['settled', 'settled']);
  await expectAllHome(world);
});

test('the bot dies while a top-up is on its way: the next life finds it in the account', async () => {
  world = await startPaidWorld();
  await world.prepare('r1');
  world.node.faults.add({ endpoint: 'topup', when: 'after', effect: { kind: 'hold' } });
  const stop = new AbortController();
  const dying = world.provider().more('r1', sat(1000), stop.signal);
  await until(() => world.node.faults.holding() === 1, 'the node has the top-up');
  stop.abort('interrupted');
  await expect(dying).rejects.toBe('interrupted');
  world.node.faults.release();
  await world.restart();
  expect([world.state('r1'), world.state('r1+1')]).toEqual(['settled', 'merged']);
  expect(lastEntry(world)).toMatchObject({ spent: 0 });
  await expectAllHome(world);
});

test('is refused with the numbers when there is too little, when the day has cost enough, when the run is over', async () => {
  world = await startPaidWorld({ funds: 2500 });
  await world.prepare('r1');
  expect(refusalOf(await more())).toMatchObject({ kind: 'short', need: 1000 });
  world.settings.limit = sat(2100);
  expect(refusalOf(await more(200))).toMatchObject({ kind: 'day_limit', limit: 2100 });
  await world.finalize('r1');
  expect(refusalOf(await more(10))).toEqual({ kind: 'run_over' });
  await expectAllHome(world);
});
