/** Keysets that change, end or are forgotten cost nobody more than they must. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { type Bench, count, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.end());

const old = { keysetVersion: '00', feePpk: 100 } as const;
async function addsUp(mint: SandboxMint, wallet: CashuWallet): Promise<void> {
  const { ready, reserved, sent } = wallet.balance();
  expect(reserved).toBe(sat(0));
  expect(mint.audit().balanced).toBe(true);
  expect(mint.audit().totalOutstanding).toBe(ready + sent);
}

describe.each([0, 700, 2000])('a fee that becomes %p ppk in place', (feePpk) => {
  test('is asked for again when a send is refused, and planned with', async () => {
    const mint = bench.mint(old);
    const wallet = bench.wallet(mint);
    await fund(wallet, 1000);
    mint.changeFee(feePpk);
    const sent = await wallet.send({ amount: sat(100) }, soon());
    expect(sent.amount).toBe(sat(100));
    await addsUp(mint, wallet);
    const friend = await stranger(mint);
    const got = await friend.redeem(wallet.handOver(sent.operation, 'x'));
    expect(got - 100).toBeOneOf([0, 1]);
  });
  test('and when a token is taken', async () => {
    const mint = bench.mint(old);
    const wallet = bench.wallet(mint);
    await fund(wallet, 10);
    const token = await (await stranger(mint)).token(300);
    mint.changeFee(feePpk);
    const { amount, fee } = await wallet.receive(token, { cap: true }, soon());
    expect(amount + fee).toBe(300);
    expect(wallet.balance().ready).toBe(sat(10 + amount));
  });
  test('a payment is made for what was shown, or asked about again', async () => {
    const mint = bench.mint(old);
    const wallet = bench.wallet(mint);
    await fund(wallet, 1000);
    const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon());
    mint.changeFee(feePpk);
    const paid = await wallet.withdraw(quote.operation, soon()).catch((error: unknown) => error);
    if (feePpk === 0) expect(paid).toMatchObject({ state: 'paid' });
    else expect(paid).toMatchObject({ problem: { kind: 'costs-more' } });
    await addsUp(mint, wallet);
  });
});

test('a fee that has fallen in place is not believed for hours: a minute later what is shown is what it is', async () => {
  const mint = bench.mint({ ...old, feePpk: 2000 });
  let now = Date.now();
  const wallet = bench.wallet(mint, { clock: { now: () => now } });
  await fund(wallet, 1000);
  const shown = async () => [
    (await wallet.quoteSend({ amount: sat(100) }, soon())).fee,
    (await wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon())).inputFee,
  ];
  expect(Math.min(...(await shown()))).toBeGreaterThan(0);
  mint.changeFee(0);
  now += 61_000;
  expect(await shown()).toEqual([sat(0), sat(0)]);
});

test('a fee that grows in place before the swap that a payment needs: nothing is taken beyond what was shown', async () => {
  const mint = bench.mint({ cache: false, keysetVersion: '00', feePpk: 100 });
  const wallet = bench.wallet(mint);
  await fund(wallet, 1000);
  const { operation, inputFee } = await wallet.quoteWithdrawal({ invoice: mint.invoice(600) }, soon());
  mint.changeFee(2000);
  await expect(wallet.withdraw(operation, soon())).rejects.toMatchObject({
    problem: { kind: 'costs-more', shown: inputFee },
  });
  expect(wallet.balance()).toMatchObject({ ready: sat(1000), reserved: sat(0) });
});

test('a token that is taken back while its fee grows beyond what it is worth: it is out, and nothing stays open', async () => {
  const mint = bench.mint({ cache: false, keysetVersion: '00' });
  const wallet = bench.wallet(mint);
  await fund(wallet, 64);
  const { operation } = await wallet.send({ amount: sat(3) }, soon());
  wallet.handOver(operation, 'nobody');
  mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'status', status: 500 }, times: 2 });
  await expect(wallet.reclaim(operation, soon())).rejects.toThrow();
  mint.changeFee(2000);
  await wallet.recover(soon());
  expect(wallet.operations({ limit: 9 }).filter(({ open }) => open)).toEqual([]);
  expect(wallet.operation(operation)).toMatchObject({ state: 'handed_over' });
  expect(wallet.balance()).toMatchObject({
    ready: sat(61),
    reserved: sat(0),
    sent: sat(3),
    incoming: sat(0),
  });
});

test('what a mint announces of its signatures (DLEQ) is wanted of those that it gives once more, too', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const wallet = bench.wallet(mint);
  await fund(wallet, 1000);
  const without = (body: string) => body.replaceAll(/,"dleq":\{[^}]*\}/g, '');
  mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'cut' } });
  mint.faults.add({ path: '/v1/restore', when: 'after', effect: { kind: 'edit', edit: without }, times: 2 });
  await expect(wallet.send({ amount: sat(100) }, soon())).rejects.toThrow('is not finished');
  expect((await wallet.recover(soon())).waiting).toHaveLength(1);
  mint.faults.clear();
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
  await addsUp(mint, wallet);
});

const day = 86_400_000;
/** A wallet with money in a keyset that ends in 30 days, at a mint whose clock and the wallet's are set by hand. */
async function endingIn30Days(feePpk: number, amount = 1000) {
  let now = Math.floor(Date.now() / 1000) * 1000;
  const clock = { now: () => now };
  const mint = bench.mint({ keysetVersion: '00', feePpk, clock });
  const words = newWords();
  const directory = bench.folder();
  const wallet = bench.wallet(mint, { words, directory, clock });
  await fund(wallet, amount);
  mint.endAt(Math.floor((now + 30 * day) / 1000));
  const pass = async (ms: number) => {
    now += ms;
    await wallet.warmUp(soon());
  };
  return { mint, wallet, words, old: mint.keysets()[0]?.id ?? '', pass };
}

