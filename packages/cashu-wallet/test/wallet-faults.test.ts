import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { Fault, SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import {
  InsufficientFundsError,
  InvoiceRefusedError,
  MintError,
  SpentElsewhereError,
  UnfinishedOperationError,
} from '../src/wallet-errors.ts';
import { balanceFromWords, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

/** Every operation, each from a wallet with 1000 sat. */
const operations: readonly {
  readonly name: string;
  readonly path: string;
  readonly run: (wallet: CashuWallet, mint: SandboxMint) => Promise<unknown>;
}[] = [
  { name: 'send', path: '/v1/swap', run: (wallet) => wallet.send({ amount: sat(100) }, soon()) },
  {
    name: 'receive',
    path: '/v1/swap',
    run: async (wallet, mint) => wallet.receive((await tokens.get(mint)?.()) ?? '', { cap: true }, soon()),
  },
  {
    name: 'mint',
    path: '/v1/mint/bolt11',
    run: async (wallet) =>
      wallet.claimTopUp((await wallet.topUp({ amount: sat(77) }, soon())).operation, soon()),
  },
  {
    name: 'melt',
    path: '/v1/melt/bolt11',
    run: async (wallet, mint) =>
      wallet.withdraw(
        (await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon())).operation,
        soon(),
      ),
  },
];
/** Tokens made beforehand, so that making them does not meet the fault. */
const tokens = new Map<SandboxMint, () => Promise<string>>();

async function ready(
  options: Parameters<typeof bench.mint>[0] & {
    settleAfterMs?: number;
    meltTimeoutMs?: number;
    clock?: { now: () => number };
  } = {},
) {
  const { settleAfterMs = -1, meltTimeoutMs = 20_000, clock, ...mintOptions } = options;
  const mint = bench.mint({ feePpk: 100, cache: false, ...mintOptions });
  const words = newWords();
  const directory = bench.folder();
  const wallet = bench.wallet(mint, {
    words,
    directory,
    policy: { settleAfterMs },
    limits: { timeoutMs: 20_000, meltTimeoutMs },
    ...(clock ? { clock } : {}),
  });
  await fund(wallet, 1000);
  const token = await (await stranger(mint)).token(300);
  tokens.set(mint, async () => token);
  const file = wallet.info().file;
  return { mint, words, wallet, file };
}

/** Nothing is held, nothing is open, and mint, wallet and words say the same. */
async function expectWhole(wallet: CashuWallet, mint: SandboxMint, words: string): Promise<void> {
  const { ready: free, reserved, sent, incoming } = wallet.balance();
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  expect(await balanceFromWords(mint, words)).toBe(free + sent);
  expect(mint.audit().balanced).toBe(true);
}

const lostAnswers: readonly (readonly [string, Fault['effect']])[] = [
  ['500', { kind: 'status', status: 500 }],
  ['504', { kind: 'status', status: 504 }],
  ['a broken connection', { kind: 'cut' }],
  ['nonsense', { kind: 'edit', edit: () => '<html>gateway</html>' }],
  ['too few signatures', { kind: 'edit', edit: () => '{"signatures": [], "state": "what", "quote": ""}' }],
];
for (const { name, path, run } of operations) {
  for (const [what, effect] of lostAnswers) {
    test(`${name}: the mint does it and answers with ${what}; it is found out at once`, async () => {
      const { mint, words, wallet } = await ready();
      mint.faults.add({ path, when: 'after', effect });
      await run(wallet, mint);
      expect(wallet.operations({ limit: 1 })).toMatchObject([{ kind: name, open: false }]);
      await expectWhole(wallet, mint, words);
    });
  }

  test(`${name}: the mint is broken for a while, does nothing, and is asked again later`, async () => {
    const { mint, words, wallet } = await ready();
    mint.faults.add({ path, when: 'before', effect: { kind: 'status', status: 503 }, times: 5 });
    const failure = await run(wallet, mint).catch((error: unknown) => error);
    if (name === 'melt') {
      // A payment is never repeated: the money is free again, and the owner decides.
      expect(failure).toBeInstanceOf(InvoiceRefusedError);
    } else {
      expect(failure).toBeInstanceOf(UnfinishedOperationError);
      expect(wallet.operations({ limit: 1 })).toMatchObject([{ kind: name, open: true }]);
      mint.faults.clear();
      const report = await wallet.recover(soon());
      expect(report).toMatchObject({ waiting: [], troubled: [] });
      expect(report.settled).toHaveLength(1);
    }
    await expectWhole(wallet, mint, words);
  });

  test(`${name}: a full disk when the answer is to be written loses nothing`, async () => {
    const { mint, words, wallet, file } = await ready();
    const other = new Database(file);
    other.exec(
      `CREATE TRIGGER full BEFORE INSERT ON proofs BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
    );
    await expect(run(wallet, mint)).rejects.toThrow(UnfinishedOperationError);
    other.exec('DROP TRIGGER full');
    other.close();
    expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
    await expectWhole(wallet, mint, words);
  });

  test(`${name}: a full disk before the request makes no request`, async () => {
    const { mint, words, wallet, file } = await ready();
    const other = new Database(file);
    for (const event of ['INSERT', 'UPDATE']) {
      other.exec(
        `CREATE TRIGGER full_${event} BEFORE ${event} ON operations WHEN NEW.state = 'prepared'
         BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
      );
    }
    const before = mint.requests.length;
    await expect(run(wallet, mint)).rejects.toThrow('disk is full');
    expect(mint.requests.slice(before)).not.toContain(`POST ${path}`);
    other.exec('DROP TRIGGER full_INSERT; DROP TRIGGER full_UPDATE');
    other.close();
    await wallet.recover(soon());
    await expectWhole(wallet, mint, words);
  });

  test(`${name}: the keyset rotates between preparing and submitting`, async () => {
    const { mint, words, wallet } = await ready();
    mint.faults.add({
      path,
      when: 'before',
      effect: { kind: 'run', run: () => mint.rotate({ feePpk: 200 }) },
    });
    await run(wallet, mint);
    expect(wallet.operations({ limit: 1 })).toMatchObject([{ kind: name, open: false }]);
    await expectWhole(wallet, mint, words);
  });

  test(`${name}: the keyset rotates, and the wallet hears of it while it recovers`, async () => {
    const { mint, words, wallet } = await ready();
    mint.faults.add({ path, when: 'before', effect: { kind: 'status', status: 503 }, times: 2 });
    await run(wallet, mint).catch(() => undefined);
    mint.faults.clear();
    mint.rotate();
    expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
    await expectWhole(wallet, mint, words);
  });

  test(`${name}: a mint that is down is said to be; what was on its way in is taken when it is back`, async () => {
    const { mint, words, wallet } = await ready();
    let failure: unknown;
    mint.faults.add({ path, when: 'before', effect: { kind: 'hold' } });
    const working = run(wallet, mint).catch((error: unknown) => {
      failure = error;
    });
    while (mint.faults.holding() === 0) await Bun.sleep(2);
    await mint.goDown();
    await working;
    expect(failure).toBeInstanceOf(UnfinishedOperationError);
    await expect(wallet.quoteWithdrawal({ invoice: mint.invoice(5) }, soon())).rejects.toThrow(MintError);
    expect((await wallet.recover(soon())).waiting).toHaveLength(1);
    mint.comeUp();
    expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
    await expectWhole(wallet, mint, words);
  });

  test(`${name}: some outputs signed and some not is kept open and reported`, async () => {
    if (name === 'melt') return;
    const { mint, words, wallet } = await ready();
    mint.faults.add({ path, when: 'after', effect: { kind: 'status', status: 500 } });
    const half = (body: string) => {
      const { outputs, signatures } = JSON.parse(body);
      return JSON.stringify({ outputs: outputs.slice(1), signatures: signatures.slice(1) });
    };
    mint.faults.add({ path: '/v1/restore', when: 'after', effect: { kind: 'edit', edit: half }, times: 2 });
    const failure = await run(wallet, mint).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnfinishedOperationError);
    if (failure instanceof UnfinishedOperationError) expect(failure.trouble).toBe('partial-signatures');
    expect((await wallet.recover(soon())).troubled).toMatchObject([
      { kind: name, trouble: 'partial-signatures' },
    ]);
    // The mint remembers the rest: then it is whole.
    expect(await wallet.recover(soon())).toMatchObject({ troubled: [], waiting: [] });
    await expectWhole(wallet, mint, words);
  });
}

