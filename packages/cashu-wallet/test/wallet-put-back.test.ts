/* A backup is a way there and back: what is put back is looked at first, and nothing is lost or counted twice. */
import { Database } from 'bun:sqlite';
import { afterEach, describe, expect, test } from 'bun:test';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { CashuWallet } from '../src/faces.ts';
import { RemoteError } from '../src/remote/remote-error.ts';
import { restoreFrom } from '../src/remote/restore-from.ts';
import { BackupRefusedError } from '../src/wallet-errors.ts';
import { createOldWallet } from './support/old-wallet.ts';
import { keyIn, nprofileOf, payloadOf } from './support/payer.ts';
import {
  balanceFromWords,
  createBench,
  createLives,
  fund,
  type Life,
  newWords,
  quiet,
  soon,
  stranger,
} from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const { begin, open } = createLives(bench);
const reachable = (wallet: CashuWallet): CashuWallet => {
  wallet.requests.reachedAt(nprofileOf, () => undefined);
  return wallet;
};
const putBack = ({ mint, words, directory }: Life, from: string) =>
  restoreFrom(
    {
      home: directory,
      wallet: { mnemonic: words, mintUrl: mint.url, mints: [], directory, maxBalance: sat(1_000_000) },
    },
    from,
    { paid_runs: 1 },
    { log: quiet },
    soon(),
  );
const copyPath = (): string => join(bench.folder(), 'a.db');

/** Every sat that the mint owes is here once. */
async function expectWhole(life: Life): Promise<void> {
  const wallet = open(life);
  const { ready, reserved, sent, incoming } = wallet.balance();
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(life.mint.audit()).toMatchObject({ balanced: true, paidUnissued: 0, pending: 0 });
  expect(await balanceFromWords(life.mint, life.words, 60)).toBe(ready + sent);
  wallet.close();
}

test('a backup is put back into an empty folder: all of it is there, and the history says so', async () => {
  const life = begin();
  const first = open(life);
  await fund(first, 1000);
  const copy = copyPath();
  first.backup(copy);
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  first.close();
  const there = { ...life, directory: join(bench.folder(), 'not', 'there', 'yet') };
  const before = readFileSync(copy);
  expect(await putBack(there, copy)).toMatchObject({
    kept: undefined,
    found: [],
    carried: { operations: 0, keptTokens: 0, unread: false },
    balance: { ready: sat(1000) },
  });
  // The backup is as it was, and nothing lies beside it or in the folder that does not belong there.
  expect(readFileSync(copy)).toEqual(before);
  expect(readdirSync(dirname(copy))).toEqual(['a.db']);
  const wallet = open(there);
  expect(readdirSync(there.directory).filter((name) => /incoming|\.part/.test(name))).toEqual([]);
  expect(wallet.operations({ limit: 1 })).toMatchObject([{ state: 'put_back', open: false }]);
  wallet.close();
  await expectWhole(there);
});

test('an older backup in the place of a newer database: what was done since is found, what is out stays out, and a copy is kept', async () => {
  const life = begin({ feePpk: 100 });
  life.mint.lightning.incoming = 'on-demand';
  const first = open(life);
  const early = await first.topUp({ amount: sat(1000) }, soon());
  const copy = copyPath();
  first.backup(copy);
  life.mint.pay(life.mint.quoteOf(early.invoice));
  expect(await first.watchTopUp(early.operation, soon())).toBe('paid');
  const claimed = await first.send({ amount: sat(100) }, soon());
  await (await stranger(life.mint)).redeem(first.handOver(claimed.operation, 'somebody'));
  const out = await first.send({ amount: sat(200) }, soon());
  first.handOver(out.operation, 'nobody yet');
  const late = await first.topUp({ amount: sat(50) }, soon());
  life.mint.lightning.incoming = 'at-once';
  const payer = await stranger(life.mint);
  first.keep(await payer.token(30), 'a node');
  const payment = await payer.proofs(16);
  life.mint.lightning.incoming = 'on-demand';
  // A payment for a request, on disk while the mint is away.
  const { request } = await reachable(first).topUp({ amount: sat(16) }, soon());
  const { text = '' } = request ?? {};
  expect(first.requests.deliver(keyIn(text), payloadOf(text, life.mint.url, payment))).toBe('kept');
  const before = first.balance();
  first.close();

  const put = await putBack(life, copy);
  expect(put.kept).toContain('before-restore');
  expect(put.carried).toEqual({ operations: 4, keptTokens: 2, unread: false });
  const wallet = open(life);
  const { ready, sent } = wallet.balance();
  expect<number>(sent).toBe(before.sent - claimed.face);
  // The same ready money as before, and that of the kept token and of the payment.
  expect(ready).toBeWithin(before.ready + 42, before.ready + 46);
  expect(wallet.requests.news()).toMatchObject([{ kind: 'came', asked: sat(16) }]);
  expect(wallet.operation(out.operation)).toMatchObject({ state: 'handed_over' });
  expect(await wallet.reclaim(out.operation, soon())).toMatchObject({ state: 'reclaimed' });
  // An invoice that only the replaced database knew is still taken.
  life.mint.pay(life.mint.quoteOf(late.invoice));
  expect(await wallet.claimTopUp(late.operation, soon())).toBe('paid');
  expect(wallet.operations({ limit: 100 }).filter(({ trouble }) => trouble !== undefined)).toEqual([]);
  expect(wallet.operation(early.operation)).toMatchObject({ open: false });
  wallet.close();
  // The copy of what was there has what was there.
  const old = new Database(put.kept ?? '', { readonly: true });
  expect(old.query('SELECT count(*) AS n FROM operations WHERE id = ?').get(out.operation)).toEqual({ n: 1 });
  old.close();
  await expectWhole(life);
});

