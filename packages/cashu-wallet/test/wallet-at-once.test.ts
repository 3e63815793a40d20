/** The same thing asked for twice at once gets two right answers, and is done once. */
import { afterEach, expect, test } from 'bun:test';
import { getEncodedToken, type Proof } from '@cashu/cashu-ts';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint, SandboxMintOptions } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { readMintUrl } from '../src/mints/mint-list.ts';
import {
  BalanceCapError,
  InvoiceRefusedError,
  OperationStateError,
  TokenRefusedError,
  UnfinishedOperationError,
} from '../src/wallet-errors.ts';
import type { Redeemed } from '../src/wallet-types.ts';
import {
  balanceFromWords,
  count,
  createBench,
  fund,
  newWords,
  soon,
  stranger,
} from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

async function ready(options: SandboxMintOptions = {}) {
  const mint = bench.mint({ feePpk: 100, ...options });
  const words = newWords();
  const wallet = bench.wallet(mint, { words });
  await fund(wallet, 1000);
  return { mint, words, wallet, friend: await stranger(mint) };
}

/** What came of each; an error stands for itself. */
const outcomes = (...work: readonly Promise<unknown>[]): Promise<readonly unknown[]> =>
  Promise.all(work.map((each) => each.catch((error: unknown) => error)));

const receive = (wallet: CashuWallet, token: string) => wallet.receive(token, { cap: true }, soon());
const encode = (mint: SandboxMint, proofs: readonly Proof[]): string =>
  getEncodedToken({ mint: mint.url, proofs: [...proofs], unit: 'sat' });

const largest = (proofs: readonly Proof[]): readonly Proof[] =>
  proofs.toSorted((a, b) => b.amount.toNumber() - a.amount.toNumber());

/** Nothing failed or is open, and mint, wallet and words say the same. */
async function expectWhole(wallet: CashuWallet, mint: SandboxMint, words: string): Promise<void> {
  const { ready: free, reserved, sent, incoming } = wallet.balance();
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(wallet.operations({ limit: 99 }).filter(({ state }) => state === 'failed')).toEqual([]);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  expect(await balanceFromWords(mint, words)).toBe(free + sent);
  expect(mint.audit().balanced).toBe(true);
}

test.each([true, false])(
  'a token: one receipt, and the others hear that it is in already (cached %p)',
  async (cache) => {
    const { mint, words, wallet, friend } = await ready({ cache });
    const token = await friend.token(300);
    const [first, ...rest] = await outcomes(
      receive(wallet, token),
      receive(wallet, token),
      receive(wallet, token),
    );
    expect(first).toMatchObject({ amount: 299, fee: 1 });
    for (const each of rest) {
      expect(each).toBeInstanceOf(TokenRefusedError);
      expect(each).toMatchObject({ problem: { kind: 'already-received', amount: 299 } });
    }
    expect(wallet.operations({ limit: 99 }).filter(({ kind }) => kind === 'receive')).toHaveLength(1);
    expect(wallet.balance().ready).toBe(sat(1299));
    await expectWhole(wallet, mint, words);
  },
);

test('a kept token that is redeemed, received and recovered at once is ours once, and told of once', async () => {
  const { mint, words, wallet, friend } = await ready();
  const told: Redeemed[] = [];
  wallet.onRedeemed((redeemed) => {
    told.push(redeemed);
  });
  const token = await friend.token(300);
  const kept = wallet.keep(token, 'node');
  const [one, two] = await outcomes(
    wallet.redeem(kept, soon()),
    wallet.redeem(kept, soon()),
    wallet.recover(soon()),
    receive(wallet, token),
  );
  expect([one, two]).toMatchObject([{ amount: 299 }, { amount: 299 }]);
  expect(told).toMatchObject([{ kind: 'kept', token: kept }]);
  expect(wallet.balance()).toMatchObject({ ready: sat(1299), incoming: sat(0) });
  await expectWhole(wallet, mint, words);
});

test('two tokens that share a proof: all of both is ours', async () => {
  const { mint, words, wallet, friend } = await ready();
  const [a, b, c] = largest(await friend.proofs(127));
  if (!a || !b || !c) throw new Error('three proofs are needed');
  await outcomes(receive(wallet, encode(mint, [a, b])), receive(wallet, encode(mint, [b, c])));
  for (const { secret } of [a, b, c]) expect(mint.stateOfSecret(secret)).toBe('SPENT');
  await expectWhole(wallet, mint, words);
  // One after the other, too: what is in already is no reason to leave the rest.
  const [d, e, f] = largest(await friend.proofs(127));
  if (!d || !e || !f) throw new Error('three proofs are needed');
  await receive(wallet, encode(mint, [d, e]));
  expect(await receive(wallet, encode(mint, [e, f, f]))).toMatchObject({ amount: f.amount.toNumber() - 1 });
  await expectWhole(wallet, mint, words);
});

test('two tokens that fit under the cap one by one and not together: the first is ours, the other stays its sender’s', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint, { maxBalance: sat(1000) });
  const friend = await stranger(mint);
  const tokens = [await friend.token(600), await friend.token(700)];
  const outcome = await outcomes(...tokens.map((token) => receive(wallet, token)));
  expect(outcome.filter((each) => each instanceof BalanceCapError)).toHaveLength(1);
  expect([600, 700]).toContain(wallet.balance().ready);
  // One that was received is known, however full the wallet is.
  const [first] = outcome[0] instanceof BalanceCapError ? tokens.toReversed() : tokens;
  await expect(receive(wallet, first ?? '')).rejects.toMatchObject({ problem: { kind: 'already-received' } });
});