test('a mint that nobody can reach costs nothing: nothing was sent, nothing is reserved', async () => {
  const { mint, words, wallet } = await ready();
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(10) }, soon());
  const token = await tokens.get(mint)?.();
  await mint.goDown();
  for (const work of [
    () => wallet.send({ amount: sat(100) }, soon()),
    () => wallet.withdraw(quote.operation, soon()),
  ]) {
    const failure = await work().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MintError);
    if (failure instanceof MintError) expect(failure.problem).toEqual({ kind: 'unreachable' });
    expect(wallet.balance()).toMatchObject({ ready: sat(1000), reserved: sat(0) });
  }
  // A token is bearer money: it is kept, and taken when the mint is back.
  await expect(wallet.receive(token ?? '', { cap: true }, soon())).rejects.toThrow(UnfinishedOperationError);
  expect(wallet.balance().incoming).toBeGreaterThan(290);
  mint.comeUp();
  await wallet.recover(soon());
  expect(wallet.balance().ready).toBeGreaterThan(1290);
  await expectWhole(wallet, mint, words);
});

test('a mint that says 429 is left in peace and nothing is reserved', async () => {
  const { mint, words, wallet } = await ready();
  mint.faults.add({
    path: '/v1/swap',
    when: 'before',
    effect: { kind: 'status', status: 429, retryAfterSeconds: 7 },
  });
  const failure = await wallet.send({ amount: sat(100) }, soon()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(MintError);
  if (failure instanceof MintError)
    expect(failure.problem).toEqual({ kind: 'rate-limited', retryAfterMs: 7000 });
  await expectWhole(wallet, mint, words);
});

test('a slow mint is waited for no longer than the time-out', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint, { limits: { timeoutMs: 300, meltTimeoutMs: 300 } });
  mint.faults.add({ path: '/v1/keysets', when: 'before', effect: { kind: 'hold' } });
  const failure = await wallet.topUp({ amount: sat(10) }, soon()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(MintError);
  if (failure instanceof MintError) expect(failure.problem).toEqual({ kind: 'timeout', afterMs: 300 });
});

