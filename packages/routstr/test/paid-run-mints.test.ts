/** A budget is made at a mint that its node lists, named as the node names it (mint-match.ts). */
import { afterEach, describe, expect, test } from 'bun:test';
import { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import { quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createSandboxNetwork, type SandboxMint, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { createNodeClient } from '../src/node/node-client.ts';
import { createNodeInfoCache, type NodeInfoCache } from '../src/node/node-info-cache.ts';
import { parseNodeUrl } from '../src/node/node-url.ts';
import { asked, call, day, type PaidWorld, refusalOf, startPaidWorld } from './support/paid-world.ts';

let world: PaidWorld;
let other: SandboxMint;
let cache: NodeInfoCache;
/** The node reads its list at each request; it is filled once the mints have their ports. */
let listed: string[] = [];
afterEach(async () => {
  await cache.close();
  await world.end();
  await other.stop();
});

/** A wallet with `funds` at its default mint and `there` at another one; the node lists what `listed` makes of the two. */
async function begin(options: {
  readonly listed: (main: string, other: string) => readonly string[];
  readonly funds?: number;
  readonly there?: number;
}): Promise<void> {
  const network = createSandboxNetwork();
  other = startSandboxMint({ network });
  listed = [];
  world = await startPaidWorld({
    mint: { network },
    funds: options.funds ?? 10_000,
    wallet: { mints: [readMintUrl(other.url)] },
    node: { mints: listed, behaviour: { foreignMints: 'reject' } },
    nodes: {
      mintsOf: (url) => cache.known(url)?.mints,
      ask: (url, signal) => cache.ask(url, signal),
    },
  });
  listed.push(...options.listed(world.mint.url, other.url));
  cache = createNodeInfoCache({
    path: `${world.directory}/nodes.json`,
    nodeAt: createNodeClient,
    clock: world.clock,
    log: quiet,
  });
  if (options.there !== undefined) {
    const { operation } = await world
      .wallet()
      .topUp({ amount: sat(options.there), mint: readMintUrl(other.url) }, soon());
    await world.wallet().watchTopUp(operation, soon());
  }
  // From now on somebody has to pay.
  other.lightning.incoming = 'on-demand';
}
const here = () => parseNodeUrl(world.node.url);
const learn = () => cache.ask(here(), soon());
const readyAt = (mint: { readonly url: string }): number =>
  world
    .wallet()
    .balance()
    .mints.find((part) => part.mint === mint.url)?.ready ?? 0;
async function expectServed(): Promise<void> {
  const prepared = await world.prepare('r1');
  expect((await call(prepared)).status).toBe(200);
  expect(await world.finalize('r1')).toMatchObject({ budget: 2000 });
  expect(world.state('r1')).toBe('settled');
}

describe('budgets that are made ahead', () => {
  const prepare = (runId: string, owner: string) => world.prepare(runId, { owner });
  const ahead = () => world.provider().madeAhead();
  const aheadAt = async (...mints: readonly { readonly url: string }[]): Promise<void> => {
    const wanted = mints.map(({ url }) => url).toSorted();
    const isSo = () => Bun.deepEquals([...ahead().keys()].toSorted(), wanted as unknown[]);
    await until(isSo, `budgets at ${wanted.join(', ')}`);
  };

  test('of two owners lie at two mints, and each pays with theirs; with another list theirs is made anew', async () => {
    await begin({ listed: (first, second) => [first, second], funds: 4100, there: 6200 });
    await learn();
    const ends = ['ada', 'bob'].map((owner) => world.provider().keepBudgetFor(owner));
    await aheadAt(world.mint, other);
    expect([...ahead().values()].map(Number).every((face) => face >= 2000 && face < 2010)).toBe(true);
    // What is at stake: a run of each, and nothing more until they are over.
    expect((await prepare('a1', 'ada')).state).toBe('ready');
    expect((await prepare('b1', 'bob')).state).toBe('ready');
    expect(ahead().size).toBe(0);
    // Beside them there is money at the one mint, and at the other one.
    expect((await prepare('c1', 'carol')).state).toBe('ready');
    expect((await prepare('c2', 'carol')).state).toBe('ready');
    for (const run of ['c1', 'c2', 'a1', 'b1']) await world.finalize(run);
    const total = () => [...ahead().values()].reduce((sum, face) => sum + face, 0);
    await until(() => total() > 4000, 'the next ones of both are made');

    // From now on the node takes the other mint alone: hers is of no use, and she pays all the same.
    listed.splice(0, 2, other.url);
    await learn();
    expect((await prepare('a2', 'ada')).state).toBe('ready');
    await world.finalize('a2');
    await until(() => !ahead().has(readMintUrl(world.mint.url)), 'what is of no use is back');
    for (const end of ends) end();
    await until(() => ahead().size === 0 && world.wallet().balance().sent === 0, 'all is back');
    expect(await world.wallet().check(soon())).toMatchObject({ consistent: true, problems: [] });
  });
});

describe('a run is paid', () => {
  test('from the mint that the node lists, when the default one is another', async () => {
    await begin({ listed: (_, second) => [second], there: 5000 });
    await learn();
    await expectServed();
    expect(readyAt(world.mint)).toBe(10_000);
    expect(readyAt(other)).toBeLessThan(5000);
    expect(readyAt(other)).toBeGreaterThan(4900);
  });

  test('from the listed mint that has enough, when the default one is listed and has too little', async () => {
    await begin({ listed: (first, second) => [first, second], funds: 500, there: 5000 });
    await learn();
    await expectServed();
    expect(readyAt(world.mint)).toBe(500);
  });

  test('with a token that names the mint as the node does', async () => {
    // The node compares texts: with a slash at the end, the wallet's own address is another mint for it.
    await begin({ listed: (first) => [`${first}/`] });
    await learn();
    await expectServed();
  });

  test('from the default mint as long as nobody knows what the node lists', async () => {
    await begin({ listed: (first, second) => [second, first], there: 5000 });
    expect((await world.prepare('r1')).state).toBe('ready');
    await world.finalize('r1');
    expect(readyAt(other)).toBe(5000);
    expect(readyAt(world.mint)).toBeLessThan(10_000);
  });
});

describe('a run is refused', () => {
  test('when the money is at another mint, with the move that brings it there', async () => {
    await begin({ listed: (_, second) => [second], there: 300 });
    await learn();
    const prepared = await world.prepare('r1');
    await world.finalize('r1');
    const wallet = world.wallet();
    const to = readMintUrl(other.url);
    const refusal = prepared.state === 'refused' ? prepared.refusal : undefined;
    expect(refusal).toMatchObject({ kind: 'elsewhere', have: 300, need: 2000, mint: to });
    if (refusal?.kind !== 'elsewhere') throw new Error('it is not elsewhere');
    const quote = await wallet.quoteMove({ amount: refusal.move, to }, soon());
    const operations = { withdrawal: quote.withdrawal.operation, topUp: quote.topUp.operation };
    expect(await wallet.move(operations, soon())).toMatchObject({ state: 'moved' });
    await world.prepare('r2');
    expect(world.state('r2')).toBe('running');
    await world.finalize('r2');
  });

  test('when no mint that the node lists has enough, with the way to fill it', async () => {
    await begin({ listed: (_, second) => [second], funds: 500, there: 300 });
    await learn();
    expect(refusalOf(await world.prepare('r1'))).toEqual({
      ...{ kind: 'short', have: 300, need: 2000, mint: readMintUrl(other.url) },
    });
    await world.finalize('r1');
  });

  test('when the node lists none of ours, with the ways on', async () => {
    await begin({ listed: () => ['https://mint.elsewhere.example/Bitcoin'] });
    await learn();
    expect(refusalOf(await world.prepare('r1'))).toMatchObject({ kind: 'no_common_mint', listed });
    await world.finalize('r1');
    expect(asked(world.node, '/create')).toBe(0);
  });
});

describe('what a node says of itself', () => {
  test('is asked for again when it does not take what it listed', async () => {
    await begin({ listed: (first) => [first], there: 5000 });
    await learn();
    listed.splice(0, 1, other.url);
    expect(refusalOf(await world.prepare('r0'))).toMatchObject({ outcome: { reason: 'mint_not_trusted' } });
    await world.finalize('r0');
    await expectServed();
    expect(readyAt(other)).toBeLessThan(5000);
  });

  test('is asked for behind, once, and again after a day; a run never waits for it', async () => {
    await begin({ listed: (first) => [first] });
    expect(cache.known(here())).toBeUndefined();
    cache.known(here());
    await until(() => cache.known(here()) !== undefined, 'the node has answered');
    expect(asked(world.node, '/v1/info')).toBe(1);
    await expectServed();
    expect(asked(world.node, '/v1/info')).toBe(1);
    world.clock.offset += day + 1;
    expect(cache.known(here())?.mints).toEqual([world.mint.url]);
    await until(() => asked(world.node, '/v1/info') === 2, 'it is asked again');
  });

  test('outlives a restart, and a damaged file is no harm', async () => {
    await begin({ listed: (first) => [first] });
    await learn();
    world.node.crash();
    const path = `${world.directory}/nodes.json`;
    const another = () =>
      createNodeInfoCache({ path, nodeAt: createNodeClient, clock: world.clock, log: quiet });
    const again = another();
    expect(again.known(here())?.mints).toEqual([world.mint.url]);
    await again.close();
    await Bun.write(path, '{"version":1,"nodes":{"http');
    const damaged = another();
    expect(damaged.known(here())).toBeUndefined();
    await damaged.close();
  });
});
