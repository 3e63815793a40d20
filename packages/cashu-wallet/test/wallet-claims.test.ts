/* Who gave a token away learns that it was claimed: from the mint where it tells, else by asking with growing pauses. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type Bench, count, createBench, fund, soon, stranger } from './support/wallet-kit.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.end());

const asks = (mint: SandboxMint): number => count(mint, '/v1/checkstate');

async function world(webSocket: boolean, policy = {}, clock?: { now: () => number }) {
  const mint = bench.mint({ webSocket, feePpk: 100 });
  const wallet = bench.wallet(mint, {
    policy: { claimPollMs: 5, ...policy },
    ...(clock === undefined ? {} : { clock }),
  });
  await fund(wallet, 1000);
  const give = async (amount: number) => {
    const { operation } = await wallet.send({ amount: sat(amount) }, soon());
    return { operation, token: wallet.handOver(operation, 'somebody') };
  };
  const watch = (...tokens: readonly { operation: Awaited<ReturnType<typeof give>>['operation'] }[]) =>
    wallet.watchClaims(
      wallet.info().defaultMint,
      tokens.map(({ operation }) => operation),
      soon(),
    );
  return { mint, wallet, give, watch };
}

describe.each([true, false])('with NUT-17: %p', (webSocket) => {
  test('the one that is claimed ends the waiting, the other stays out', async () => {
    // With a socket nothing is asked again for a minute.
    const { mint, wallet, give, watch } = await world(webSocket, { claimPollMs: 20 });
    const [one, other] = [await give(100), await give(200)];
    const watching = watch(one, other);
    await until(() => asks(mint) > 0, 'the first look');
    await (await stranger(mint)).redeem(other.token);
    await watching;
    expect(wallet.operation(other.operation)).toMatchObject({ state: 'claimed' });
    expect(wallet.operation(one.operation)).toMatchObject({ state: 'handed_over' });
    expect(wallet.balance().sent).toBeGreaterThanOrEqual(100);
    expect(wallet.balance().sent).toBeLessThan(110);
  });

  test('one that was claimed before anybody watched is known at once', async () => {
    const { mint, wallet, give, watch } = await world(webSocket);
    const one = await give(100);
    await (await stranger(mint)).redeem(one.token);
    await watch(one);
    expect(wallet.operation(one.operation)).toMatchObject({ state: 'claimed' });
  });

  test('one that is taken back ends the waiting, and is not called claimed', async () => {
    const { mint, wallet, give, watch } = await world(webSocket);
    const one = await give(100);
    const watching = watch(one);
    await until(() => asks(mint) > 0, 'the first look');
    await wallet.reclaim(one.operation, soon());
    await watching;
    expect(wallet.operation(one.operation)).toMatchObject({ state: 'reclaimed' });
  });
});

test('a mint that is away for a while, and one whose socket breaks: it is known all the same', async () => {
  const { mint, wallet, give, watch } = await world(true);
  const one = await give(100);
  const watching = watch(one);
  await until(() => asks(mint) > 0, 'the first look');
  await (await stranger(mint)).redeem(one.token);
  await watching;
  expect(wallet.operation(one.operation)).toMatchObject({ state: 'claimed' });
  const other = await give(50);
  mint.faults.add({ path: '/v1/checkstate', when: 'before', effect: { kind: 'status', status: 500 } });
  const leaving = new AbortController();
  const failing = wallet.watchClaims(wallet.info().defaultMint, [other.operation], leaving.signal);
  await until(() => asks(mint) > 2, 'asked in vain');
  leaving.abort();
  await expect(failing).rejects.toThrow();
  await (await stranger(mint)).redeem(other.token);
  await watch(other);
  expect(wallet.operation(other.operation)).toMatchObject({ state: 'claimed' });
});

test('pauses are a part of the token’s age: after a day it is asked about once an hour, not every second', async () => {
  let now = Date.now();
  const { mint, give, wallet } = await world(false, {}, { now: () => now });
  const one = await give(100);
  now += 86_400_000;
  const before = asks(mint);
  const leaving = new AbortController();
  const watching = wallet.watchClaims(wallet.info().defaultMint, [one.operation], leaving.signal);
  await until(() => asks(mint) === before + 1, 'the one look');
  // Longer than many of the pauses that a fresh one would have.
  for (let n = 0; n < 100; n += 1) await (await fetch(`${mint.url}/v1/info`)).text();
  expect(asks(mint)).toBe(before + 1);
  leaving.abort();
  await expect(watching).rejects.toThrow();
});
