/** Whom an owner can pay, however it is written; and everything that is there. */
import { afterEach, describe, expect, test } from 'bun:test';
import { addSat, sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { InsufficientFundsError, InvoiceRefusedError, LnurlError } from '../src/wallet-errors.ts';
import { giveProofs } from './support/give-proofs.ts';
import { createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
const servers: { stop: (now: boolean) => unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
  await bench.end();
});

async function refused(work: Promise<unknown>): Promise<unknown> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof InvoiceRefusedError)) throw error;
  return error.problem;
}

/** A service that makes invoices of any amount; `/moved/n` sends on n times before it answers. */
function service(mint: SandboxMint): { readonly host: string; readonly asked: number[] } {
  const asked: number[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request): Response {
      const url = new URL(request.url);
      const hops = /^\/(?:\.well-known\/lnurlp|moved)\/moved(\d+)$/.exec(url.pathname)?.[1];
      if (hops !== undefined && hops !== '0') return Response.redirect(`/moved/moved${Number(hops) - 1}`);
      if (url.pathname === '/.well-known/lnurlp/inside') return Response.redirect('http://10.1.2.3/');
      if (url.pathname === '/pay') {
        const amount = Number(url.searchParams.get('amount')) / 1000;
        asked.push(amount);
        return Response.json({ pr: mint.invoice(amount), routes: [] });
      }
      return Response.json({
        tag: 'payRequest',
        callback: `http://127.0.0.1:${url.port}/pay`,
        minSendable: 1000,
        maxSendable: 100_000_000,
        metadata: '[["text/plain","x"]]',
      });
    },
  });
  servers.push(server);
  return { host: `127.0.0.1:${server.port}`, asked };
}

