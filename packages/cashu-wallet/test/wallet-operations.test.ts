import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import {
  BalanceCapError,
  InsufficientFundsError,
  InvoiceRefusedError,
  OperationStateError,
} from '../src/wallet-errors.ts';
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

for (const keysetVersion of ['00', '01'] as const) {
  for (const feePpk of [0, 100]) {
    test(`top up, send, receive, withdraw: to the sat (keyset ${keysetVersion}, ${feePpk} ppk)`, async () => {
      const mint = bench.mint({ feePpk, keysetVersion });
      const words = newWords();
      const wallet = bench.wallet(mint, { words });
      await fund(wallet, 1000);
      expect(wallet.balance().ready).toBe(sat(1000));

      const sent = await wallet.send({ amount: sat(100) }, soon());
      const token = wallet.handOver(sent.operation, 'a friend');
      const friend = await stranger(mint);
      expect(await friend.redeem(token)).toBe(100);
      expect(sent.face - sent.amount).toBe(feePpk === 0 ? 0 : 1);
      expect(wallet.balance().ready + sent.face + sent.fee).toBe(1000);

      const before = wallet.balance().ready;
      const received = await wallet.receive(await friend.token(300), { cap: true }, soon());
      expect(received.amount + received.fee).toBe(300);
      expect(wallet.balance().ready - before).toBe(received.amount);

      const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon());
      expect(quote).toMatchObject({ amount: sat(200), feeReserve: sat(4) });
      const rich = wallet.balance().ready;
      const paid = await wallet.withdraw(quote.operation, soon());
      expect(paid.state).toBe('paid');
      if (paid.state === 'paid') {
        expect(rich - wallet.balance().ready).toBe(200 + paid.fee);
        expect(paid.preimage).toMatch(/^[0-9a-f]{64}$/);
      }

      expect(await balanceFromWords(mint, words)).toBe(wallet.balance().ready);
      expect(mint.audit().balanced).toBe(true);
      const report = await wallet.check(soon());
      expect(report).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0, unreachable: [] });
      expect(wallet.balance()).toMatchObject({ reserved: 0, sent: 0, incoming: 0 });
    });
  }
}

test('a loaded wallet asks once whether somebody has used its numbers; then one request to send, one to receive', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const directory = bench.folder();
  const words = newWords();
  const first = bench.wallet(mint, { words, directory });
  await fund(first, 1000);
  first.close();
  const token = await (await stranger(mint)).token(50);

  const wallet = bench.wallet(mint, { words, directory });
  mint.requests.length = 0;
  await wallet.recover(soon());
  expect(mint.requests).toEqual(['POST /v1/restore']);
  mint.requests.length = 0;
  await wallet.send({ amount: sat(100) }, soon());
  expect(mint.requests).toEqual(['POST /v1/swap']);
  await wallet.receive(token, { cap: true }, soon());
  expect(mint.requests).toEqual(['POST /v1/swap', 'POST /v1/swap']);
});

test('too little money is said with what is there and what is needed', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const wallet = bench.wallet(mint);
  await fund(wallet, 64);
  const failure = await wallet.send({ amount: sat(100) }, soon()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(InsufficientFundsError);
  if (failure instanceof InsufficientFundsError) {
    expect(failure.have).toBe(sat(64));
    expect(failure.need).toBeGreaterThan(100);
  }
  const exact = await wallet.send({ amount: sat(64) }, soon()).catch((error: unknown) => error);
  expect(exact).toBeInstanceOf(InsufficientFundsError);
  expect(wallet.balance()).toMatchObject({ ready: sat(64), reserved: 0 });
});

test('the same key sends once', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint);
  await fund(wallet, 100);
  const first = await wallet.send({ amount: sat(10), key: 'run 1' }, soon());
  expect(await wallet.send({ amount: sat(10), key: 'run 1' }, soon())).toEqual(first);
  expect(wallet.handOver(first.operation, 'node')).toBe(wallet.handOver(first.operation, 'node'));
  expect(wallet.balance()).toMatchObject({ ready: sat(90), sent: sat(10) });
});

test('an unclaimed token is taken back, also by pasting it; a claimed one is not', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const wallet = bench.wallet(mint);
  await fund(wallet, 500);
  const one = await wallet.send({ amount: sat(100) }, soon());
  expect(await wallet.reclaim(one.operation, soon())).toMatchObject({ state: 'reclaimed', amount: sat(100) });
  expect(() => wallet.handOver(one.operation, 'late')).toThrow(OperationStateError);

  const two = await wallet.send({ amount: sat(100) }, soon());
  const back = await wallet.receive(wallet.handOver(two.operation, 'me'), { cap: true }, soon());
  expect(back.amount).toBe(sat(100));
  expect(wallet.balance()).toMatchObject({ sent: 0, reserved: 0, incoming: 0 });

  const three = await wallet.send({ amount: sat(100) }, soon());
  await (await stranger(mint)).redeem(wallet.handOver(three.operation, 'friend'));
  expect(await wallet.reclaim(three.operation, soon())).toEqual({ state: 'claimed' });
  expect(wallet.balance().sent).toBe(sat(0));
  expect(await wallet.check(soon())).toMatchObject({ consistent: true });
});

