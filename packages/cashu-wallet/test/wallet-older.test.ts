/* Old databases, and the same words twice: nothing is lost, nothing is counted twice, and it is said. */
import { afterEach, expect, test } from 'bun:test';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { SpentElsewhereError, UnfinishedOperationError } from '../src/wallet-errors.ts';
import {
  balanceFromWords,
  createBench,
  createLives,
  fund,
  type Life,
  soon,
  stranger,
} from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const { begin, open } = createLives(bench);
/** The same words on another machine. */
const elsewhere = (life: Life): Life => ({ ...life, directory: bench.folder() });

/** Ends this life and puts the copy back in its place. */
function putBack(wallet: CashuWallet, copy: string): void {
  const { file } = wallet.info();
  wallet.close();
  for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
  copyFileSync(copy, file);
}

/** A token, claimed by somebody. */
async function give(wallet: CashuWallet, mint: SandboxMint, amount: number): Promise<void> {
  const { operation } = await wallet.send({ amount: sat(amount) }, soon());
  await (await stranger(mint)).redeem(wallet.handOver(operation, 'somebody'));
}

const ready = (wallet: CashuWallet): number => wallet.balance().ready;
const sums = (wallet: CashuWallet) =>
  wallet.found().map(({ recovered, spent, lost }) => [recovered, spent, lost].map(Number));

/** Every quote that was paid is issued; what the wallet says is ready is what the words have. */
async function expectWhole(wallet: CashuWallet, { mint, words }: Life): Promise<void> {
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  const { reserved, incoming, sent } = wallet.balance();
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(mint.audit()).toMatchObject({ balanced: true, paidUnissued: 0, pending: 0 });
  expect(await balanceFromWords(mint, words, 60)).toBe(ready(wallet) + sent);
}

for (const recovers of [true, false]) {
  const how = recovers ? 'with a look at its start' : 'used at once';
  const start = async (life: Life): Promise<CashuWallet> => {
    const wallet = open(life);
    if (recovers) await wallet.recover(soon());
    return wallet;
  };

  for (const amount of [1000, 64, 500, 1, 777]) {
    test(`an old database, ${how}: a top-up of ${amount} brings ${amount}, and older money that is spent is told of`, async () => {
      const life = begin();
      const first = open(life);
      const copy = join(bench.folder(), 'a.db');
      first.backup(copy);
      await fund(first, 1000);
      await give(first, life.mint, 1000);
      putBack(first, copy);

      const wallet = await start(life);
      await fund(wallet, amount);
      expect(ready(wallet)).toBe(amount);
      expect(sums(wallet)).toEqual([[0, 2000, 0]]);
      wallet.foundTold(wallet.found().map(({ operation }) => operation));
      expect(wallet.found()).toEqual([]);
      await expectWhole(wallet, life);
    });
  }

  test(`an old database, ${how}: a token that comes in is redeemed`, async () => {
    const life = begin({ feePpk: 100 });
    const first = open(life);
    const copy = join(bench.folder(), 'a.db');
    first.backup(copy);
    await fund(first, 1000);
    await give(first, life.mint, 900);
    putBack(first, copy);

    const wallet = await start(life);
    const other = await stranger(life.mint);
    const token = await other.token(1000);
    const { amount } = await wallet.receive(token, { cap: true }, soon());
    expect(other.redeem(token)).rejects.toThrow();
    const [found] = wallet.found();
    expect(ready(wallet)).toBe(amount + (found?.recovered ?? 0));
    expect(found?.recovered).toBeGreaterThan(90);
    await expectWhole(wallet, life);
  });

  test(`an old database, ${how}: no token of proofs that are spent is handed out`, async () => {
    const life = begin();
    const first = open(life);
    await fund(first, 1000);
    const copy = join(bench.folder(), 'a.db');
    first.backup(copy);
    await give(first, life.mint, 100);
    putBack(first, copy);

    const wallet = await start(life);
    const sending = async () => {
      const { operation } = await wallet.send({ amount: sat(100) }, soon());
      return wallet.handOver(operation, 'somebody else');
    };
    const token = await sending().catch((error: unknown) => {
      if (error instanceof SpentElsewhereError) return sending();
      throw error;
    });
    expect(await (await stranger(life.mint)).redeem(token)).toBe(100);
    await wallet.check(soon());
    expect(ready(wallet)).toBe(800);
    await expectWhole(wallet, life);
  });

  test(`the same words on a second machine, ${how}: both top-ups of the same amount are there`, async () => {
    const one = begin();
    const first = open(one);
    await fund(first, 500);
    const two = elsewhere(one);
    const wallet = await start(two);
    await fund(wallet, 500);
    expect(ready(wallet)).toBe(1000);
    expect(sums(wallet)).toEqual([[500, 0, 0]]);
    await expectWhole(wallet, two);
  });
}

