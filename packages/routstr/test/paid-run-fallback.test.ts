/** A run whose node is down before it begins goes to another one; its money is never at two of them (fallback-nodes.ts). */

import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { createVictims } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash';
import { quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { type SandboxNode, sandboxModels, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { createNodeClient, defaultTimeouts } from '../src/node/node-client.ts';
import { createNodeInfoCache } from '../src/node/node-info-cache.ts';
import { parseNodeUrl } from '../src/node/node-url.ts';
import type { PreparedPaidRun } from '../src/paid-run/run-ticket.ts';
import {
  asked,
  call,
  type PaidWorld,
  type PaidWorldOptions,
  refusalOf,
  startPaidWorld,
} from './support/paid-world.ts';
import type { ProviderCrashOrder } from './support/provider-crash-child.ts';

let world: PaidWorld;
let others: SandboxNode[] = [];
afterEach(async () => {
  await world.end();
  for (const node of others.splice(0)) await node.stop();
});

/** Prices so many times those of the others. */
const dearer = (factor: number) =>
  sandboxModels.map((model) => ({
    ...model,
    price: { prompt: model.price.prompt * factor, completion: model.price.completion * factor },
  }));
const withoutSonnet = sandboxModels.filter(({ id }) => !id.includes('sonnet'));

/** A paid world with two more nodes at the same mint, the first of them twice as dear as the second. */
async function begin(
  options: PaidWorldOptions & {
    readonly settings?: readonly Parameters<typeof startSandboxNode>[0]['models'][];
  } = {},
): Promise<readonly [SandboxNode, SandboxNode]> {
  const nodes: SandboxNode[] = [];
  const fallbacks: PaidWorldOptions['nodes'] = {
    fallbacks: () => nodes.map(({ url }) => parseNodeUrl(url)),
    ask: (url, signal) => cache.ask(url, signal),
  };
  world = await startPaidWorld({ ...options, nodes: { ...fallbacks, ...options.nodes } });
  const cache = createNodeInfoCache({
    path: `${world.directory}/nodes.json`,
    nodeAt: (url) => createNodeClient(url, { ...defaultTimeouts, ...options.timeouts }),
    clock: world.clock,
    log: quiet,
  });
  const [dear = dearer(2), cheap = dearer(1)] = options.settings ?? [];
  for (const models of [dear, cheap]) {
    const upstream = { baseUrl: world.upstream.baseUrl };
    nodes.push(startSandboxNode({ mints: [world.mint.url], upstream, models, clock: world.clock }));
  }
  others = nodes;
  const [first, second] = nodes;
  if (!first || !second) throw new Error('no nodes');
  return [first, second];
}
const at = (node: SandboxNode): string => `${node.url}/v1`;
/** It serves the run because the first one is down. */
const expectServedBy = (prepared: PreparedPaidRun, node: SandboxNode): void =>
  expect(prepared).toMatchObject({ state: 'ready', node: at(node), insteadOf: at(world.node) });

/** Nothing is anywhere else, no node has any of it, and each line of the ledger adds up. */
async function expectHome(): Promise<void> {
  const wallet = world.wallet();
  const { ready, ...rest } = wallet.balance();
  expect(rest).toMatchObject({ reserved: 0, sent: 0, incoming: 0 });
  const ledger = wallet.ledger.latest(100);
  for (const entry of ledger) {
    expect(entry.state).toBe('settled');
    expect(entry.budget).toBe(sat(entry.spent + entry.refund + entry.fee));
  }
  expect(ready + ledger.reduce((sum, entry) => sum + entry.spent + entry.fee, 0)).toBe(world.funds);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  for (const node of [world.node, ...others]) expect(node.audit()).toMatchObject({ balanced: true });
}

describe('the node is down', () => {
  test('the cheapest other one serves the run, and nothing was sent to the first', async () => {
    const [dear, cheap] = await begin();
    world.node.crash();
    const prepared = await world.prepare('r1');
    expectServedBy(prepared, cheap);
    expect((await call(prepared)).status).toBe(200);
    expect(await world.finalize('r1')).toMatchObject({ budget: 2000 });
    expect(asked(dear, '/create')).toBe(0);
    expect(world.wallet().ledger.latest(10)).toMatchObject([
      { nodeUrl: `${cheap.url}/v1`, state: 'settled' },
    ]);
    await expectHome();
  });

  test('when the cheapest one is down too, it is the next', async () => {
    const [dear, cheap] = await begin();
    world.node.crash();
    cheap.crash();
    expectServedBy(await world.prepare('r1'), dear);
    await world.finalize('r1');
    await expectHome();
  });

  test('a fallback without the model, or whose price is too high for the budget, is passed over', async () => {
    const [dear, unpriced] = await begin({ settings: [dearer(200), withoutSonnet] });
    world.node.crash();
    expect(refusalOf(await world.prepare('r1'))).toEqual({
      kind: 'no_fallback',
      first: { kind: 'node_away', node: at(world.node) },
      others: [
        { url: at(dear), why: 'minimum' },
        { url: at(unpriced), why: 'no_model' },
      ],
    });
    expect(await world.finalize('r1')).toBeUndefined();
    expect(world.wallet().ledger.latest(10)).toEqual([]);
    await expectHome();
  });

  test('a node that is up serves its runs itself, however cheap the others are', async () => {
    const [, cheap] = await begin({ settings: [dearer(1), dearer(0.1)] });
    expect(await world.prepare('r1')).not.toHaveProperty('insteadOf');
    await world.finalize('r1');
    expect(asked(cheap, '/create')).toBe(0);
    await expectHome();
  });
});

describe('the node does not take the budget', () => {
  test('the token is taken back first, and another one made for the next node', async () => {
    const [, cheap] = await begin();
    world.node.faults.add({ endpoint: 'create', when: 'before', effect: { kind: 'html' }, times: 9 });
    const prepared = await world.prepare('r1');
    expectServedBy(prepared, cheap);
    expect((await call(prepared)).status).toBe(200);
    await world.finalize('r1');
    const [second, first] = world.wallet().ledger.latest(10);
    expect(first).toMatchObject({ nodeUrl: `${world.node.url}/v1`, spent: sat(0), state: 'settled' });
    expect(second).toMatchObject({ nodeUrl: `${cheap.url}/v1`, state: 'settled' });
    // The story of the first attempt is kept with it, and is no news.
    expect(world.provider().paidRuns.find('r1~1')?.body.state).toBe('settled');
    expect(world.provider().paidRuns.evidence('r1~1').length).toBeGreaterThan(0);
    await world.later(0);
    expect(world.news).toEqual([]);
    await expectHome();
  });

  test('nothing goes to another node as long as the first may have it', async () => {
    const [dear, cheap] = await begin({ timeouts: { create: 1000, info: 1000 } });
    // It takes the token, and its proxy says that it is down.
    world.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'html' }, times: 9 });
    world.node.faults.add({ endpoint: 'info', when: 'before', effect: { kind: 'html' }, times: 9 });
    expect(refusalOf(await world.prepare('r1'))).toMatchObject({
      kind: 'not_credited',
      money: { state: 'coming' },
    });
    await world.finalize('r1');
    expect([asked(dear, '/create'), asked(cheap, '/create')]).toEqual([0, 0]);
    expect(
      world
        .wallet()
        .operations({ limit: 50 })
        .filter(({ kind }) => kind === 'send'),
    ).toHaveLength(1);
    world.node.faults.clear();
    await world.later(3_600_000);
    expect(world.state('r1')).toBe('settled');
    await expectHome();
  });

  test('without fallbacks it is refused as ever', async () => {
    await begin({
      nodes: { fallbacks: () => [], ask: () => Promise.reject(new Error('asked')) },
    });
    world.node.crash();
    expect(refusalOf(await world.prepare('r1'))).toMatchObject({
      kind: 'not_credited',
      outcome: { state: 'not_sent' },
    });
    await world.finalize('r1');
    await expectHome();
  });
});

