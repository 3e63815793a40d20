/** A quote's state proves something only together with that of the inputs, and change only with the mint's own proof. */
import { afterEach, describe, expect, test } from 'bun:test';
import { copyFileSync } from 'node:fs';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { judgeMelt, type MeltVerdict } from '../src/operations/melt-outcome.ts';
import {
  InsufficientFundsError,
  InvoiceRefusedError,
  UnfinishedOperationError,
} from '../src/wallet-errors.ts';
import { balanceFromWords, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const spent = ['SPENT', 'SPENT'] as const;
const unspent = ['UNSPENT', 'UNSPENT'] as const;
const mixed = ['SPENT', 'UNSPENT'] as const;
const pending = ['PENDING', 'SPENT'] as const;
const half = ['PENDING', 'UNSPENT'] as const;
type Inputs = readonly ('SPENT' | 'UNSPENT' | 'PENDING')[];

describe('every word on the quote with every word on its inputs', () => {
  // quote, inputs, while the request can be on its way, once it cannot, once nobody pays the quote any more
  const table: readonly (readonly [string, Inputs, MeltVerdict, MeltVerdict, MeltVerdict])[] = [
    ['PAID', spent, 'paid', 'paid', 'paid'],
    ['PAID', unspent, 'unknown', 'undone', 'undone'],
    ['PAID', mixed, 'unknown', 'undone', 'undone'],
    ['PAID', pending, 'unknown', 'unknown', 'unknown'],
    ['PAID', half, 'unknown', 'unknown', 'unknown'],
    ['UNPAID', spent, 'unpaid-but-spent', 'unpaid-but-spent', 'undone'],
    ['UNPAID', unspent, 'unknown', 'undone', 'undone'],
    ['UNPAID', mixed, 'unknown', 'undone', 'undone'],
    ['UNPAID', pending, 'unknown', 'unknown', 'unknown'],
    ['UNPAID', half, 'unknown', 'unknown', 'unknown'],
    ...[spent, unspent, mixed, pending, half].map(
      (inputs) => ['PENDING', inputs, 'pending', 'pending', 'pending'] as const,
    ),
    ...[spent, unspent, mixed, pending, half].map(
      (inputs) => ['ISSUED', inputs, 'unknown', 'unknown', 'unknown'] as const,
    ),
    ['PAID', [], 'unknown', 'unknown', 'unknown'],
  ];
  test.each(table)('%s, %p: %s, %s, %s', (quote, inputs, early, decided, lapsed) => {
    expect(judgeMelt({ quote, inputs, decided: false, lapsed: false })).toBe(early);
    expect(judgeMelt({ quote, inputs, decided: true, lapsed: false })).toBe(decided);
    expect(judgeMelt({ quote, inputs, decided: true, lapsed: true })).toBe(lapsed);
  });
});

type Body = Record<string, unknown>;
const edit = (mint: SandboxMint, path: string, change: (body: Body) => Body, times = 99) =>
  mint.faults.add({
    path,
    when: 'after',
    effect: { kind: 'edit', edit: (body) => JSON.stringify(change(JSON.parse(body))) },
    times,
  });
/** The mint does what it is asked, and nobody hears of it. */
const lose = (mint: SandboxMint) =>
  mint.faults.add({ path: '/v1/melt/bolt11', when: 'after', effect: { kind: 'status', status: 500 } });

async function paying(settleAfterMs = -1) {
  const mint = bench.mint({ feePpk: 100, cache: false });
  const words = newWords();
  const directory = bench.folder();
  let now = Date.now();
  const options = { words, directory, policy: { settleAfterMs }, clock: { now: () => now } };
  const wallet = bench.wallet(mint, options);
  await fund(wallet, 1000);
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(300) }, soon());
  const pass = (ms: number) => {
    now += ms;
  };
  return { mint, words, wallet, pay: () => wallet.withdraw(quote.operation, soon()), pass };
}
const newest = (wallet: CashuWallet) => wallet.operations({ limit: 9 }).find(({ kind }) => kind === 'melt');