test('aborting stops the waiting and keeps the money', async () => {
  const { mint, words, wallet } = await ready();
  const abort = new AbortController();
  mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'hold' } });
  const sending = wallet.send({ amount: sat(100) }, abort.signal).catch((error: unknown) => error);
  while (mint.faults.holding() === 0) await Bun.sleep(2);
  abort.abort(new Error('stop'));
  expect(await sending).toBeInstanceOf(UnfinishedOperationError);
  mint.faults.release();
  // What the send holds is nobody else's, until it is known what became of it.
  const { ready: free, reserved } = wallet.balance();
  expect(reserved).toBeGreaterThan(100);
  expect(free + reserved).toBe(1000);
  await wallet.recover(soon());
  await expectWhole(wallet, mint, words);
});

test('a payment under way stays reserved until the mint says what became of it', async () => {
  const { mint, words, wallet } = await ready({ outgoing: 'pending' });
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(300) }, soon());
  expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'pending' });
  expect((await wallet.recover(soon())).waiting).toMatchObject([{ state: 'pending' }]);
  expect(wallet.balance().reserved).toBeGreaterThan(300);
  mint.settle(mint.meltQuoteOf(quoteText(wallet)), 'paid');
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [] });
  expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
  await expectWhole(wallet, mint, words);

  const second = await wallet.quoteWithdrawal({ invoice: mint.invoice(100) }, soon());
  await wallet.withdraw(second.operation, soon());
  const before = wallet.balance();
  mint.settle(mint.meltQuoteOf(quoteText(wallet)), 'failed');
  await wallet.recover(soon());
  expect(wallet.balance().ready).toBe(sat(before.ready + before.reserved));
  await expectWhole(wallet, mint, words);
});

/** The invoice of the newest melt, from the database: the wallet shows it to nobody. */
function quoteText(wallet: CashuWallet): string {
  const db = new Database(wallet.info().file, { readonly: true });
  const row = db
    .query<{ request: string }, []>(
      "SELECT json_extract(data, '$.quote.request') AS request FROM operations WHERE kind = 'melt' ORDER BY seq DESC",
    )
    .get();
  db.close();
  return row?.request ?? '';
}

test('change that the mint does not show twice is had by its exact outputs', async () => {
  const { mint, words, wallet } = await ready();
  mint.faults.add({ path: '/v1/melt/bolt11', when: 'after', effect: { kind: 'status', status: 500 } });
  const once = (body: string) => JSON.stringify({ ...JSON.parse(body), change: undefined });
  mint.faults.add({ path: '/v1/melt/quote/bolt11/', when: 'after', effect: { kind: 'edit', edit: once } });
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(300) }, soon());
  expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
  expect(wallet.balance().ready).toBeGreaterThan(690);
  await expectWhole(wallet, mint, words);
});

test('a send beside a payment under way takes other proofs', async () => {
  const { mint, words, wallet } = await ready({ outgoing: 'pending' });
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(300) }, soon());
  await wallet.withdraw(quote.operation, soon());
  const { ready: free } = wallet.balance();
  await expect(wallet.send({ amount: sat(free) }, soon())).rejects.toThrow(InsufficientFundsError);
  await wallet.send({ amount: sat(free - 10) }, soon());
  mint.settle(mint.meltQuoteOf(quoteText(wallet)), 'paid');
  await wallet.recover(soon());
  await expectWhole(wallet, mint, words);
});