test('two machines with the same words in turn: what the one makes is never the other one’s answer', async () => {
  const one = begin({ feePpk: 100 });
  const two = elsewhere(one);
  const machines = [open(one), open(two)] as const;
  let put = 0;
  for (const [i, amount] of [100, 200, 100, 64, 1, 500].entries()) {
    const wallet = machines[i % 2 === 0 ? 0 : 1];
    await fund(wallet, amount);
    put += amount;
  }
  for (const amount of [30, 40, 50]) {
    for (const wallet of machines) {
      await wallet.check(soon());
      await give(wallet, one.mint, amount).catch((error: unknown) => {
        if (!(error instanceof SpentElsewhereError)) throw error;
      });
    }
  }
  const last = open(elsewhere(one));
  await last.restore(soon());
  expect(one.mint.audit()).toMatchObject({ balanced: true, paidUnissued: 0 });
  const audit = one.mint.audit();
  expect(audit.minted).toBe(put);
  expect(await balanceFromWords(one.mint, one.words, 60)).toBe(ready(last));
});

test('a top-up whose answer is lost, found and spent on the other machine: it is over, and nobody has to look', async () => {
  const life = begin();
  const { mint } = life;
  const wallet = open(life);
  const { operation } = await wallet.topUp({ amount: sat(64) }, soon());
  mint.faults.add({ path: '/v1/mint/bolt11', when: 'after', effect: { kind: 'status', status: 500 } });
  mint.faults.add({ path: '/v1/restore', when: 'before', effect: { kind: 'status', status: 500 }, times: 9 });
  await expect(wallet.claimTopUp(operation, soon())).rejects.toBeInstanceOf(UnfinishedOperationError);
  mint.faults.clear();
  const other = open(elsewhere(life));
  await other.recover(soon());
  expect(sums(other)).toEqual([[64, 0, 0]]);
  await give(other, mint, 64);
  await wallet.recover(soon());
  expect(wallet.operation(operation)).toMatchObject({
    open: false,
    state: 'issued_before',
    trouble: undefined,
  });
  // What it made, and what the other one made of it: both are told as spent.
  expect(sums(wallet)).toEqual([
    [0, 64, 0],
    [0, 64, 0],
  ]);
  await expectWhole(wallet, life);
});

test('a database that is put back twice is noticed twice', async () => {
  const life = begin();
  const first = open(life);
  const copy = join(bench.folder(), 'a.db');
  first.backup(copy);
  await fund(first, 300);
  putBack(first, copy);
  const second = open(life);
  await fund(second, 300);
  expect(ready(second)).toBe(600);
  await give(second, life.mint, 600);
  putBack(second, copy);
  const third = open(life);
  await fund(third, 300);
  expect(ready(third)).toBe(300);
  await expectWhole(third, life);
});

test('an operation that an older version left waiting for ever goes on, and the older money comes in', async () => {
  const life = begin();
  const first = open(life);
  const copy = join(bench.folder(), 'a.db');
  // Paid, and killed before it is claimed: the quote is in the copy.
  const { operation } = await first.topUp({ amount: sat(64) }, soon());
  first.backup(copy);
  await fund(first, 1000);
  putBack(first, copy);
  const wallet = open(life);
  expect(await wallet.claimTopUp(operation, soon())).toBe('paid');
  expect(ready(wallet)).toBe(1064);
  await expectWhole(wallet, life);
});

test('the answer is lost and an older life has used these numbers: the mint’s word on the quote decides', async () => {
  const life = begin();
  const first = open(life);
  const copy = join(bench.folder(), 'a.db');
  first.backup(copy);
  await fund(first, 100);
  putBack(first, copy);
  // The look ahead fails, and so the numbers collide; then the second answer is lost.
  life.mint.faults.add({ path: '/v1/restore', when: 'before', effect: { kind: 'status', status: 500 } });
  life.mint.faults.add({ path: '/v1/mint/bolt11', when: 'after', effect: { kind: 'cut' } });
  const wallet = open(life);
  await fund(wallet, 100);
  expect(ready(wallet)).toBe(200);
  await expectWhole(wallet, life);
});

