/* A database that is new, or older than a rotation: what its words have in keysets that sign no more is found by itself, once. */
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { balanceFromWords, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

/** Money in two keysets that sign no more, none in the third, and a database that is gone. */
async function lost(options: Parameters<typeof bench.mint>[0] = {}) {
  const mint = bench.mint({ cache: false, webSocket: false, ...options });
  const words = newWords();
  const first = bench.wallet(mint, { words });
  await fund(first, 300);
  mint.rotate();
  await first.warmUp(soon());
  await fund(first, 200);
  first.close();
  mint.rotate();
  mint.rotate();
  const directory = bench.folder();
  const restoreDepth = { gap: 20, batch: 20 };
  return { mint, words, open: () => bench.wallet(mint, { words, directory, restoreDepth }) };
}

/** How many requests of a kind a start makes. */
async function starts(wallet: CashuWallet, mint: SandboxMint) {
  const before = mint.requests.length;
  await wallet.recover(soon());
  return mint.requests.slice(before).toSorted();
}

test('is found at the start, told once, and not looked for again', async () => {
  const { mint, words, open } = await lost();
  const first = open();
  await first.recover(soon());
  expect(first.balance().ready).toBe(sat(500));
  expect(first.found().map(({ recovered }) => Number(recovered))).toEqual([300, 200]);
  expect(await first.check(soon())).toMatchObject({ consistent: true, notLooked: [] });
  first.close();

  const second = open();
  expect(await starts(second, mint)).toEqual(['POST /v1/restore']);
  second.close();
  // One more rotation: its keyset is asked about with the active one, in the same request.
  mint.rotate();
  const third = open();
  await third.restore(soon());
  expect(await starts(third, mint)).toEqual(['POST /v1/restore']);
  expect(third.balance().ready).toBe(sat(500));
  expect(await balanceFromWords(mint, words)).toBe(500);
});

for (const [what, act] of [
  ['a check', async (wallet) => wallet.check(soon())],
  ['a top-up', async (wallet) => fund(wallet, 5)],
  ['a send', async (wallet) => wallet.send({ amount: sat(100) }, soon())],
] satisfies readonly (readonly [string, (wallet: CashuWallet) => Promise<unknown>])[]) {
  test(`is found by ${what}, when that comes first`, async () => {
    const { mint, words, open } = await lost();
    const wallet = open();
    await act(wallet);
    const { ready, sent } = wallet.balance();
    expect(ready + sent).toBe(what === 'a top-up' ? 505 : 500);
    expect(await balanceFromWords(mint, words)).toBe(ready + sent);
  });
}

test('costs one request where there is nothing, and keys are asked for of keysets alone that have something', async () => {
  const { mint, open } = await lost();
  const empty = bench.wallet(mint);
  expect((await starts(empty, mint)).filter((request) => /restore|keys/.test(request))).toEqual([
    'GET /v1/keys',
    'GET /v1/keysets',
    'POST /v1/restore',
  ]);
  const wallet = open();
  const asked = await starts(wallet, mint);
  expect(asked.filter((request) => request.startsWith('GET /v1/keys/'))).toHaveLength(2);
});

test('is in the middle of a payment: looked for until that is over, what fails is free, what is paid leaves its change', async () => {
  for (const outcome of ['failed', 'paid'] as const) {
    const mint = bench.mint({ cache: false, webSocket: false, feePpk: 100 });
    const words = newWords();
    const first = bench.wallet(mint, { words });
    await fund(first, 250);
    // Its change is signed with the keyset of its time, or not at all.
    mint.lightning.outgoing = 'pending';
    const invoice = mint.invoice(21);
    const { operation } = await first.quoteWithdrawal({ invoice }, soon());
    expect(await first.withdraw(operation, soon())).toMatchObject({ state: 'pending' });
    first.close();
    mint.rotate();

    const directory = bench.folder();
    const open = () => bench.wallet(mint, { words, directory, restoreDepth: { gap: 20, batch: 20 } });
    const second = open();
    const early = await second.check(soon());
    expect(early.notLooked).toMatchObject([{ what: 'old-keyset' }]);
    second.close();
    mint.settle(mint.meltQuoteOf(invoice), outcome);
    const third = open();
    expect(await third.check(soon())).toMatchObject({ consistent: true, notLooked: [] });
    expect(third.balance().ready).toBe(sat(await balanceFromWords(mint, words)));
    third.close();
    const fourth = open();
    expect(await starts(fourth, mint)).toEqual(['POST /v1/restore']);
  }
});

test('a mint that does not take so many numbers at once is asked about one keyset after another', async () => {
  const { mint, open } = await lost();
  mint.faults.add({ path: '/v1/restore', when: 'before', effect: { kind: 'status', status: 400 } });
  const wallet = open();
  await fund(wallet, 100);
  expect(wallet.balance().ready).toBe(sat(600));
});

test('a mint that has lost the keys of an old keyset: what else there is is found, and a check names it', async () => {
  const { mint, open } = await lost({ keysetVersion: '00' });
  const [oldest] = mint.keysets();
  const path = `/v1/keys/${oldest?.id}`;
  mint.faults.add({ path, when: 'before', effect: { kind: 'status', status: 404 }, times: 99 });
  const wallet = open();
  const report = await wallet.check(soon());
  expect(wallet.balance().ready).toBe(sat(200));
  expect(report.notLooked).toEqual([
    { what: 'old-keyset', mint: mint.url as never, keyset: oldest?.id ?? '' },
  ]);
  const friend = await stranger(mint);
  await wallet.receive(await friend.token(50), { cap: true }, soon());
  mint.faults.clear();
  wallet.close();
  const next = open();
  expect(await next.check(soon())).toMatchObject({ notLooked: [] });
  expect(next.balance().ready).toBe(sat(550));
});