test('a node that dies in the middle of a run is not replaced: the run fails, and its money is asked for', async () => {
  const [dear, cheap] = await begin();
  const prepared = await world.prepare('r1');
  world.node.crash();
  expect((await call(prepared)).status).toBeGreaterThanOrEqual(400);
  await world.finalize('r1');
  expect([asked(dear, '/create'), asked(cheap, '/create')]).toEqual([0, 0]);
  expect(world.state('r1')).toBe('refund_due');
  world.node.comeUp();
  await world.later(3_600_000);
  expect(world.state('r1')).toBe('settled');
  await expectHome();
});

describe('killed between two nodes', () => {
  const victims = createVictims<ProviderCrashOrder>(join(import.meta.dir, 'support/provider-crash-child.ts'));
  afterAll(() => victims.end());
  /** The first attempt is refused by its node; the second is at the other one. */
  const points = [
    ['run:settled', 1],
    ['run:created', 2],
    ['run:token_issued', 2],
    ['run:credited', 1],
  ] as const;
  for (const [checkpoint, time] of points) {
    test(`at ${checkpoint}${time === 1 ? '' : ' of the second attempt'}, nothing is lost`, async () => {
      const [, cheap] = await begin();
      world.node.faults.add({ endpoint: 'create', when: 'before', effect: { kind: 'html' }, times: 9 });
      await world.retire();
      const order: ProviderCrashOrder = {
        mint: world.mint.url,
        node: world.node.url,
        fallbacks: [cheap.url],
        directory: world.directory,
        words: world.words,
        killAt: `${checkpoint}#${time}`,
        action: 'run',
      };
      expect(await victims.run(order)).toMatchObject({ killed: true });
      world.node.faults.clear();
      await world.restart();
      await world.later(3_600_000);
      await expectHome();
    });
  }
});