test('sends side by side share one balance, and none sees the change of another as missing', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const words = newWords();
  const wallet = bench.wallet(mint, { words });
  await fund(wallet, 1024);
  const sent = await Promise.all([1, 2, 3, 4, 5].map((n) => wallet.send({ amount: sat(n * 50) }, soon())));
  const out = sent.reduce((sum, each) => sum + each.face + each.fee, 0);
  expect(wallet.balance().ready).toBe(sat(1024 - out));
  expect(await balanceFromWords(mint, words)).toBe(wallet.balance().ready + wallet.balance().sent);
});

test('an invoice that is paid a moment later is noticed over the WebSocket, and by asking where there is none', async () => {
  for (const webSocket of [true, false]) {
    const mint = bench.mint({ incoming: { afterMs: 200 }, webSocket });
    const wallet = bench.wallet(mint);
    const topUp = await wallet.topUp({ amount: sat(77) }, soon());
    expect(topUp.invoice).toStartWith('lnbcrt770n1');
    expect(wallet.operations({ limit: 5, unfinished: true })).toHaveLength(1);
    expect(await wallet.claimTopUp(topUp.operation, soon())).toBe('unpaid');
    expect(await wallet.watchTopUp(topUp.operation, soon())).toBe('paid');
    expect(wallet.balance().ready).toBe(sat(77));
    if (webSocket) expect(count(mint, '/v1/mint/quote/bolt11')).toBe(1);
  }
});

test('an invoice that expired and is paid all the same brings its money', async () => {
  const mint = bench.mint({ incoming: 'on-demand' });
  const words = newWords();
  const directory = bench.folder();
  let now = Date.now();
  const wallet = bench.wallet(mint, { words, directory, clock: { now: () => now } });
  const topUp = await wallet.topUp({ amount: sat(50) }, soon());
  now += 2 * 3_600_000;
  expect(await wallet.claimTopUp(topUp.operation, soon())).toBe('expired');
  now += 48 * 3_600_000;
  expect(await wallet.claimTopUp(topUp.operation, soon())).toBe('expired');
  expect(wallet.operations({ limit: 5, unfinished: true })).toEqual([]);
  mint.pay(mint.quoteOf(topUp.invoice));
  expect(await wallet.claimTopUp(topUp.operation, soon())).toBe('paid');
  expect(wallet.balance().ready).toBe(sat(50));
});

test('a payment that fails gives the money back at once; the invoice of another network is not tried', async () => {
  const mint = bench.mint({ outgoing: 'failed' });
  const wallet = bench.wallet(mint, { network: 'bcrt' });
  await fund(wallet, 500);
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon());
  await expect(wallet.withdraw(quote.operation, soon())).rejects.toThrow(InvoiceRefusedError);
  expect(wallet.balance()).toMatchObject({ ready: sat(500), reserved: 0 });

  const problems: readonly (readonly [string, string])[] = [
    [mint.invoice(100, { network: 'bc' }), 'wrong-network'],
    [mint.invoice(undefined), 'no-amount'],
    [mint.invoice(10, { age: 7200 }), 'expired'],
    [mint.invoice(10).slice(0, -3), 'malformed'],
    ['hello', 'malformed'],
  ];
  for (const [invoice, kind] of problems) {
    const failure = await wallet.quoteWithdrawal({ invoice }, soon()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvoiceRefusedError);
    if (failure instanceof InvoiceRefusedError)
      expect(failure.problem.kind).toBe(kind as typeof failure.problem.kind);
  }
});

test('an invoice of the same mint is settled inside it; a second payment of it is refused and costs nothing', async () => {
  const mint = bench.mint({ incoming: 'at-once' });
  const wallet = bench.wallet(mint);
  await fund(wallet, 500);
  mint.lightning.incoming = 'on-demand';
  const topUp = await wallet.topUp({ amount: sat(100) }, soon());
  const first = await wallet.quoteWithdrawal({ invoice: topUp.invoice }, soon());
  const second = await wallet.quoteWithdrawal({ invoice: topUp.invoice }, soon());
  expect(await wallet.withdraw(first.operation, soon())).toMatchObject({ state: 'paid', fee: 0 });
  await expect(wallet.withdraw(second.operation, soon())).rejects.toThrow(InvoiceRefusedError);
  expect(await wallet.claimTopUp(topUp.operation, soon())).toBe('paid');
  expect(wallet.balance()).toMatchObject({ ready: sat(500), reserved: 0 });
});

test('restore finds from the words what was lost with the file, over rotated keysets, and then sends again', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const words = newWords();
  const wallet = bench.wallet(mint, { words });
  await fund(wallet, 300);
  mint.rotate();
  await wallet.send({ amount: sat(50) }, soon());
  await fund(wallet, 200);
  const { ready, sent } = wallet.balance();
  wallet.close();

  const restored = bench.wallet(mint, { words, restoreDepth: { gap: 50, batch: 50 } });
  const report = await restored.restore(soon());
  // A token that nobody claimed is found as well: its proofs are derived from the words, too.
  expect(report.recovered).toBe(sat(ready + sent));
  expect((await restored.restore(soon())).recovered).toBe(sat(0));
  await restored.send({ amount: sat(100) }, soon());
  expect(await restored.check(soon())).toMatchObject({ consistent: true, spentElsewhere: 0 });
}, 30_000);

