/* `check` proves what it says: what a mint's word decides is mended and said, what could not be looked at is named. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import {
  type Bench,
  balanceFromWords,
  createBench,
  fund,
  newWords,
  soon,
  stranger,
} from './support/wallet-kit.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.end());

/** A wallet with money, and its file to be changed behind its back. */
async function world(options: Parameters<Bench['mint']>[0] = {}) {
  const mint: SandboxMint = bench.mint({ cache: false, ...options });
  const words = newWords();
  const directory = bench.folder();
  const open = (): CashuWallet => bench.wallet(mint, { words, directory });
  const wallet = open();
  await fund(wallet, 1000);
  return {
    mint,
    words,
    wallet,
    /** Changes the database while nobody has it, and opens it again. */
    async tampered(sql: string) {
      const { file } = wallet.info();
      wallet.close();
      const db = new Database(file);
      db.exec(sql);
      db.close();
      return open();
    },
  };
}

const clean = { consistent: true, problems: [], mended: [], notLooked: [], unreachable: [] };

test('a wallet in order: all of it is held against the mint, and a booked top-up is asked about once', async () => {
  const { mint, wallet } = await world();
  const { operation } = await wallet.send({ amount: sat(100) }, soon());
  wallet.handOver(operation, 'somebody');
  const history = wallet.operations({ limit: 10 });
  const report = await wallet.check(soon());
  expect(report).toMatchObject({ ...clean, checkedTopUps: 1, spentElsewhere: 0 });
  // What is over was over when it was: that a check has asked about it does not make it news.
  expect(wallet.operations({ limit: 10 })).toEqual(history);
  expect(report.checkedProofs).toBeGreaterThan(3);
  const asked = mint.requests.length;
  expect(await wallet.check(soon())).toMatchObject({ ...clean, checkedTopUps: 1 });
  // States, and which keysets there are.
  expect(mint.requests.length - asked).toBe(2);
});

test('an invoice that was paid long after it was given up: its money is taken, and said', async () => {
  const { mint, wallet, tampered } = await world();
  mint.lightning.incoming = 'on-demand';
  const { operation, invoice } = await wallet.topUp({ amount: sat(77) }, soon());
  const again = await tampered(`UPDATE operations SET state = 'expired' WHERE id = '${operation}'`);
  expect(await again.check(soon())).toMatchObject(clean);
  mint.pay(mint.quoteOf(invoice));
  expect(await again.check(soon())).toMatchObject({
    consistent: true,
    mended: [{ kind: 'issued', operation, amount: 77 }],
  });
  expect(again.balance().ready).toBe(sat(1077));
  expect(mint.audit()).toMatchObject({ balanced: true, paidUnissued: 0 });
});

test('a top-up that an older version booked with signatures of something else is had after all', async () => {
  const { mint, wallet, tampered } = await world();
  const other = await wallet.topUp({ amount: sat(64) }, soon());
  await wallet.watchTopUp(other.operation, soon());
  mint.lightning.incoming = 'on-demand';
  const { operation, invoice } = await wallet.topUp({ amount: sat(64) }, soon());
  mint.pay(mint.quoteOf(invoice));
  // As money-faults §1 leaves it: booked with proofs of another one, the quote never issued.
  const again = await tampered(`
    UPDATE operations SET state = 'done' WHERE id = '${operation}';
    UPDATE proofs SET origin = '${operation}' WHERE origin = '${other.operation}';
    UPDATE operations SET state = 'expired' WHERE id = '${other.operation}'`);
  const report = await again.check(soon());
  expect(report).toMatchObject({ mended: [{ kind: 'issued', amount: 64 }] });
  expect(again.balance().ready).toBe(sat(1128));
  expect(mint.audit()).toMatchObject({ balanced: true, paidUnissued: 0 });
  expect((await again.check(soon())).mended).toEqual([]);
});

test('what the mint calls spent is put aside with an entry that names it; what is free comes back', async () => {
  const { mint, words, wallet } = await world();
  const twin = bench.wallet(mint, { words, restoreDepth: { gap: 30, batch: 30 } });
  await twin.restore(soon());
  const { operation } = await twin.send({ amount: sat(512) }, soon());
  await (await stranger(mint)).redeem(twin.handOver(operation, 'x'));
  const report = await wallet.check(soon());
  expect(report).toMatchObject({ consistent: true, mended: [{ kind: 'put-aside', mint: mint.url }] });
  expect(report.spentElsewhere).toBeGreaterThanOrEqual(512);
  const [entry] = report.mended;
  const named = entry?.kind === 'put-aside' ? wallet.operation(entry.operation) : undefined;
  expect(named).toMatchObject({ kind: 'receive', state: 'found' });
  expect(wallet.found()).toMatchObject([{ lost: report.spentElsewhere }]);
  expect(wallet.balance().ready).toBe(sat(1000 - report.spentElsewhere));
  expect(await wallet.check(soon())).toMatchObject({ ...clean, spentElsewhere: 0 });
});

test('what nobody needs any more is let go', async () => {
  const { mint, wallet, tampered } = await world();
  expect(wallet.balance().ready).toBe(sat(1000));
  const again = await tampered("UPDATE proofs SET state = 'reserved' WHERE state = 'ready'");
  expect(again.balance()).toMatchObject({ ready: 0, reserved: 1000 });
  expect(await again.check(soon())).toMatchObject({
    consistent: true,
    mended: [{ kind: 'let-go', mint: mint.url, amount: 1000 }],
  });
  expect(again.balance()).toMatchObject({ ready: 1000, reserved: 0 });
});