test('a payment is not undone while its request can still be on its way; one that goes through after that is found', async () => {
  let now = Date.now();
  const { mint, words, wallet } = await ready({
    meltTimeoutMs: 500,
    settleAfterMs: 60_000,
    clock: { now: () => now },
  });
  mint.faults.add({ path: '/v1/melt/bolt11', when: 'before', effect: { kind: 'delay' } });
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(200) }, soon());
  await expect(wallet.withdraw(quote.operation, soon())).rejects.toThrow(UnfinishedOperationError);
  expect((await wallet.recover(soon())).waiting).toHaveLength(1);
  expect(wallet.balance().reserved).toBeGreaterThan(0);

  now += 61_000;
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [] });
  // The exact sum was made by a swap, for 1 sat.
  expect(wallet.balance()).toMatchObject({ ready: sat(999), reserved: sat(0) });

  // Against all expectation the mint gets the request now, and pays.
  mint.faults.release();
  while (mint.audit().melted === 0) await Bun.sleep(2);
  await expect(wallet.send({ amount: sat(990) }, soon())).rejects.toThrow(SpentElsewhereError);
  expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid', amount: sat(200) });
  await expectWhole(wallet, mint, words);
  await wallet.send({ amount: sat(700) }, soon());
});

test('the same words in two wallets: what the other spent is put aside and said', async () => {
  const { mint, words, wallet } = await ready();
  const twin = bench.wallet(mint, { words, restoreDepth: { gap: 30, batch: 30 } });
  await twin.restore(soon());
  await twin.send({ amount: sat(900) }, soon());
  const report = await wallet.check(soon());
  expect(report.spentElsewhere).toBeGreaterThan(899);
  expect(wallet.balance().ready).toBe(sat(1000 - report.spentElsewhere));
});

test('a mint with the keyset of another mint is refused: the same secrets would be used twice', async () => {
  const { mint, wallet, words } = await ready();
  const thief = bench.mint({ cache: false });
  const keys = await (await fetch(`${mint.url}/v1/keys`)).text();
  const keysets = await (await fetch(`${mint.url}/v1/keysets`)).text();
  thief.faults.add({ path: '/v1/keys', when: 'after', effect: { kind: 'edit', edit: () => keys } });
  thief.faults.add({ path: '/v1/keysets', when: 'after', effect: { kind: 'edit', edit: () => keysets } });
  const both = wallet.addMint(thief.url);
  const failure = await wallet
    .topUp({ amount: sat(10), mint: both }, soon())
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(MintError);
  if (failure instanceof MintError) expect(failure.problem.kind).toBe('keyset-conflict');
  await expectWhole(wallet, mint, words);
});

test("a request that is carried out while recovery asks is ours, not a thief's", async () => {
  for (const [name, path] of [
    ['send', '/v1/swap'],
    ['receive', '/v1/swap'],
  ] as const) {
    const { mint, words, wallet } = await ready();
    const abort = new AbortController();
    const token = (await tokens.get(mint)?.()) ?? '';
    // The first request is on its way, and arrives between the two questions of recovery: outputs, then inputs.
    mint.faults.add({ path, when: 'before', effect: { kind: 'delay' } });
    const first = (
      name === 'send'
        ? wallet.send({ amount: sat(100) }, abort.signal)
        : wallet.receive(token, { cap: true }, abort.signal)
    ).catch((error: unknown) => error);
    while (mint.faults.holding() === 0) await Bun.sleep(2);
    abort.abort(new Error('stop'));
    expect(await first).toBeInstanceOf(UnfinishedOperationError);
    mint.faults.add({
      path: '/v1/restore',
      when: 'after',
      effect: { kind: 'run', run: mint.faults.release },
    });
    mint.faults.add({
      path: '/v1/checkstate',
      when: 'before',
      effect: { kind: 'wait', until: () => spent(mint) },
    });
    const before = mint.audit().earned;
    function spent(at: SandboxMint): boolean {
      return at.audit().earned > before;
    }
    const report = await wallet.recover(soon());
    expect(report).toMatchObject({ waiting: [], troubled: [] });
    expect(report.settled).toMatchObject([{ state: name === 'send' ? 'issued' : 'done' }]);
    await expectWhole(wallet, mint, words);
  }
});

test('a mint that says PAID before it has signed the change is asked again', async () => {
  let now = Date.now();
  const { mint, words, wallet } = await ready({ settleAfterMs: 60_000, clock: { now: () => now } });
  mint.faults.add({ path: '/v1/melt/bolt11', when: 'after', effect: { kind: 'status', status: 500 } });
  const none = (body: string) => JSON.stringify({ ...JSON.parse(body), change: undefined });
  mint.faults.add({
    path: '/v1/melt/quote/bolt11/',
    when: 'after',
    effect: { kind: 'edit', edit: none },
    times: 2,
  });
  mint.faults.add({
    path: '/v1/restore',
    when: 'after',
    effect: { kind: 'edit', edit: () => '{"outputs": [], "signatures": []}' },
  });
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(300) }, soon());
  await expect(wallet.withdraw(quote.operation, soon())).rejects.toThrow(UnfinishedOperationError);
  now += 1000;
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [] });
  expect(wallet.balance().ready).toBeGreaterThan(690);
  await expectWhole(wallet, mint, words);
});
