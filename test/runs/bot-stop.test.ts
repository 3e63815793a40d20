/* A run can be stopped, and the bot ended, in every state, whatever does not answer meanwhile. Nothing is lost by it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { type Gate, startGate } from '../support/gate.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';

const startHouse = () => {
  const mint = startSandboxMint({ feePpk: 0, incoming: 'at-once' });
  const upstream = startModel();
  const mintGate = startGate(mint.url);
  const node = startSandboxNode({
    mints: [mintGate.url],
    upstream: { baseUrl: upstream.url, model: 'tiny' },
  });
  const nodeGate = startGate(node.url);
  const stop = async (): Promise<void> => {
    for (const gate of [mintGate, nodeGate]) gate.open();
    for (const part of [node, mint, upstream, mintGate, nodeGate]) await part.stop();
  };
  return { mintGate, nodeGate, stop };
};

let house: ReturnType<typeof startHouse>;
let world: PaidBot;
beforeAll(async () => {
  house = startHouse();
  world = await startPaidBot(
    { mintUrl: house.mintGate.url, nodeUrl: `${house.nodeGate.url}/v1`, model: 'routstr/claude-sonnet-4.5' },
    { opencode: 'paying', funds: 20_000, budget: 700 },
  );
}, 60_000);
afterAll(async () => {
  await world.cleanUp();
  await house.stop();
});

const holds = (gate: Gate) => until(() => gate.held() > 0, 'a request is held');

/** Brings a run into the state; the id of its message. */
const states: readonly (readonly [name: string, enter: () => Promise<string>])[] = [
  [
    'the mint does not answer while its budget is made',
    async () => {
      house.mintGate.shut();
      const id = await world.owner.send('1 calls');
      await holds(house.mintGate);
      return id;
    },
  ],
  [
    'the node does not answer when it is paid',
    async () => {
      house.nodeGate.shut();
      const id = await world.owner.send('1 calls');
      await holds(house.nodeGate);
      return id;
    },
  ],
  [
    'a model call has no end',
    async () => {
      house.nodeGate.shut(/completions/);
      const id = await world.owner.send('1 calls');
      await holds(house.nodeGate);
      return id;
    },
  ],
  [
    'it waits for more money',
    async () => {
      const id = await world.owner.send('300 calls');
      await world.owner.answer(id, /^⏸/, 30_000);
      return id;
    },
  ],
  [
    'the node does not answer when it is asked for the change',
    async () => {
      house.nodeGate.shut(/refund/);
      const id = await world.owner.send('1 calls');
      await holds(house.nodeGate);
      return id;
    },
  ],
];

const settled = async () => {
  house.mintGate.open();
  house.nodeGate.open();
  await until(() => world.openRuns() === 0, 'no run is open', 60_000);
};

describe('a run is stopped within seconds, and answered', () => {
  for (const [name, enter] of states)
    test(`when ${name}`, async () => {
      const id = await enter();
      const waits = await world.owner.send('a task that waits');
      await world.owner.answer(waits, /./);
      const begun = performance.now();
      const stop = await world.owner.send('!stop all');
      await world.owner.answer(stop, /^Stopping 1 task\.\nTook 1 task off the queue/);
      await world.owner.answer(id, /^Stopped|did: 1 calls/, 8_000);
      expect(performance.now() - begun).toBeLessThan(8_000);
      await settled();
    }, 120_000);
});

describe('the bot ends within seconds, in order', () => {
  for (const [name, enter] of states)
    test(`when ${name}`, async () => {
      const id = await enter();
      const begun = performance.now();
      expect(await world.bot.end('SIGTERM')).toBe(0);
      expect(performance.now() - begun).toBeLessThan(14_000);
      expect(world.agents()).toEqual([]);
      house.mintGate.open();
      house.nodeGate.open();
      await world.bot.start();
      // Told before it ended, or when it is back: its time for that is bounded.
      await world.owner.answer(id, /^Interrupted|did: 1 calls/);
      await settled();
    }, 120_000);

  test('when it has not come up yet, because the mint does not answer', async () => {
    house.mintGate.shut();
    await world.owner.send('1 calls');
    await holds(house.mintGate);
    await world.bot.end('SIGKILL');
    house.mintGate.shut();
    const starting = world.bot.start().catch(() => undefined);
    await holds(house.mintGate);
    expect(await world.bot.end('SIGTERM')).toBe(0);
    await starting;
    house.mintGate.open();
    await world.bot.start();
    await settled();
  }, 120_000);
});