test('a token that was claimed, and an operation that was cut off, are said', async () => {
  const { mint, wallet } = await world();
  const sent = await wallet.send({ amount: sat(100) }, soon());
  await (await stranger(mint)).redeem(wallet.handOver(sent.operation, 'x'));
  mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'cut' } });
  mint.faults.add({ path: '/v1/restore', when: 'before', effect: { kind: 'status', status: 503 }, times: 9 });
  await wallet.send({ amount: sat(50) }, soon()).catch(() => undefined);
  mint.faults.clear();
  const { mended } = await wallet.check(soon());
  expect(mended).toMatchObject([
    { kind: 'settled', what: 'send', state: 'issued', amount: 50 },
    { kind: 'claimed', operation: sent.operation, amount: 100 },
  ]);
});

test('what could not be looked at is named: a mint that is away, one that was taken out, a payment under way, a keyset that is gone', async () => {
  const { mint, wallet } = await world();
  const other = bench.mint();
  const added = wallet.addMint(other.url);
  const { operation } = await wallet.topUp({ amount: sat(50), mint: added }, soon());
  await wallet.watchTopUp(operation, soon());
  mint.lightning.outgoing = 'pending';
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(20) }, soon());
  await wallet.withdraw(quote.operation, soon());
  await other.goDown();
  const report = await wallet.check(soon());
  expect(report).toMatchObject({
    consistent: true,
    unreachable: [added],
    notLooked: [
      { what: 'mint', mint: added, why: 'unreachable' },
      { what: 'operation', operation: quote.operation, kind: 'melt', amount: 20, why: 'open' },
    ],
  });
  wallet.removeMint(added);
  expect((await wallet.check(soon())).notLooked).toContainEqual({
    what: 'mint',
    mint: added,
    why: 'not-accepted',
  });
  mint.settle(mint.meltQuoteOf(report.notLooked.length > 0 ? await invoiceOf(wallet) : ''), 'failed');
  mint.faults.add({
    path: '/v1/keysets',
    when: 'after',
    times: 100,
    effect: { kind: 'edit', edit: () => JSON.stringify({ keysets: [] }) },
  });
  expect((await wallet.check(soon())).notLooked).toContainEqual(
    expect.objectContaining({ what: 'keyset', mint: mint.url, why: 'gone' }),
  );

  async function invoiceOf(from: CashuWallet): Promise<string> {
    const db = new Database(from.info().file, { readonly: true });
    const row = db
      .query<{ request: string }, [string]>(
        "SELECT json_extract(data, '$.quote.request') AS request FROM operations WHERE id = ?",
      )
      .get(quote.operation);
    db.close();
    return row?.request ?? '';
  }
});

test('books that were changed behind its back do not add up', async () => {
  const { wallet, tampered } = await world();
  await wallet.send({ amount: sat(100) }, soon());
  const again = await tampered("UPDATE operations SET fee = fee + 7 WHERE kind = 'send'");
  expect(await again.check(soon())).toMatchObject({
    consistent: false,
    problems: [{ kind: 'inputs-other' }],
  });
});

test('a mint that wants fewer requests: what was not asked is counted, and asked the next time', async () => {
  const { mint, wallet } = await world();
  for (const amount of [1, 2, 3, 4]) await fund(wallet, amount);
  mint.faults.add({
    path: '/v1/mint/quote/bolt11/',
    when: 'before',
    times: 50,
    effect: { kind: 'status', status: 429 },
  });
  expect(await wallet.check(soon())).toMatchObject({
    checkedTopUps: 0,
    notLooked: [{ what: 'top-ups', count: 5, why: 'rate-limited' }],
  });
  mint.faults.clear();
  expect(await wallet.check(soon())).toMatchObject({ ...clean, checkedTopUps: 5 });
});

test('a mint that knows of a swap before its signatures: what failed by that is found, and is ours', async () => {
  const { mint, words, wallet } = await world();
  const friend = await stranger(mint);
  const token = await friend.token(300);
  const works = [
    () => wallet.send({ amount: sat(100) }, soon()),
    () => wallet.receive(token, { cap: true }, soon()),
  ];
  for (const work of works) {
    mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'status', status: 502 } });
    const edit = () => JSON.stringify({ outputs: [], signatures: [] });
    mint.faults.add({ path: '/v1/restore', when: 'after', effect: { kind: 'edit', edit }, times: 4 });
    await expect(work()).rejects.toThrow();
    mint.faults.clear();
  }
  expect(wallet.balance().ready).toBeLessThan(1000);
  const report = await wallet.check(soon());
  expect(report).toMatchObject({ consistent: true, spentElsewhere: 0, mended: [{ kind: 'came-through' }] });
  expect(wallet.balance().ready).toBe(sat(1300));
  expect(await balanceFromWords(mint, words)).toBe(1300);
  expect(await wallet.check(soon())).toMatchObject(clean);
});

test('a payment that was undone, and that its mint made late: a check books it as paid, and blames nobody', async () => {
  const { mint, wallet } = await world();
  mint.faults.add({ path: '/v1/melt/bolt11', when: 'before', effect: { kind: 'delay' } });
  const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon());
  const gaveUp = new AbortController();
  const paying = wallet.withdraw(operation, gaveUp.signal);
  await until(() => mint.faults.holding() === 1, 'the mint has the request');
  gaveUp.abort();
  await expect(paying).rejects.toThrow();
  await wallet.recover(soon());
  expect(wallet.operation(operation)).toMatchObject({ state: 'rolled_back' });
  mint.faults.release();
  await until(() => mint.audit().melted > 0, 'the mint has paid');
  expect(await wallet.check(soon())).toMatchObject({
    consistent: true,
    spentElsewhere: 0,
    mended: [{ kind: 'settled', operation, state: 'paid' }],
  });
  expect(wallet.balance().ready).toBe(sat(mint.audit().totalOutstanding));
});