describe('a keyset that ends', () => {
  test.each([0, 100])('is left early, by itself, for a fee of its own (%p ppk)', async (feePpk) => {
    const { mint, wallet, old, pass } = await endingIn30Days(feePpk);
    mint.rotate();
    await pass(day);
    expect(count(mint, '/v1/swap')).toBe(0);
    expect(wallet.ending()).toEqual([]);
    await pass(16 * day);
    expect(wallet.balance().ready).toBe(sat(1000 - (feePpk === 0 ? 0 : 1)));
    expect(mint.audit().outstanding[old]).toBe(0);
    expect(wallet.operations({ limit: 1 })).toMatchObject([{ kind: 'send', state: 'regrouped' }]);
    await pass(20 * day);
    expect(count(mint, '/v1/swap')).toBe(1);
    expect(wallet.balance().unusable).toBeUndefined();
    await wallet.send({ amount: sat(900) }, soon());
    await addsUp(mint, wallet);
  });
  test('is left while a payment hangs, too', async () => {
    const { mint, wallet, old, pass } = await endingIn30Days(0);
    mint.lightning.outgoing = 'pending';
    const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon());
    expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'pending' });
    mint.rotate();
    await pass(20 * day);
    expect(mint.audit().outstanding[old]).toBe(wallet.balance().reserved);
    expect(wallet.ending()).toEqual([]);
  });
  test('is said to end with tokens in it that nobody has claimed; taken back, they are of another one', async () => {
    const { mint, wallet, pass } = await endingIn30Days(0);
    const { operation } = await wallet.send({ amount: sat(100) }, soon());
    mint.rotate();
    await pass(25 * day);
    expect(wallet.ending()).toMatchObject([{ held: 'sent', amount: 100, ended: false }]);
    expect(await wallet.reclaim(operation, soon())).toMatchObject({ state: 'reclaimed' });
    expect(wallet.ending()).toEqual([]);
    await addsUp(mint, wallet);
  });
  test('is said to end where the mint has no other one, and left as soon as it has', async () => {
    const { mint, wallet, pass } = await endingIn30Days(0);
    await pass(day);
    await pass(25 * day);
    expect(wallet.ending()).toMatchObject([{ held: 'ready', mint: mint.url, amount: 1000, ended: false }]);
    expect(count(mint, '/v1/swap')).toBe(0);
    mint.rotate();
    await pass(day);
    expect(wallet.ending()).toEqual([]);
    await addsUp(mint, wallet);
  });
  test('when it has, its money is not ready, is named, and does not stand in the way of other money', async () => {
    const { mint, wallet, pass } = await endingIn30Days(0);
    await pass(day);
    await mint.goDown();
    await pass(60 * day);
    expect(wallet.balance()).toMatchObject({ ready: 0, unusable: 1000 });
    expect(wallet.ending()).toMatchObject([{ amount: 1000, ended: true }]);
    mint.comeUp();
    mint.rotate();
    await fund(wallet, 300);
    expect(wallet.balance()).toMatchObject({ ready: 300, unusable: 1000 });
    const sent = await wallet.send({ amount: sat(200) }, soon());
    expect(await (await stranger(mint)).redeem(wallet.handOver(sent.operation, 'x'))).toBe(200);
    await expect(wallet.send({ amount: sat(200) }, soon())).rejects.toMatchObject({ have: 100 });
    const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(50) }, soon());
    expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'paid' });
    expect(await wallet.check(soon())).toMatchObject({ consistent: true, spentElsewhere: 0 });
  });
  test('with no other one at the mint: no invoice is asked for; one that was paid before brings its money later', async () => {
    const { mint, wallet, pass } = await endingIn30Days(0);
    await pass(day);
    mint.lightning.incoming = 'on-demand';
    const { operation, invoice } = await wallet.topUp({ amount: sat(77) }, soon());
    await pass(40 * day);
    await expect(wallet.topUp({ amount: sat(5) }, soon())).rejects.toMatchObject({
      problem: { kind: 'keysets-ended' },
    });
    mint.pay(mint.quoteOf(invoice));
    await expect(wallet.claimTopUp(operation, soon())).rejects.toMatchObject({
      problem: { kind: 'keysets-ended' },
    });
    mint.rotate();
    await pass(2 * 60_000);
    expect(await wallet.claimTopUp(operation, soon())).toBe('paid');
    expect(wallet.balance()).toMatchObject({ ready: 77, unusable: 1000 });
  });
});

