/** Keysets that change, end or are forgotten cost nobody more than they must. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { type Bench, createBench, fund, soon, stranger } from './support/wallet-kit.ts';

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