for (const what of ['a token', 'a receipt', 'a top-up', 'a payment'] as const) {
  for (const amount of [100, 37]) {
    test(`${what} over ${amount} collides when nobody could look before; it goes on with fresh numbers`, async () => {
      const life = begin({ feePpk: 100 });
      const first = open(life);
      await fund(first, 1000);
      const copy = join(bench.folder(), 'a.db');
      first.backup(copy);
      await fund(first, 300);
      putBack(first, copy);
      // What takes proofs looks before it chooses them, and before its outputs.
      const times = what === 'a token' || what === 'a payment' ? 2 : 1;
      const effect = { kind: 'status', status: 500 } as const;
      life.mint.faults.add({ path: '/v1/restore', when: 'before', effect, times });
      const wallet = open(life);
      const { mint } = life;
      if (what === 'a token') await give(wallet, mint, amount);
      else if (what === 'a top-up') await fund(wallet, amount);
      else if (what === 'a payment') {
        const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(amount) }, soon());
        expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
      } else await wallet.receive(await (await stranger(mint)).token(amount), { cap: true }, soon());
      expect(sums(wallet)).toEqual([[300, 0, 0]]);
      await expectWhole(wallet, life);
    });
  }
}

test('40 sends that the mint refuses leave no gap that a restore would have to look across', async () => {
  const life = begin();
  const wallet = open({ ...life });
  await fund(wallet, 1000);
  life.mint.faults.add({
    path: '/v1/swap',
    when: 'before',
    effect: { kind: 'status', status: 403 },
    times: 40,
  });
  for (let i = 0; i < 40; i += 1) await wallet.send({ amount: sat(513 + i) }, soon()).catch(() => undefined);
  await give(wallet, life.mint, 100);
  expect(await balanceFromWords(life.mint, life.words, 50)).toBe(900);
  await expectWhole(wallet, life);
});

test('tokens that the mint refuses side by side leave none either, nor do payments', async () => {
  const life = begin({ feePpk: 100 });
  const wallet = open(life);
  await fund(wallet, 1000);
  const friend = await stranger(life.mint);
  const tokens = await Promise.all(Array.from({ length: 12 }, (_, i) => friend.token(255 + i)));
  const refuse = (path: string, times: number) =>
    life.mint.faults.add({ path, when: 'before', effect: { kind: 'status', status: 403 }, times });
  refuse('/v1/swap', tokens.length);
  const receive = (token: string) => wallet.receive(token, { cap: true }, soon());
  for (const each of await Promise.allSettled(tokens.map(receive))) expect(each.status).toBe('rejected');
  for (let i = 0; i < 5; i += 1) {
    const { operation } = await wallet.quoteWithdrawal({ invoice: life.mint.invoice(900) }, soon());
    refuse('/v1/melt/bolt11', 1);
    await expect(wallet.withdraw(operation, soon())).rejects.toThrow();
  }
  await Promise.all(tokens.slice(6).map(receive));
  await give(wallet, life.mint, 100);
  const got = tokens.slice(6).reduce((sum, _, i) => sum + 255 + 6 + i, 0);
  expect(ready(wallet)).toBeGreaterThan(900 + got - 20);
  expect(await balanceFromWords(life.mint, life.words, 30)).toBe(ready(wallet));
  await expectWhole(wallet, life);
});

test('words are restored with operations open: what they wait for is theirs, and nothing is counted twice', async () => {
  const life = begin();
  const wallet = open(life);
  await fund(wallet, 1000);
  life.mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'cut' } });
  life.mint.faults.add({
    path: '/v1/restore',
    when: 'before',
    effect: { kind: 'status', status: 503 },
    times: 3,
  });
  await wallet.send({ amount: sat(100) }, soon()).catch(() => undefined);
  expect(wallet.operations({ limit: 1 })).toMatchObject([{ open: true }]);
  life.mint.faults.clear();
  expect(await wallet.restore(soon())).toMatchObject({ recovered: sat(0), proofs: 0 });
  await wallet.recover(soon());
  expect(wallet.balance()).toMatchObject({ ready: sat(900), sent: sat(100) });
  await expectWhole(wallet, life);
});

test('what the words bring back stands in the history', async () => {
  const life = begin();
  const first = open(life);
  await fund(first, 1000);
  const wallet = open(elsewhere(life));
  expect(await wallet.restore(soon())).toMatchObject({ recovered: sat(1000) });
  expect(wallet.operations({ limit: 5 })).toMatchObject([{ kind: 'receive', state: 'found', amount: 1000 }]);
  expect(wallet.found()).toEqual([]);
  await expectWhole(wallet, life);
});