test('a damaged database is replaced all the same, and kept byte for byte', async () => {
  const life = begin();
  const first = open(life);
  await fund(first, 1000);
  const copy = copyPath();
  first.backup(copy);
  const { file } = first.info();
  first.close();
  for (const junk of ['no database at all, but long enough for a header of 100 bytes'.repeat(10), '']) {
    writeFileSync(file, junk);
    const { kept, balance } = await putBack(life, copy);
    expect(balance.ready).toBe(sat(1000));
    if (junk !== '') expect(readFileSync(kept ?? '', 'utf8')).toBe(junk);
  }
  await expectWhole(life);
});

test.each([
  ['overwritten in places', (bytes: Buffer) => bytes.fill(0x41, 20_480, bytes.length - 4096)],
  ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ['full of zeros', (bytes: Buffer) => bytes.fill(0, 4096)],
] as const)('a database that is damaged in its middle is replaced, too: %s', async (_, damage) => {
  const life = begin();
  const first = open(life);
  await fund(first, 1000);
  const copy = copyPath();
  first.backup(copy);
  await first.send({ amount: sat(10) }, soon());
  const { file } = first.info();
  first.close();
  writeFileSync(file, damage(readFileSync(file)));
  expect(await putBack(life, copy)).toMatchObject({
    kept: expect.stringContaining('damaged'),
    carried: { operations: 0, unread: true },
    balance: { ready: sat(1000) },
  });
  expect(readdirSync(life.directory).filter((name) => /incoming|\.part/.test(name))).toEqual([]);
  await expectWhole(life);
});

test('a database whose last writer was killed in the middle of a transaction is rolled back, kept and replaced', async () => {
  const life = begin();
  const first = open(life);
  await fund(first, 1000);
  const copy = copyPath();
  first.backup(copy);
  const { file } = first.info();
  first.close();
  const db = new Database(file);
  db.exec('PRAGMA journal_mode=DELETE; PRAGMA cache_size=1; BEGIN IMMEDIATE');
  db.exec(`UPDATE operations SET note = '${'x'.repeat(50_000)}'; UPDATE proofs SET proof = proof || ' '`);
  const cut = bench.folder();
  for (const part of ['', '-journal']) copyFileSync(file + part, join(cut, basename(file) + part));
  db.exec('ROLLBACK');
  db.close();
  const there = { ...life, directory: cut };
  expect(await putBack(there, copy)).toMatchObject({
    kept: expect.stringMatching(/before-restore$/),
    balance: { ready: sat(1000) },
  });
  await expectWhole(there);
});

test('a copy with its journal beside it, as cp leaves them, is taken as a whole', async () => {
  const life = begin();
  const first = open(life);
  await fund(first, 1000);
  const copy = copyPath();
  const { file } = first.info();
  for (const part of ['', '-wal']) copyFileSync(file + part, copy + part);
  first.close();
  const there = { ...life, directory: bench.folder() };
  expect(await putBack(there, copy)).toMatchObject({ balance: { ready: sat(1000) } });
  await expectWhole(there);
});

