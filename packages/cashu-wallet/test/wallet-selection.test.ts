/** What is there can be spent, whatever proofs it is in. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { InsufficientFundsError } from '../src/wallet-errors.ts';
import { giveProofs } from './support/give-proofs.ts';
import {
  type Bench,
  count,
  createBench,
  fund,
  newWords,
  type OpenOptions,
  soon,
} from './support/wallet-kit.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.end());

async function addsUp(mint: SandboxMint, wallet: CashuWallet): Promise<void> {
  const { ready, reserved, sent } = wallet.balance();
  expect(reserved).toBe(sat(0));
  const { balanced, totalOutstanding, minted, melted, earned } = mint.audit();
  expect({ balanced, outstanding: totalOutstanding }).toEqual({ balanced: true, outstanding: ready + sent });
  expect(ready + sent + melted + earned).toBe(minted);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
}

describe.each([
  [258, 1],
  [4608, 511],
  [1600, 63],
])('of %p sat', (have, amount) => {
  test(`${amount} can be sent and paid, though a proof equals what is needed`, async () => {
    const mint = bench.mint({ feePpk: 100 });
    mint.lightning.feeReserve = () => 0;
    const wallet = bench.wallet(mint);
    await fund(wallet, have);
    const quote = await wallet.quoteSend({ amount: sat(amount) }, soon());
    const sent = await wallet.send({ amount: sat(amount) }, soon());
    expect(sent).toMatchObject({ face: quote.face, fee: quote.fee });
    await addsUp(mint, wallet);
    const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(amount + 1) }, soon());
    expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'paid' });
    await addsUp(mint, wallet);
  });
});

describe('many small proofs', () => {
  let mint: SandboxMint;
  let options: { words: string; directory: string };
  const open = (more: Partial<OpenOptions> = {}): CashuWallet =>
    bench.wallet(mint, { ...options, policy: { maxInputs: 50 }, ...more });
  beforeEach(async () => {
    mint = bench.mint({ feePpk: 100, maxInputs: 50 });
    options = { words: newWords(), directory: bench.folder() };
    await giveProofs(mint, options, Array(120).fill(1));
  });

  test('pay more than the mint takes at once, in steps, for what was quoted', async () => {
    const wallet = open();
    const quote = await wallet.quoteSend({ amount: sat(90) }, soon());
    const sent = await wallet.send({ amount: sat(90) }, soon());
    expect(sent.amount).toBe(sat(90));
    expect(sent.fee).toBe(quote.fee);
    // The swaps that gathered them are told with it.
    expect(wallet.operations({ limit: 9 })).toMatchObject([{ kind: 'send', fee: quote.fee }]);
    expect(wallet.balance()).toMatchObject({ ready: sat(120 - quote.fee - quote.face), sent: quote.face });
    expect(count(mint, '/v1/swap')).toBe(3);
    await addsUp(mint, wallet);
  });
  test('are left alone for what a few of them pay', async () => {
    const wallet = open();
    await wallet.send({ amount: sat(30) }, soon());
    expect(count(mint, '/v1/swap')).toBe(1);
    await addsUp(mint, wallet);
  });
  test('are not swapped for what all together cannot pay', async () => {
    const wallet = open();
    const refused = wallet.send({ amount: sat(110) }, soon());
    await expect(refused).rejects.toBeInstanceOf(InsufficientFundsError);
    expect(mint.requests).not.toContain('POST /v1/swap');
    await addsUp(mint, wallet);
  });
});

describe('dust, while nothing else is done', () => {
  const dust = async (feePpk: number, amounts: readonly number[]) => {
    const mint = bench.mint({ feePpk, maxInputs: 40 });
    const options = { words: newWords(), directory: bench.folder() };
    await giveProofs(mint, options, amounts);
    const policy = { maxInputs: 40, manyProofs: 20 };
    return { mint, wallet: bench.wallet(mint, { ...options, policy }) };
  };
  test('is made few proofs where that costs nothing, no more at once than the mint takes', async () => {
    const { mint, wallet } = await dust(0, Array(75).fill(1));
    for (let pass = 0; pass < 4; pass += 1) await wallet.warmUp(soon());
    expect(count(mint, '/v1/swap')).toBe(2);
    expect(wallet.balance()).toMatchObject({ ready: 75, reserved: 0 });
    await wallet.send({ amount: sat(70) }, soon());
    expect(count(mint, '/v1/swap')).toBe(3);
    await addsUp(mint, wallet);
  });
  test('is left as it is where that costs more than a hundredth of it, or while something is under way', async () => {
    const { mint, wallet } = await dust(100, Array(25).fill(1));
    await wallet.warmUp(soon());
    expect(count(mint, '/v1/swap')).toBe(0);
    const other = await dust(0, Array(25).fill(1));
    other.mint.faults.add({
      path: '/v1/swap',
      when: 'before',
      effect: { kind: 'status', status: 503 },
      times: 2,
    });
    await other.wallet.send({ amount: sat(3) }, soon()).catch(() => undefined);
    const before = count(other.mint, '/v1/swap');
    await other.wallet.warmUp(soon());
    expect(count(other.mint, '/v1/swap')).toBe(before);
  });
});
