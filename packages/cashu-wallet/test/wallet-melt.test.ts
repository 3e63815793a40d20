/** A payment takes what was shown and no more, at every kind of mint, and locks no more than it needs. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { addSat, sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint, SandboxMintOptions } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { InsufficientFundsError, InvoiceRefusedError } from '../src/wallet-errors.ts';
import type { WithdrawalQuote } from '../src/wallet-types.ts';
import { giveProofs } from './support/give-proofs.ts';
import {
  type Bench,
  balanceFromWords,
  count,
  createBench,
  fund,
  newWords,
  type OpenOptions,
  soon,
} from './support/wallet-kit.ts';

let bench: Bench;
let words: string;
let directory: string;
beforeEach(() => {
  bench = createBench();
  words = newWords();
  directory = bench.folder();
});
afterEach(() => bench.end());

async function filled(
  amount: number,
  mintOptions: SandboxMintOptions = {},
  walletOptions: Partial<OpenOptions> = {},
): Promise<{ readonly mint: SandboxMint; readonly wallet: CashuWallet }> {
  const mint = bench.mint(mintOptions);
  const wallet = bench.wallet(mint, { words, directory, ...walletOptions });
  await fund(wallet, amount);
  return { mint, wallet };
}
const quoteOf = (wallet: CashuWallet, invoice: string): Promise<WithdrawalQuote> =>
  wallet.quoteWithdrawal({ invoice }, soon());
const worst = ({ amount, feeReserve, inputFee }: WithdrawalQuote) => addSat(amount, feeReserve, inputFee);

async function addsUp(mint: SandboxMint, wallet: CashuWallet): Promise<void> {
  const { ready, reserved, sent } = wallet.balance();
  const { balanced, totalOutstanding, minted, melted, earned } = mint.audit();
  const here = ready + sent + reserved;
  expect({ balanced, totalOutstanding, put: minted }).toEqual({
    balanced: true,
    totalOutstanding: here,
    put: here + melted + earned,
  });
  expect(await balanceFromWords(mint, words, 50)).toBe(here);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
}
async function problemOf(work: Promise<unknown>): Promise<unknown> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof InvoiceRefusedError)) throw error;
  return error.problem;
}

describe('a mint that gives no change', () => {
  test.each([0, 100, 1000])(
    'takes 10 sat of a proof of 4,096 for what was shown, at %p ppk',
    async (feePpk) => {
      const { mint, wallet } = await filled(4096, { change: false, feePpk });
      const quote = await quoteOf(wallet, mint.invoice(10));
      expect(quote.returnsChange).toBe(false);
      expect(worst(quote)).toBeLessThan(40);
      expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid', amount: 10 });
      expect(wallet.balance().ready).toBeGreaterThanOrEqual(4096 - worst(quote));
      expect(count(mint, '/v1/melt/bolt11')).toBe(1);
      await addsUp(mint, wallet);
    },
  );
  test('is asked for no swap when the proofs are exact', async () => {
    const { mint, wallet } = await filled(12, { change: false });
    const quote = await quoteOf(wallet, mint.invoice(10));
    await wallet.withdraw(quote.operation, soon());
    expect(count(mint, '/v1/swap')).toBe(0);
    expect(wallet.balance().ready).toBe(sat(0));
    await addsUp(mint, wallet);
  });
  test('shows the sat that no swap can save, and takes them', async () => {
    const { mint, wallet } = await filled(16, { change: false, feePpk: 1000 });
    const quote = await quoteOf(wallet, mint.invoice(12));
    expect(worst(quote)).toBe(sat(16));
    await wallet.withdraw(quote.operation, soon());
    expect(wallet.balance().ready).toBe(sat(0));
    await addsUp(mint, wallet);
  });
});

describe('a payment that hangs', () => {
  test('locks about what it needs, and the rest can be spent', async () => {
    const { mint, wallet } = await filled(8192, { outgoing: 'pending', feePpk: 100 });
    const invoice = mint.invoice(10);
    const quote = await quoteOf(wallet, invoice);
    expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'pending' });
    const { reserved } = wallet.balance();
    expect(reserved).toBeGreaterThanOrEqual(12);
    expect(reserved).toBeLessThanOrEqual(worst(quote));
    await wallet.send({ amount: sat(8000) }, soon());
    mint.settle(mint.meltQuoteOf(invoice), 'paid');
    await wallet.recover(soon());
    await addsUp(mint, wallet);
  });
});

test('what was shown is the worst, whatever the proofs and fees are', async () => {
  const amounts = [[512, 256, 128, 64, 32, 8], [1024], Array(40).fill(16), [1, 2, 4, 256, 256, 512]];
  for (const change of [true, false]) {
    for (const feePpk of [0, 100, 700]) {
      for (const proofs of amounts) {
        const mint = bench.mint({ change, feePpk });
        const own = { words: newWords(), directory: bench.folder() };
        await giveProofs(mint, own, proofs);
        const wallet = bench.wallet(mint, own);
        const before = wallet.balance().ready;
        const quote = await quoteOf(wallet, mint.invoice(100));
        await wallet.withdraw(quote.operation, soon());
        const taken = before - wallet.balance().ready;
        expect({ change, feePpk, taken, fits: taken <= worst(quote) }).toMatchObject({ fits: true });
        // Only what Lightning did not use may come back: no fee is shown that is not taken.
        expect(taken).toBeGreaterThanOrEqual(change ? worst(quote) - quote.feeReserve : worst(quote) - 1);
        expect(mint.audit()).toMatchObject({ balanced: true, totalOutstanding: wallet.balance().ready });
        wallet.close();
      }
    }
  }
}, 60_000);

test('fees that have grown since they were shown are asked about again', async () => {
  const { mint, wallet } = await filled(1000, { feePpk: 0 });
  const quote = await quoteOf(wallet, mint.invoice(100));
  mint.rotate({ feePpk: 1000 });
  await wallet.send({ amount: sat(10) }, soon());
  const problem = await problemOf(wallet.withdraw(quote.operation, soon()));
  expect(problem).toMatchObject({ kind: 'costs-more', shown: quote.inputFee });
  await addsUp(mint, wallet);
});

describe.each(['up', 'down'] as const)('a mint that rounds fractions of a sat %s', (rounding) => {
  test.each([20.001, 20.5, 20.999])('pays %p sat', async (amount) => {
    const { mint, wallet } = await filled(100, { rounding });
    const quote = await quoteOf(wallet, mint.invoice(amount));
    expect(quote.amount).toBe(sat(rounding === 'up' ? 21 : 20));
    expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
    await addsUp(mint, wallet);
  });
});
test('a mint that quotes another sum than the invoice is refused', async () => {
  const { mint, wallet } = await filled(100);
  for (const quoted of [19, 22, 2000]) {
    const edit = (body: string) => JSON.stringify({ ...JSON.parse(body), amount: quoted });
    mint.faults.add({ path: '/v1/melt/quote/bolt11', when: 'after', effect: { kind: 'edit', edit } });
    await expect(quoteOf(wallet, mint.invoice(20.5))).rejects.toThrow();
  }
  expect(wallet.balance().ready).toBe(sat(100));
});

describe('an invoice that names no amount', () => {
  test('is paid over what was given, where the mint can', async () => {
    const { mint, wallet } = await filled(1000, { amountless: true });
    const quote = await wallet.quoteWithdrawal(
      { invoice: mint.invoice(undefined), amount: sat(123) },
      soon(),
    );
    expect(quote.amount).toBe(sat(123));
    expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid', amount: 123 });
    await addsUp(mint, wallet);
  });
  test('is refused by its name where the mint cannot, and without an amount', async () => {
    const { mint, wallet } = await filled(1000);
    const invoice = mint.invoice(undefined);
    expect(await problemOf(wallet.quoteWithdrawal({ invoice, amount: sat(9) }, soon()))).toEqual({
      kind: 'amountless-unsupported',
    });
    expect(await problemOf(quoteOf(wallet, invoice))).toEqual({ kind: 'no-amount' });
    const fixed = wallet.quoteWithdrawal({ invoice: mint.invoice(20), amount: sat(21) }, soon());
    expect(await problemOf(fixed)).toEqual({ kind: 'fixed-amount', amount: sat(20) });
  });
});

test('too little is said with what is needed', async () => {
  const { mint, wallet } = await filled(100, { change: false, feePpk: 100 });
  await expect(quoteOf(wallet, mint.invoice(99))).rejects.toThrow(InsufficientFundsError);
});

test.each([{ a: 1 }, 'z'.repeat(100_000), 7])(
  'a preimage that is none is not kept: the payment is told all the same',
  async (preimage) => {
    const { mint, wallet } = await filled(1000);
    const edit = (body: string) => JSON.stringify({ ...JSON.parse(body), payment_preimage: preimage });
    mint.faults.add({ path: '/v1/melt/bolt11', when: 'after', effect: { kind: 'edit', edit } });
    const { operation } = await quoteOf(wallet, mint.invoice(200));
    for (let times = 0; times < 2; times += 1) {
      expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'paid', preimage: undefined });
    }
    await addsUp(mint, wallet);
  },
);