describe('what is no copy of this wallet is refused, and nothing is changed', () => {
  const makers: Readonly<Record<string, (life: Life, path: string) => void | Promise<void>>> = {
    missing: () => undefined,
    'no-wallet a text': (_, path) => writeFileSync(path, 'hello'),
    'no-wallet empty': (_, path) => writeFileSync(path, ''),
    'no-wallet a folder': (_, path) => mkdirSync(path),
    'no-wallet another database': (_, path) => {
      const db = new Database(path);
      db.exec('CREATE TABLE operations (id); CREATE TABLE messages (id)');
      db.close();
    },
    'damaged cut off': async (life, path) => {
      open(life).backup(path);
      truncateSync(path, statSync(path).size - 20_000);
    },
    'damaged overwritten': async (life, path) => {
      open(life).backup(path);
      const bytes = readFileSync(path);
      bytes.fill(0x41, 4096, 4096 * 6);
      writeFileSync(path, bytes);
    },
    'newer itself': async (life, path) => {
      open(life).backup(path);
      const db = new Database(path);
      db.exec('PRAGMA user_version=99');
      db.close();
    },
    'newer of another package': async (life, path) => {
      open(life).backup(path);
      const db = new Database(path);
      db.exec("INSERT INTO extensions VALUES ('paid_runs', 2)");
      db.close();
    },
    'other-words empty': (life, path) =>
      open({ ...life, words: newWords(), directory: bench.folder() }).backup(path),
    'other-words of an older version': async (life, path) => {
      const other = open({ ...life, words: newWords(), directory: bench.folder() });
      await fund(other, 100);
      other.backup(path);
      const db = new Database(path);
      db.exec("DELETE FROM settings WHERE key = 'fingerprint'");
      db.close();
    },
  };
  for (const [name, make] of Object.entries(makers)) {
    test(name, async () => {
      const life = begin();
      const path = copyPath();
      const maker = { ...life, directory: bench.folder() };
      await make(maker, path);
      const wallet = open(life);
      const { file } = wallet.info();
      wallet.close();
      const before = readFileSync(file);
      const error: unknown = await putBack(life, path).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(RemoteError);
      expect(error).toMatchObject({
        facts: { name: 'CopyRefusedError', path, problem: { kind: name.split(' ')[0] } },
      });
      expect(readFileSync(file)).toEqual(before);
      expect(readdirSync(life.directory).filter((each) => /incoming|before/.test(each))).toEqual([]);
    });
  }
});

test('the wallet’s own database is no copy of itself, and one that is open is not replaced', async () => {
  const life = begin();
  const wallet = open(life);
  await fund(wallet, 100);
  const copy = copyPath();
  wallet.backup(copy);
  const { file } = wallet.info();
  expect(putBack(life, copy)).rejects.toMatchObject({
    facts: { name: 'WalletInUseError', holder: { pid: process.pid } },
  });
  wallet.close();
  expect(putBack(life, file)).rejects.toMatchObject({ facts: { problem: { kind: 'itself' } } });
  await expectWhole(life);
});

test('a database that an older version wrote is put back and brought up to date', async () => {
  const life = begin();
  const path = copyPath();
  createOldWallet(path, 3).close();
  const newer = open(life);
  await fund(newer, 100);
  const { operation } = await newer.send({ amount: sat(10) }, soon());
  newer.handOver(operation, 'somebody');
  newer.close();
  // What is out stays out, whichever version wrote the copy.
  expect(await putBack(life, path)).toMatchObject({
    carried: { operations: 1, unread: false },
    balance: { ready: sat(90), sent: sat(10) },
  });
  await expectWhole(life);
});

test('a second backup to the same file is refused, and the first one is as it was', () => {
  const life = begin();
  const wallet = open(life);
  const copy = copyPath();
  wallet.backup(copy);
  const before = readFileSync(copy);
  const again = () => wallet.backup(copy);
  expect(again).toThrow(BackupRefusedError);
  try {
    again();
  } catch (error) {
    expect(error).toMatchObject({ path: copy, problem: { kind: 'exists' } });
  }
  expect(readFileSync(copy)).toEqual(before);
  expect(() => wallet.backup(join(copy, 'under a file'))).toThrow(BackupRefusedError);
  expect(existsSync(`${copy}.part`)).toBe(false);
});

test('words are searched over keysets that the mint shows no longer, as far as this database knows them', async () => {
  const life = begin();
  const first = open(life);
  await fund(first, 500);
  const [old] = life.mint.keysets();
  life.mint.rotate();
  const copy = copyPath();
  first.backup(copy);
  const { file } = first.info();
  first.close();
  // The proofs are gone here, and the mint names its new keyset alone.
  const db = new Database(copy);
  db.exec('PRAGMA foreign_keys=OFF; DELETE FROM proofs; DELETE FROM brought_in; DELETE FROM operations');
  db.exec('DELETE FROM counters');
  db.close();
  life.mint.faults.add({
    path: '/v1/keysets',
    when: 'after',
    times: 1000,
    effect: {
      kind: 'edit',
      edit: (body) => {
        const { keysets } = JSON.parse(body);
        return JSON.stringify({ keysets: keysets.filter(({ id }: { id: string }) => id !== old?.id) });
      },
    },
  });
  const there = { ...life, directory: bench.folder() };
  copyFileSync(copy, join(there.directory, basename(file)));
  const wallet = open(there);
  expect(await wallet.restore(soon())).toMatchObject({
    recovered: sat(500),
    unsearched: [],
    unreachable: [],
  });
});
