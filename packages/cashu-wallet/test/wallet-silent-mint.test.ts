/** A mint that accepts connections and never answers holds up nobody but itself, and itself not for long. */
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { readMintUrl } from '../src/mints/mint-list.ts';
import { UnfinishedOperationError } from '../src/wallet-errors.ts';
import { silentMint, tokenThatNobodyReads } from './support/silent-mint.ts';
import { createBench, fund, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
const ends: (() => void)[] = [];
afterEach(async () => {
  await bench.end();
  for (const end of ends.splice(0)) end();
});

async function ready(timeoutMs: number) {
  const healthy = bench.mint();
  const silent = silentMint();
  ends.push(silent.end);
  const wallet = bench.wallet(healthy, {
    mints: [readMintUrl(silent.url)],
    limits: { timeoutMs, meltTimeoutMs: timeoutMs },
  });
  await fund(wallet, 100);
  for (let n = 0; n < 5; n += 1) wallet.keep(tokenThatNobodyReads(silent.url, n), 'node');
  return { healthy, silent, wallet };
}

test('five kept tokens of it: the money of other mints is put in order at once', async () => {
  const { healthy, silent, wallet } = await ready(60_000);
  const redeemed: number[] = [];
  wallet.onRedeemed(({ received }) => {
    redeemed.push(received.amount);
  });
  wallet.keep(await (await stranger(healthy)).token(50), 'node');
  const leaving = new AbortController();
  const recovery = wallet.recover(leaving.signal).catch((error: unknown) => error);
  await until(() => silent.connections() > 0, 'the silent mint is asked');
  await until(() => redeemed.length === 1, 'the token of the other mint is redeemed');
  expect(await wallet.send({ amount: sat(10) }, soon())).toMatchObject({ amount: sat(10) });
  leaving.abort(new Error('stop'));
  expect(await recovery).toEqual(new Error('stop'));
});

test('it is asked once in a pass, and not again before its time', async () => {
  const { silent, wallet } = await ready(300);
  await wallet.recover(soon());
  const { connections } = silent;
  // What opening a mint takes: its info, its keysets and its keys.
  expect(connections()).toBeLessThanOrEqual(3);
  const before = connections();
  await wallet.recover(soon(), 'due');
  expect(connections()).toBe(before);
  expect(wallet.balance().incoming).toBe(sat(40));
});

test('one that falls silent in the middle: five open operations cost one wait', async () => {
  const { healthy, wallet } = await ready(300);
  const friend = await stranger(healthy);
  const tokens = [];
  for (let n = 0; n < 5; n += 1) tokens.push(await friend.token(8 + n));
  for (const path of ['/v1/swap', '/v1/restore', '/v1/checkstate']) {
    healthy.faults.add({ path, when: 'before', effect: { kind: 'hold' }, times: 99 });
  }
  for (const token of tokens) {
    await expect(wallet.receive(token, { cap: true }, soon())).rejects.toThrow(UnfinishedOperationError);
  }
  const asked = () => healthy.requests.filter((request) => request === 'POST /v1/restore').length;
  const before = asked();
  expect((await wallet.recover(soon())).waiting).toHaveLength(5);
  expect(asked() - before).toBe(1);
  healthy.faults.clear();
  healthy.faults.release();
  expect((await wallet.recover(soon())).waiting).toEqual([]);
  expect(wallet.balance().ready).toBeGreaterThan(145);
});