async function expectWhole(wallet: CashuWallet, mint: SandboxMint, words: string): Promise<void> {
  const { ready, reserved, incoming } = wallet.balance();
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  expect(await balanceFromWords(mint, words)).toBe(ready);
  const { balanced, minted, melted, earned } = mint.audit();
  expect(balanced).toBe(true);
  expect(ready + melted + earned).toBe(minted);
}

describe('a payment that was made, its answer lost', () => {
  const noDleq = (list: unknown): unknown =>
    Array.isArray(list) ? list.map(({ dleq, ...rest }: Body) => rest) : list;
  const swapped = (list: unknown): unknown => {
    if (!Array.isArray(list) || list.length < 2) return list;
    const [first, second, ...rest]: Body[] = list;
    return [{ ...first, C_: second?.C_ }, { ...second, C_: first?.C_ }, ...rest];
  };
  const shown = {
    'the quote shows its change': (body: Body) => body,
    'the quote shows no change': ({ change, ...body }: Body) => body,
    'the quote shows change without a proof': ({ change, ...body }: Body) => ({
      ...body,
      change: noDleq(change),
    }),
    'the quote shows change with a wrong proof': ({ change, ...body }: Body) => ({
      ...body,
      change: swapped(change),
    }),
  };
  const restored = {
    'it is restored': (body: Body) => body,
    'it is not to be had': () => ({ outputs: [], signatures: [] }),
    'it is restored without a proof': ({ signatures, ...body }: Body) => ({
      ...body,
      signatures: noDleq(signatures),
    }),
  };
  const right = new Map<string, string>([
    ['the quote shows no change, it is not to be had', 'paid without'],
    ['the quote shows no change, it is restored without a proof', 'open'],
    ['the quote shows change without a proof, it is not to be had', 'open'],
    ['the quote shows change without a proof, it is restored without a proof', 'open'],
    ['the quote shows change with a wrong proof, it is not to be had', 'open'],
    ['the quote shows change with a wrong proof, it is restored without a proof', 'open'],
  ]);
  for (const [inQuote, quoteEdit] of Object.entries(shown)) {
    for (const [byOutputs, restoreEdit] of Object.entries(restored)) {
      const what = `${inQuote}, ${byOutputs}`;
      const end = right.get(what) ?? 'paid';
      test(`${what}: ${end}`, async () => {
        const { mint, words, wallet, pay } = await paying();
        lose(mint);
        edit(mint, '/v1/melt/quote/bolt11/', quoteEdit);
        edit(mint, '/v1/restore', restoreEdit);
        const outcome = await pay().catch((error: unknown) => error);
        if (end === 'open') {
          expect(outcome).toBeInstanceOf(UnfinishedOperationError);
          expect(newest(wallet)).toMatchObject({ open: true, trouble: 'bad-change' });
          mint.faults.clear();
          expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
        } else expect(outcome).toMatchObject({ state: 'paid', amount: 300 });
        mint.faults.clear();
        expect(newest(wallet)).toMatchObject({ state: 'paid' });
        if (end === 'paid without') {
          // What the mint hid is in the words all the same.
          const before = wallet.balance().ready;
          expect((await wallet.restore(soon())).recovered).toBeGreaterThan(0);
          expect(wallet.balance().ready).toBeGreaterThan(before);
        }
        await expectWhole(wallet, mint, words);
      });
    }
  }
});