test('fees that are too high, a full wallet and a mint of the future are refused', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint, { maxBalance: sat(1500) });
  await fund(wallet, 1000);
  mint.lightning.feeReserve = (amount) => amount;
  await expect(wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon())).rejects.toMatchObject({
    problem: { kind: 'fee-too-high', fee: sat(100), max: sat(10) },
  });
  await expect(wallet.topUp({ amount: sat(501) }, soon())).rejects.toThrow(BalanceCapError);

  const future = bench.mint();
  const later = (body: string) => body.replaceAll(/"id":"01/g, '"id":"02');
  for (const path of ['/v1/keys', '/v1/keysets']) {
    future.faults.add({ path, when: 'after', effect: { kind: 'edit', edit: later }, times: 9 });
  }
  const stuck = bench.wallet(future);
  await expect(stuck.topUp({ amount: sat(5) }, soon())).rejects.toMatchObject({
    problem: { kind: 'unsupported-keysets' },
  });
});

test('a run is in the ledger together with the money', async () => {
  const wallet = bench.wallet(bench.mint());
  const entry = {
    ts: 1000,
    provider: 'routstr',
    budget: sat(100),
    refund: sat(0),
    spent: sat(0),
    fee: sat(0),
    model: undefined,
    sessionId: 's1',
    promptPrefix: 'x'.repeat(200),
    state: 'running',
    nodeUrl: 'https://node.example',
    owner: 'ada',
  };
  const id = wallet.transaction(() => wallet.ledger.append(entry));
  wallet.transaction(() =>
    wallet.ledger.update(id, { refund: sat(60), spent: sat(38), fee: sat(2), state: 'settled' }),
  );
  expect(wallet.ledger.latest(5)).toEqual([
    {
      ...entry,
      id,
      refund: sat(60),
      spent: sat(38),
      fee: sat(2),
      state: 'settled',
      promptPrefix: 'x'.repeat(80),
    },
  ]);
  expect(wallet.ledger.spentSince(1000)).toBe(sat(40));
  expect(wallet.ledger.spentSince(1001)).toBe(sat(0));
  expect(wallet.ledger.spentSince(0, 'ada')).toBe(sat(40));
  expect(wallet.ledger.spentSince(0, 'bob')).toBe(sat(0));
  expect((await wallet.check(soon())).problems).toEqual([]);
  wallet.transaction(() =>
    wallet.ledger.update(id, { refund: sat(61), spent: sat(38), fee: sat(2), state: 'settled' }),
  );
  expect((await wallet.check(soon())).problems).toEqual([{ kind: 'ledger', run: id }]);
});

test('the ledger has the columns that others read it by', () => {
  const wallet = bench.wallet(bench.mint());
  const db = new Database(wallet.info().file, { readonly: true });
  try {
    const columns = db.query('SELECT name FROM pragma_table_info(?) ORDER BY cid').values('spend_log').flat();
    // docs/design.md#the-ledger
    expect(columns.join(', ')).toBe(
      'id, ts, provider, budget_sats, refund_sats, spent_sats, fee_sats, model, session_id, prompt_prefix, state, node_url, owner',
    );
  } finally {
    db.close();
  }
});

test('an operation is found by its id, and by a beginning that means one', async () => {
  const wallet = bench.wallet(bench.mint());
  const made = [];
  for (let i = 0; i < 3; i += 1) made.push((await wallet.topUp({ amount: sat(5) }, soon())).operation);
  const [first = '', second = ''] = made;
  expect(wallet.operation(first)).toMatchObject({ operation: first, kind: 'mint', state: 'quoted' });
  expect(wallet.operation(` ${second.slice(0, 8).toUpperCase()} `)).toMatchObject({ operation: second });
  expect(wallet.operation(first.slice(0, 2))).toBeUndefined();
  expect(wallet.operation('%%%')).toBeUndefined();
  expect(wallet.operation('0000000000')).toBeUndefined();

  // Two that begin alike: the one that is not finished is meant; with both finished, neither.
  const tables = wallet.extension('test', []);
  const rename = (from: string, to: string) =>
    wallet.transaction(() => tables.run('UPDATE operations SET id = ? WHERE id = ?', to, from));
  rename(first, 'abcdefghj2');
  rename(second, 'abcdefghk2');
  expect(wallet.operation('abcdefgh')).toBeUndefined();
  expect(wallet.operation('abcdefghj')).toMatchObject({ operation: 'abcdefghj2' });
  wallet.transaction(() => tables.run("UPDATE operations SET state = 'expired' WHERE id = 'abcdefghj2'"));
  expect(wallet.operation('abc')).toMatchObject({ operation: 'abcdefghk2' });
});