describe('whom to pay', () => {
  const written: readonly (readonly [string, (invoice: string) => string])[] = [
    ['as it is', (invoice) => invoice],
    ['with spaces around it', (invoice) => `  ${invoice}\n`],
    ['in capitals, as in a QR code', (invoice) => invoice.toUpperCase()],
    ['as a lightning: link', (invoice) => `lightning:${invoice}`],
    ['as a LIGHTNING: link', (invoice) => `LIGHTNING:${invoice.toUpperCase()}`],
    [
      'as a bitcoin: link',
      (i) => `bitcoin:bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq?amount=0.00000050&lightning=${i}`,
    ],
    ['as a bitcoin: link without an address', (invoice) => `bitcoin:?lightning=${invoice}&label=a%20b@c`],
    [
      'as a BITCOIN: link',
      (i) => `BITCOIN:BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ?LIGHTNING=${i.toUpperCase()}`,
    ],
  ];
  test.each(written)('an invoice %s', async (_, write) => {
    const mint = bench.mint();
    const wallet = bench.wallet(mint);
    await fund(wallet, 100);
    const quote = await wallet.quotePayment({ to: write(mint.invoice(50)) }, soon());
    expect(quote.amount).toBe(sat(50));
    expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
  });
  test('a link that asks for an amount, with an invoice that leaves it open', async () => {
    const mint = bench.mint({ amountless: true });
    const wallet = bench.wallet(mint);
    await fund(wallet, 1000);
    const to = `bitcoin:?lightning=${mint.invoice(undefined)}&amount=0.000005`;
    expect(await wallet.quotePayment({ to }, soon())).toMatchObject({ amount: 500 });
    expect(await wallet.quotePayment({ to, amount: sat(7) }, soon())).toMatchObject({ amount: 7 });
  });
  test.each([
    ['lno1pgqpvggrzdzxcmvvw', 'bolt12'],
    ['LNO1PGQPVGGRZDZXCMVVW', 'bolt12'],
    ['bitcoin:?lno=lno1pgqpvgg', 'bolt12'],
    ['bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq', 'on-chain'],
    ['bitcoin:bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq?amount=0.1', 'on-chain'],
    ['BC1P5CYXNUXMEUWUVKWFEM96LQZSZD02N6XDCJRS20CAC6YQJJWUDPXQKEDRCR', 'on-chain'],
    ['1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'on-chain'],
    ['3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy', 'on-chain'],
    ['lnbc', 'malformed'],
    ['hello', 'malformed'],
  ])('%p is none that can be paid: %p', async (to, kind) => {
    const wallet = bench.wallet(bench.mint());
    expect(await refused(wallet.quotePayment({ to, amount: sat(5) }, soon()))).toEqual({ kind });
  });
  test('an invoice is not paid over another amount, and an address not without one', async () => {
    const mint = bench.mint();
    const wallet = bench.wallet(mint);
    const to = mint.invoice(50);
    const other = wallet.quotePayment({ to, amount: sat(51) }, soon());
    expect(await refused(other)).toEqual({ kind: 'fixed-amount', amount: sat(50) });
    expect(await refused(wallet.quotePayment({ to, amount: 'all' }, soon()))).toEqual({
      kind: 'fixed-amount',
      amount: sat(50),
    });
    expect(await refused(wallet.quotePayment({ to: 'a@b.example' }, soon()))).toEqual({ kind: 'no-amount' });
  });
  test('an address that has moved is followed three times, and never into a private network', async () => {
    const mint = bench.mint();
    const wallet = bench.wallet(mint);
    await fund(wallet, 100);
    const { host } = service(mint);
    const quote = await wallet.quotePayment({ to: `moved3@${host}`, amount: sat(20) }, soon());
    expect(quote.amount).toBe(sat(20));
    for (const name of ['moved4', 'inside']) {
      const failure = wallet.quotePayment({ to: `${name}@${host}`, amount: sat(20) }, soon());
      await expect(failure).rejects.toBeInstanceOf(LnurlError);
    }
  });
});

describe('everything', () => {
  const purses: readonly (readonly number[])[] = [
    [1024, 512, 128],
    [2048],
    Array(24).fill(8),
    [4096, ...Array(10).fill(1)],
    [256, 256, 256, 1, 1],
  ];
  const settings = [true, false].flatMap((change) =>
    (change ? [0, 100] : [0, 1000]).map((feePpk) => ({ change, feePpk })),
  );
  async function each(
    use: (parts: { mint: SandboxMint; wallet: CashuWallet; had: number; host: string }) => Promise<void>,
  ): Promise<void> {
    for (const setting of settings) {
      for (const purse of purses) {
        const mint = bench.mint({ ...setting, amountless: true, maxInputs: 20 });
        const own = { words: newWords(), directory: bench.folder() };
        await giveProofs(mint, own, purse);
        const wallet = bench.wallet(mint, { ...own, policy: { maxInputs: 20 } });
        await use({ mint, wallet, had: wallet.balance().ready, host: service(mint).host });
        expect(mint.audit().balanced).toBe(true);
        wallet.close();
      }
    }
  }

  test('can be sent: its receiver nets the sum that was quoted', async () => {
    await each(async ({ mint, wallet, had }) => {
      const quote = await wallet.quoteSend({ amount: 'all' }, soon());
      const sent = await wallet.send({ amount: quote.amount }, soon());
      expect(wallet.balance()).toMatchObject({ ready: had - quote.face - quote.fee, sent: quote.face });
      // What is left is not enough for another sat and its fees.
      await expect(wallet.quoteSend({ amount: addSat(quote.amount, sat(1)) }, soon())).rejects.toThrow();
      expect(await (await stranger(mint)).redeem(wallet.handOver(sent.operation, 'x'))).toBe(quote.amount);
    });
  }, 60_000);
  test('can be paid to an address: nothing is left but what Lightning did not use', async () => {
    await each(async ({ mint, wallet, had, host }) => {
      const quote = await wallet.quotePayment({ to: `me@${host}`, amount: 'all' }, soon());
      const atMost = quote.amount + quote.feeReserve + quote.inputFee;
      expect(atMost).toBeLessThanOrEqual(had);
      expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
      const left = wallet.balance().ready;
      expect(left).toBeGreaterThanOrEqual(had - atMost);
      expect(left).toBeLessThanOrEqual(had - atMost + quote.feeReserve + 8);
      expect(mint.audit().totalOutstanding).toBe(left);
    });
  }, 60_000);
  test('can be paid on an invoice that leaves the amount open', async () => {
    const mint = bench.mint({ amountless: true });
    const wallet = bench.wallet(mint);
    await fund(wallet, 3000);
    const quote = await wallet.quotePayment({ to: mint.invoice(undefined), amount: 'all' }, soon());
    expect(quote.amount + quote.feeReserve).toBe(3000);
    expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
  });
  test('of nothing is too little', async () => {
    const mint = bench.mint();
    const wallet = bench.wallet(mint);
    const { host } = service(mint);
    await expect(wallet.quoteSend({ amount: 'all' }, soon())).rejects.toThrow(InsufficientFundsError);
    const paying = wallet.quotePayment({ to: `me@${host}`, amount: 'all' }, soon());
    await expect(paying).rejects.toThrow(InsufficientFundsError);
    await fund(wallet, 2);
    const again = wallet.quotePayment({ to: `me@${host}`, amount: 'all' }, soon());
    await expect(again).rejects.toThrow(InsufficientFundsError);
  });
});