describe('the mint contradicts itself', () => {
  const states = (state: (i: number) => string) => (body: Body) => ({
    states: Array.isArray(body.states) ? body.states.map((each, i) => ({ ...each, state: state(i) })) : [],
  });

  for (const how of ['in its answer', 'when it is asked']) {
    test(`PAID ${how}, and nothing is spent: nothing is booked, and what comes of it is found`, async () => {
      const { mint, words, wallet, pay, pass } = await paying(60_000);
      edit(
        mint,
        '/v1/checkstate',
        states(() => 'UNSPENT'),
      );
      if (how !== 'in its answer') lose(mint);
      expect(await pay().catch((error: unknown) => error)).toBeInstanceOf(UnfinishedOperationError);
      expect(newest(wallet)).toMatchObject({ state: 'prepared', open: true });
      pass(1000);
      mint.faults.clear();
      expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
      expect(newest(wallet)).toMatchObject({ state: 'paid' });
      await expectWhole(wallet, mint, words);
    });
  }

  test('UNPAID, and all is spent: it stays open and is named, until the quote has expired', async () => {
    const { mint, wallet, pay, pass } = await paying();
    lose(mint);
    edit(mint, '/v1/melt/quote/bolt11/', ({ change, ...body }) => ({ ...body, state: 'UNPAID' }));
    const failure = await pay().catch((error: unknown) => error);
    expect(failure).toMatchObject({ trouble: 'unpaid-but-spent' });
    pass(1800_000);
    expect(await wallet.recover(soon())).toMatchObject({ troubled: [{ trouble: 'unpaid-but-spent' }] });
    pass(1801_000);
    expect(await wallet.recover(soon())).toMatchObject({ troubled: [], waiting: [] });
    expect(wallet.balance()).toMatchObject({ reserved: 0 });
    expect(wallet.found()).toMatchObject([{ recovered: 0, spent: 0 }]);
    expect(wallet.found()[0]?.lost).toBeGreaterThan(300);
    expect(await wallet.check(soon())).toMatchObject({ consistent: true, spentElsewhere: 0 });
  });

  test('another machine spends all inputs meanwhile: refused by the mint, it is over at once, and what is lost is told', async () => {
    const { mint, words, wallet, pay } = await paying();
    const other = bench.wallet(mint, { words });
    mint.faults.add({ path: '/v1/melt/bolt11', when: 'before', effect: { kind: 'delay' } });
    const outcome = pay().catch((error: unknown) => error);
    while (mint.faults.holding() === 0) await Bun.sleep(5);
    await other.restore(soon());
    const all = await other.quoteSend({ amount: 'all' }, soon());
    const { operation } = await other.send({ amount: all.amount }, soon());
    await (await stranger(mint)).redeem(other.handOver(operation, 'x'));
    mint.faults.clear();
    mint.faults.release();
    // It is tried anew with what is left, which is nothing.
    expect(await outcome).toBeInstanceOf(InsufficientFundsError);
    expect(wallet.balance()).toMatchObject({ reserved: 0 });
    expect(wallet.found().at(-1)?.lost).toBeGreaterThan(300);
  });

  test('some inputs are spent and some are not: the payment was not made with them, and what is left is free', async () => {
    const { mint, wallet, pay } = await paying();
    mint.faults.add({ path: '/v1/melt/bolt11', when: 'before', effect: { kind: 'status', status: 503 } });
    edit(
      mint,
      '/v1/checkstate',
      states((i) => (i === 0 ? 'SPENT' : 'UNSPENT')),
      1,
    );
    expect(await pay().catch((error: unknown) => error)).toBeInstanceOf(InvoiceRefusedError);
    const [news] = wallet.found();
    const lost = news?.lost ?? 0;
    expect(lost).toBeGreaterThan(0);
    expect(wallet.balance().ready + lost).toBeGreaterThan(990);
    expect(wallet.balance().reserved).toBe(sat(0));
  });
});

test('an old database pays a quote that was paid since: the money stays, and it is said that it is paid', async () => {
  const mint = bench.mint({ feePpk: 100, cache: false });
  const [words, directory, aside] = [newWords(), bench.folder(), bench.folder()];
  const first = bench.wallet(mint, { words, directory });
  await fund(first, 1000);
  const { operation } = await first.quoteWithdrawal({ invoice: mint.invoice(300) }, soon());
  const { file } = first.info();
  first.backup(`${file}.copy`);
  copyFileSync(`${file}.copy`, file.replace(directory, aside));
  await first.withdraw(operation, soon());
  first.close();

  const wallet = bench.wallet(mint, { words, directory: aside, policy: { settleAfterMs: -1 } });
  await fund(wallet, 700);
  const before = wallet.balance().ready;
  const failure = await wallet.withdraw(operation, soon()).catch((error: unknown) => error);
  expect(failure).toMatchObject({ problem: { kind: 'already-paid' } });
  expect(before - wallet.balance().ready).toBeLessThanOrEqual(1);
  await expectWhole(wallet, mint, words);
});
