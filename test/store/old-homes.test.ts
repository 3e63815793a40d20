/*
 * Wallets that an earlier version left in the middle of everything it can be in the middle of: this version takes them
 * over and finishes each operation and each paid run as that one would have, to the sat. What was put in is in
 * test/fixtures/homes; the mints and nodes of a home are the judges, and what somebody else has is written down there.
 */
import { Database } from 'bun:sqlite';
import { afterEach, describe, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { type CashuWallet, type OperationId, SpentElsewhereError } from '@nostr-dm-agent/cashu-wallet';
import { openCashuWallet, readMintUrl, readMnemonic } from '@nostr-dm-agent/cashu-wallet/open';
import { balanceFromWords, quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { type PaidRun, parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createMeter, createRoutstrProvider } from '@nostr-dm-agent/routstr/open';
import { sonnet } from '@nostr-dm-agent/routstr/testing/paid-world';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { SandboxNode } from '@nostr-dm-agent/sandbox/node';
import type { z } from 'zod';
import {
  contentOf,
  copiesOf,
  type OldHome,
  openOldHome,
  type Put,
  paidHomeSchema,
  versionOf,
  walletHomeSchema,
} from '../support/old-home.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

let ending: (() => Promise<void>) | undefined;
afterEach(async () => {
  await ending?.();
  ending = undefined;
});

type Home = z.infer<typeof walletHomeSchema> | z.infer<typeof paidHomeSchema>;

/** A copy of the home, its wallet's file and the same file as it was. */
function unpack<H extends Home>(name: string, schema: z.ZodType<H>) {
  const opened = openOldHome(name, schema);
  ending = opened.end;
  const file = opened.load('wallet', opened.path(opened.home.walletFile));
  const before = contentOf(file);
  return { ...opened, file, before };
}

function openWallet(
  { home, directory, clock, onEnd }: Pick<OldHome<Home>, 'home' | 'directory' | 'clock' | 'onEnd'>,
  mints: ReadonlyMap<string, SandboxMint>,
  accepted: readonly string[],
): CashuWallet {
  const url = (name: string) => readMintUrl(mints.get(name)?.url ?? '');
  const wallet = openCashuWallet({
    seed: readMnemonic(home.words),
    defaultMint: url('mint'),
    mints: accepted.map(url),
    maxBalance: sat(1_000_000),
    network: undefined,
    log: quiet,
    limits: { timeoutMs: 20_000, meltTimeoutMs: 20_000 },
    ...{ directory, clock },
  });
  onEnd(wallet.close);
  return wallet;
}

/** If it was migrated, the file is beside it as it was. */
function expectCopyKept(file: string, before: ReturnType<typeof contentOf>): void {
  const db = new Database(file, { readonly: true });
  const now = versionOf(db);
  db.close();
  const copies = copiesOf(file);
  expect(copies).toHaveLength(now > before.version ? 1 : 0);
  for (const copy of copies) {
    expect(copy).toBe(`${file}.before-v${now}`);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(contentOf(copy)).toEqual(before);
  }
}

const total = (amounts: Iterable<number>): number => [...amounts].reduce((sum, amount) => sum + amount, 0);
const outstandingAt = (mints: ReadonlyMap<string, SandboxMint>): number =>
  total([...mints.values()].map((mint) => mint.audit().totalOutstanding));
/** The books of mints or nodes are what they would have been with the version before: nothing was done twice. */
function expectAudits(
  houses: ReadonlyMap<string, { readonly audit: () => object }>,
  books: Readonly<Record<string, object>>,
  unmeasured: Readonly<Record<string, undefined>> = {},
): void {
  for (const [name, house] of houses) {
    // What the books of then did not have.
    const left = { changeTokens: undefined, byAccount: undefined, ...unmeasured };
    expect({ name, ...house.audit(), ...left }).toEqual({ name, ...books[name], ...left });
  }
}

async function expectBooks(wallet: CashuWallet): Promise<void> {
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
}

describe.each(['wallet', 'rotated', 'undone'])('an old home with its wallet at work: %s', (name) => {
  test.each([
    ['ten minutes', 10 * minute],
    ['a year', 365 * day],
  ])('comes to its end %s later', (_, later) => finishWallet(name, later), 60_000);
});

async function finishWallet(name: string, later: number): Promise<void> {
  const old = unpack(name, walletHomeSchema);
  const { home, clock } = old;
  clock.at = home.takenAt + later;
  const mints = await old.startMints({ incoming: 'on-demand' });
  const others = [...mints.keys()].filter((mint) => mint !== 'mint');
  const wallet = openWallet(old, mints, others);
  expectCopyKept(old.file, old.before);
  expectStates(home.put, (id) => wallet.operation(id));
  expect(wallet.balance()).toMatchObject(home.atOpening);

  await wallet.recover(soon());
  if (later < day) expect(wallet.balance()).toMatchObject(home.afterStart);
  clock.at += day;
  for (const put of home.put) await somebodyElse(put, wallet, mints.get('mint'));
  await wallet.recover(soon());
  clock.at += 2 * day;
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
  if (home.sendAll) await sendAll(wallet);
  for (const { operation, kind, state } of wallet.operations({ limit: 1000 })) {
    const isUnclaimed = kind === 'send' && (state === 'issued' || state === 'handed_over');
    if (isUnclaimed) await wallet.reclaim(operation, soon());
  }

  expectEnds(home.put, (id) => {
    const found = wallet.operation(id);
    return found && { state: found.state, amount: found.amount, fee: found.fee };
  });
  const { ready, reserved, sent, incoming, mints: parts } = wallet.balance();
  expect({ ready, reserved, sent, incoming }).toMatchObject({ reserved: 0, sent: 0, incoming: 0 });
  expect({ ready, mints: parts.map((part) => part.ready) }).toMatchObject(home.atTheEnd);
  await expectBooks(wallet);
  // The mints say the same, and who has the words and nothing else finds the same.
  expect(outstandingAt(mints)).toBe(ready + total(Object.values(home.strangers)));
  expectAudits(mints, home.books);
  const fromWords = [...mints.values()].map((mint) => balanceFromWords(mint, home.words, 100));
  expect(total(await Promise.all(fromWords))).toBe(ready);
  // It goes on as if nothing had been.
  await wallet.send({ amount: sat(10) }, soon());
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
}

/** What comes over Lightning, a day after the wallet is back. */
async function somebodyElse(
  { id, later, invoice = '' }: Put,
  wallet: CashuWallet,
  mint: SandboxMint | undefined,
): Promise<void> {
  if (later === undefined || mint === undefined) return;
  if (later === 'pay') {
    mint.pay(mint.quoteOf(invoice));
    expect(await wallet.claimTopUp(id as OperationId, soon())).toBe('paid');
  } else mint.settle(mint.meltQuoteOf(invoice), later === 'settle paid' ? 'paid' : 'failed');
}

/** What seems to be there and is not is noticed when it is used, and comes back as what it became. */
async function sendAll(wallet: CashuWallet): Promise<void> {
  const failure = await wallet
    .send({ amount: sat(wallet.balance().ready - 3) }, soon())
    .catch((error: unknown) => error);
  if (failure instanceof Error && !(failure instanceof SpentElsewhereError)) throw failure;
}

/** Everything was taken over as it was. */
function expectStates(
  puts: readonly Put[],
  find: (id: string) => { readonly state: string } | undefined,
): void {
  const known = puts.filter(({ id }) => id !== undefined);
  const found = known.map(({ what, id = '' }) => ({ what, state: find(id)?.state ?? 'not there' }));
  expect(found).toEqual(known.map(({ what, state = '' }) => ({ what, state })));
}

function expectEnds(puts: readonly Put[], find: (id: string) => object | undefined): void {
  const known = puts.filter(({ id }) => id !== undefined);
  const found: readonly object[] = known.map(({ what, id = '' }) => ({ what, end: find(id) }));
  expect(found).toEqual(known.map(({ what, end }) => ({ what, end })));
}

describe.each(['paid-runs', 'accounts'])('an old home with its money at nodes: %s', (name) => {
  test.each([
    ['ten minutes', 10 * minute],
    ['ten days', 10 * day],
  ])('brings it home %s later', (_, later) => bringHome(name, later), 60_000);
});

async function bringHome(name: string, later: number): Promise<void> {
  const old = unpack(name, paidHomeSchema);
  const { home, clock } = old;
  clock.at = home.takenAt + later;
  const mints = await old.startMints({ incoming: 'at-once' });
  const nodes = await old.startNodes(mints);
  const wallet = openWallet(old, mints, []);
  const provider = await openProvider(old, wallet, nodes);
  const { paidRuns } = provider;
  expectCopyKept(old.file, old.before);
  expectStates(home.put, (id) => paidRuns.find(id)?.body);
  expect(wallet.balance()).toMatchObject(home.atOpening);

  await wallet.recover(soon());
  expect((await provider.recover(soon())).length).toBeGreaterThan(0);
  const wait = async (ms: number, times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      clock.at += ms;
      await provider.lookAfter(soon());
      await wallet.recover(soon());
    }
  };
  await wait(2 * minute, 20);
  if (home.refund) await provider.account.refund(soon());
  await wait(day, 3);
  // The owner accepts the mint at which some change is.
  const second = mints.get('second');
  if (second) wallet.addMint(second.url);
  await wait(day, 3);

  expectEnds(home.put, (id) => {
    const run = paidRuns.find(id);
    return run && endOf(run);
  });
  // For what a person has to look at there is all that the node said.
  for (const { id } of paidRuns.open()) expect(paidRuns.evidence(id).length).toBeGreaterThan(0);
  await expectMoney(home, wallet, mints, nodes);
  // It goes on as if nothing had been.
  const ticket = { runId: 'new', sessionId: 's', owner: 'ada', model: undefined, task: 'go on' };
  expect((await provider.prepareRun(ticket, soon())).state).toBe('ready');
  expect(await provider.finalizeRun('new', soon())).toMatchObject({ spent: 0 });
  await expectBooks(wallet);
}

async function openProvider(
  old: OldHome<z.infer<typeof paidHomeSchema>>,
  wallet: CashuWallet,
  nodes: ReadonlyMap<string, SandboxNode>,
) {
  const meter = createMeter(quiet);
  old.onEnd(meter.close);
  const provider = createRoutstrProvider({
    ...{ wallet, meter, clock: old.clock, log: quiet },
    nodes: { current: () => parseNodeUrl(nodes.get('node')?.url ?? '') },
    rules: {
      budget: () => sat(64),
      dayLimit: () => undefined,
      dayStart: () => 0,
      model: () => sonnet,
    },
    announce: () => undefined,
    waits: { present: [5, 5], settle: [5, 5] },
  });
  old.onEnd(provider.close);
  return provider;
}

function endOf({ body }: PaidRun): object {
  switch (body.state) {
    case 'settled':
      return { state: body.state, out: body.out, spent: body.spent, change: body.change, fee: body.fee };
    case 'needs_operator':
      return { state: body.state, trouble: body.trouble, out: body.out };
    default:
      return { state: body.state };
  }
}

/** Wallet + ledger + what a node withholds = what was put in; nodes and mints say the same. */
async function expectMoney(
  home: z.infer<typeof paidHomeSchema>,
  wallet: CashuWallet,
  mints: ReadonlyMap<string, SandboxMint>,
  nodes: ReadonlyMap<string, SandboxNode>,
): Promise<void> {
  const { ready, reserved, sent, incoming } = wallet.balance();
  expect({ ready, reserved, sent, incoming } as Record<string, number>).toEqual(home.atTheEnd);
  const rows = wallet.ledger.latest(1000);
  for (const { state, budget, spent, refund, fee } of rows) {
    if (state === 'settled') expect(budget).toBe(sat(spent + refund + fee));
  }
  const ledger = {
    rows: rows.length,
    spent: total(rows.map(({ spent }) => spent)),
    fee: total(rows.map(({ fee }) => fee)),
    open: total(rows.filter(({ state }) => state !== 'settled').map(({ budget }) => budget)),
  };
  expect(ledger).toEqual(home.ledger);
  expect(ready + ledger.spent + ledger.fee + ledger.open).toBe(home.paidIn);
  await expectBooks(wallet);
  expectAudits(nodes, home.books.nodes);
  const held = total([...nodes.values()].flatMap((node) => Object.values(node.audit().heldSat)));
  expect(outstandingAt(mints)).toBe(ready + held + total(Object.values(home.strangers)));
  // A stand-in node asks its mint for an invoice whenever it is asked for change that it can't make, and here every
  // invoice is paid at once: how many it left lying depends on how often it was asked.
  expectAudits(mints, home.books.mints, { paidUnissued: undefined });
}