test('a token while the mint is away: both are told that it goes on by itself', async () => {
  const { mint, words, wallet, friend } = await ready();
  const token = await friend.token(300);
  await mint.goDown();
  const said = await outcomes(receive(wallet, token), receive(wallet, token));
  for (const each of said) expect(each).toBeInstanceOf(UnfinishedOperationError);
  mint.comeUp();
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
  expect(wallet.balance().ready).toBe(sat(1299));
  await expectWhole(wallet, mint, words);
});

test('a payment: it is made once, and both hear what it cost', async () => {
  const { mint, words, wallet } = await ready();
  const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon());
  const [one, two] = await outcomes(wallet.withdraw(operation, soon()), wallet.withdraw(operation, soon()));
  expect(one).toMatchObject({ state: 'paid', operation, amount: 200 });
  expect(two).toEqual(one);
  expect(count(mint, '/v1/melt/bolt11')).toBe(1);
  await expectWhole(wallet, mint, words);
});

test('two offers for one invoice: it is paid once, and the other one costs nothing', async () => {
  const { mint, words, wallet } = await ready({ outgoing: 'pending' });
  const there = bench.mint();
  wallet.addMint(there.url);
  const invoice = mint.invoice(200);
  const offer = () => wallet.quoteWithdrawal({ invoice }, soon());
  const first = await offer();
  const quote = mint.meltQuoteOf(invoice);
  const second = await offer();
  const said = await outcomes(
    wallet.withdraw(first.operation, soon()),
    wallet.withdraw(second.operation, soon()),
  );
  expect(said.filter((each) => each instanceof InvoiceRefusedError)).toHaveLength(1);
  expect(said).toContainEqual(expect.objectContaining({ state: 'pending' }));
  const underWay = { problem: { kind: 'under-way', operation: expect.any(String) } };
  expect(said).toContainEqual(expect.objectContaining(underWay));
  // Nobody asks about it again, at any mint, until it is known how it ended.
  await expect(offer()).rejects.toMatchObject(underWay);
  await expect(
    wallet.quoteWithdrawal({ invoice, mint: readMintUrl(there.url) }, soon()),
  ).rejects.toMatchObject(underWay);
  mint.settle(quote, 'paid');
  await wallet.recover(soon());
  await expect(offer()).rejects.toMatchObject({ problem: { kind: 'already-paid' } });
  expect(count(mint, '/v1/melt/bolt11')).toBe(1);
  await expectWhole(wallet, mint, words);
});

test('a payment that is under way, or that is refused: both hear the same', async () => {
  const { mint, words, wallet } = await ready({ outgoing: 'pending' });
  const slow = await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon());
  const said = await outcomes(
    wallet.withdraw(slow.operation, soon()),
    wallet.withdraw(slow.operation, soon()),
  );
  expect(said).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
  expect(count(mint, '/v1/melt/bolt11')).toBe(1);
  mint.lightning.outgoing = 'failed';
  const bad = await wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon());
  const [one, two] = await outcomes(
    wallet.withdraw(bad.operation, soon()),
    wallet.withdraw(bad.operation, soon()),
  );
  expect(one).toBeInstanceOf(InvoiceRefusedError);
  expect(two).toBeInstanceOf(OperationStateError);
  expect(two).toMatchObject({ state: 'rolled_back' });
  expect(words).not.toBe('');
});

test('a payment whose end is not known is asked about when it is asked for again', async () => {
  const { mint, words, wallet } = await ready();
  const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon());
  for (const path of ['/v1/melt/bolt11', '/v1/melt/quote/bolt11/']) {
    mint.faults.add({ path, when: 'after', effect: { kind: 'status', status: 500 } });
  }
  await expect(wallet.withdraw(operation, soon())).rejects.toThrow(UnfinishedOperationError);
  expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'paid', amount: 200 });
  expect(count(mint, '/v1/melt/bolt11')).toBe(1);
  await expectWhole(wallet, mint, words);
});

test('an invoice that was paid, and a token that is taken back: both askers are told so', async () => {
  const { mint, words, wallet } = await ready();
  const { operation } = await wallet.topUp({ amount: sat(77) }, soon());
  expect(await outcomes(wallet.claimTopUp(operation, soon()), wallet.claimTopUp(operation, soon()))).toEqual([
    'paid',
    'paid',
  ]);
  expect(wallet.balance().ready).toBe(sat(1077));
  const sent = await wallet.send({ amount: sat(50) }, soon());
  const [one, two] = await outcomes(
    wallet.reclaim(sent.operation, soon()),
    wallet.reclaim(sent.operation, soon()),
  );
  expect(one).toMatchObject({ state: 'reclaimed', amount: 50 });
  expect(two).toEqual(one);
  const again = await wallet.send({ amount: sat(50) }, soon());
  const text = wallet.handOver(again.operation, 'a friend');
  const [back, twice] = await outcomes(receive(wallet, text), receive(wallet, text));
  expect(back).toMatchObject({ amount: 50 });
  expect(twice).toMatchObject({ problem: { kind: 'already-received' } });
  await expectWhole(wallet, mint, words);
});
