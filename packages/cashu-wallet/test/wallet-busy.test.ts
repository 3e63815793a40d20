import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { UnfinishedOperationError } from '../src/wallet-errors.ts';
import { createBench, fund, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

test('another program that holds the wallet’s database before or after the mint’s word costs nothing', async () => {
  const mint = bench.mint();
  let atCheckpoint: (() => void) | undefined;
  const wallet = bench.wallet(mint, {
    onCheckpoint: (checkpoint) => {
      if (checkpoint === 'receive:answered') atCheckpoint?.();
    },
  });
  await fund(wallet, 100);
  const friend = await stranger(mint);
  const other = new Database(wallet.info().file);
  const hold = () => other.exec('BEGIN IMMEDIATE');
  const release = () => other.exec('ROLLBACK');

  // Before: nothing was begun, and the token is as good as it was.
  const first = await friend.token(20);
  hold();
  mint.requests.length = 0;
  const refused: unknown = await wallet
    .receive(first, { cap: true }, soon())
    .catch((error: unknown) => error);
  expect(isBusy(refused)).toBe(true);
  expect(mint.requests.filter((request) => JSON.stringify(request).includes('swap'))).toEqual([]);
  release();
  expect((await wallet.receive(first, { cap: true }, soon())).amount).toBe(sat(20));

  // After: the mint has signed, and that can't be written down now.
  atCheckpoint = hold;
  const second = await friend.token(30);
  await expect(wallet.receive(second, { cap: true }, soon())).rejects.toThrow(UnfinishedOperationError);
  atCheckpoint = undefined;
  release();
  await wallet.recover(soon());
  expect(wallet.balance()).toMatchObject({ ready: sat(150), incoming: sat(0) });
  other.close();
}, 60_000);