describe('keys that a mint has lost', () => {
  async function half(then: (mint: SandboxMint, wallet: CashuWallet) => Promise<void>) {
    let now = Date.now();
    const clock = { now: () => now };
    const mint = bench.mint({ keysetVersion: '01', feePpk: 100, clock });
    const wallet = bench.wallet(mint, { clock });
    await fund(wallet, 512);
    mint.rotate();
    now += 7 * 3_600_000;
    await fund(wallet, 256);
    mint.loseKeys(mint.keysets()[0]?.id ?? '');
    await then(mint, wallet);
    expect(wallet.balance().unusable).toBe(sat(512));
    expect(wallet.operations({ limit: 9 }).filter(({ open }) => open)).toEqual([]);
    expect(await wallet.check(soon())).toMatchObject({ consistent: true, spentElsewhere: 0 });
  }
  test('put what is of them out of reach, and nothing else: a send', () =>
    half(async (mint, wallet) => {
      const sent = await wallet.send({ amount: sat(100) }, soon());
      expect(await (await stranger(mint)).redeem(wallet.handOver(sent.operation, 'x'))).toBe(100);
      await expect(wallet.send({ amount: sat(400) }, soon())).rejects.toMatchObject({
        name: 'InsufficientFundsError',
      });
    }));
  test.each([10, 100])('and a payment of %p', (amount) =>
    half(async (mint, wallet) => {
      const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(amount) }, soon());
      expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'paid', amount });
    }),
  );
  test.each([true, false])('a keyset that the mint lists no more, taken all the same: %p', async (taken) => {
    let now = Date.now();
    const clock = { now: () => now };
    const mint = bench.mint({ keysetVersion: '01', clock });
    const wallet = bench.wallet(mint, { clock });
    await fund(wallet, 512);
    const [old] = mint.keysets();
    mint.rotate();
    const unlisted = (body: string) => {
      const { keysets } = JSON.parse(body) as { keysets: readonly { readonly id: string }[] };
      return JSON.stringify({ keysets: keysets.filter(({ id }) => id !== old?.id) });
    };
    mint.faults.add({
      path: '/v1/keysets',
      when: 'after',
      effect: { kind: 'edit', edit: unlisted },
      times: 99,
    });
    if (!taken) mint.loseKeys(old?.id ?? '');
    now += 7 * 3_600_000;
    await fund(wallet, 256);
    expect(wallet.balance().ready).toBe(sat(768));
    const { operation } = await wallet.send({ amount: sat(100) }, soon());
    expect(await (await stranger(mint)).redeem(wallet.handOver(operation, 'x'))).toBe(100);
    if (taken) {
      await wallet.send({ amount: sat(600) }, soon());
      expect(wallet.balance().unusable).toBeUndefined();
    } else expect(wallet.balance()).toMatchObject({ ready: 156, unusable: 512 });
    expect(await wallet.check(soon())).toMatchObject({ consistent: true, spentElsewhere: 0 });
  });
  test('and a mint that refuses everything for a while has lost nothing', async () => {
    const mint = bench.mint({ feePpk: 100 });
    const wallet = bench.wallet(mint);
    await fund(wallet, 512);
    mint.rotate();
    for (const path of ['/v1/swap', '/v1/keys/'])
      mint.faults.add({ path, when: 'before', effect: { kind: 'status', status: 403 }, times: 9 });
    await expect(wallet.send({ amount: sat(100) }, soon())).rejects.toMatchObject({ name: 'MintError' });
    mint.faults.clear();
    await wallet.send({ amount: sat(100) }, soon());
    expect(wallet.balance().unusable).toBeUndefined();
  });
});
