/** Whoever keeps books beside the wallet is told inside the transaction that brings a token home. */
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { OperationStateError, UnfinishedOperationError } from '../src/wallet-errors.ts';
import type { Redeemed } from '../src/wallet-types.ts';
import { createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

async function ready() {
  const mint = bench.mint({ feePpk: 100 });
  const files = { words: newWords(), directory: bench.folder() };
  const wallet = bench.wallet(mint, files);
  await fund(wallet, 1000);
  const heard: Redeemed[] = [];
  const end = wallet.onRedeemed((redeemed) => {
    heard.push(redeemed);
  });
  return { mint, wallet, heard, end, files };
}

test('a kept token that is redeemed is told of, once', async () => {
  const { mint, wallet, heard } = await ready();
  const token = wallet.keep(await (await stranger(mint)).token(100), 'test');
  const received = await wallet.redeem(token, soon());
  await wallet.redeem(token, soon());
  expect(heard).toEqual([{ kind: 'kept', token, received }]);
});

test('so is one that recovery redeems, and a token of ours that comes back', async () => {
  const { mint, wallet, heard } = await ready();
  const token = wallet.keep(await (await stranger(mint)).token(100), 'test');
  await wallet.recover(soon());
  expect(heard).toMatchObject([{ kind: 'kept', token }]);
  const { operation } = await wallet.send({ amount: sat(50) }, soon());
  await wallet.reclaim(operation, soon());
  expect(heard[1]).toMatchObject({ kind: 'reclaimed', sent: operation });
  expect(heard).toHaveLength(2);
});

test('what the listener throws undoes the booking, and recovery brings the token home later', async () => {
  const { mint, wallet, heard, end } = await ready();
  end();
  const stop = wallet.onRedeemed(() => {
    throw new Error('the books are full');
  });
  const token = wallet.keep(await (await stranger(mint)).token(100), 'test');
  await expect(wallet.redeem(token, soon())).rejects.toThrow(UnfinishedOperationError);
  expect(wallet.balance().ready).toBe(sat(1000));
  stop();
  wallet.onRedeemed((redeemed) => {
    heard.push(redeemed);
  });
  await wallet.recover(soon());
  expect(wallet.balance().ready).toBeGreaterThan(1000);
  expect(heard).toMatchObject([{ kind: 'kept', token }]);
});

test('what is written beside the money is undone with it', async () => {
  const { mint, wallet } = await ready();
  const tables = wallet.extension('beside', ['CREATE TABLE beside (n INTEGER)']);
  wallet.onRedeemed(() => {
    wallet.transaction(() => tables.run('INSERT INTO beside VALUES (1)'));
    throw new Error('after it was written');
  });
  const token = wallet.keep(await (await stranger(mint)).token(100), 'test');
  await expect(wallet.redeem(token, soon())).rejects.toThrow(UnfinishedOperationError);
  expect(tables.all('SELECT n FROM beside')).toEqual([]);
});

test('a token that its receiver confirmed is not ours any more, and cannot be taken back', async () => {
  const { wallet } = await ready();
  const { operation } = await wallet.send({ amount: sat(50) }, soon());
  wallet.handOver(operation, 'a node');
  expect(wallet.balance().sent).toBeGreaterThan(0);
  wallet.transaction(() => wallet.confirmClaimed(operation));
  wallet.confirmClaimed(operation);
  expect(wallet.balance().sent).toBe(sat(0));
  expect(await wallet.reclaim(operation, soon())).toEqual({ state: 'claimed' });
  const back = await wallet.send({ amount: sat(20) }, soon());
  await wallet.reclaim(back.operation, soon());
  expect(() => wallet.confirmClaimed(back.operation)).toThrow(OperationStateError);
});

test('an operation is found by its key, until it is undone', async () => {
  const { mint, wallet } = await ready();
  expect(wallet.operationFor('run:1')).toBeUndefined();
  const { operation } = await wallet.send({ amount: sat(50), key: 'run:1' }, soon());
  expect(wallet.operationFor('run:1')).toMatchObject({ operation, kind: 'send', state: 'issued' });
  await mint.goDown();
  await wallet.send({ amount: sat(50), key: 'run:2' }, soon()).catch((error: unknown) => error);
  expect(wallet.operationFor('run:2')).toBeUndefined();
  mint.comeUp();
});
