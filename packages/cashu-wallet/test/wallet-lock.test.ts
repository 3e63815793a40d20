import { afterEach, describe, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { fingerprintOf } from '../src/open-wallet.ts';
import { walletMigrations } from '../src/store/wallet-tables.ts';
import { WalletInUseError } from '../src/wallet-errors.ts';
import { createVictims } from './support/wallet-crash.ts';
import { createBench, fund, newWords, soon } from './support/wallet-kit.ts';

/** How many migrations made such a database. */
const beforeLockFile = 4;

const bench = createBench();
afterEach(() => bench.end());

test('a second process is refused and told who has the wallet; who was killed has it no longer', async () => {
  const mint = bench.mint();
  const words = newWords();
  const directory = bench.folder();
  const first = bench.wallet(mint, { words, directory });
  await fund(first, 100);
  const victims = createVictims();
  try {
    const order = { mint: mint.url, directory, words, action: { kind: 'send' as const, amount: 10 } };
    const refused = await victims.run(order);
    expect(refused.output).toContain(`the wallet is in use by process ${process.pid} on ${hostname()}`);
    expect(() => bench.wallet(mint, { words, directory })).toThrow(WalletInUseError);
    first.close();

    expect(await victims.run({ ...order, killAt: 'send:prepared' })).toMatchObject({ killed: true });
    const after = bench.wallet(mint, { words, directory });
    expect(after.operations({ limit: 1 })).toMatchObject([{ state: 'prepared', open: true }]);
    await after.recover(soon());
    expect(after.balance()).toMatchObject({ ready: sat(90), sent: sat(10), reserved: sat(0) });
  } finally {
    await victims.end();
  }
});

describe('a database of before there was a lock file, in which the holder wrote every 10 s', () => {
  const leased = (holder: { readonly host: string; readonly pid: number; readonly silentMs: number }) => {
    const words = newWords();
    const directory = bench.folder();
    const db = openDatabase(
      join(directory, `${fingerprintOf(words)}.db`),
      walletMigrations.slice(0, beforeLockFile),
    );
    db.query(
      "INSERT INTO lease (id, token, pid, process_start, host, taken_at, beat_at) VALUES (1, 'x', ?, NULL, ?, ?, ?)",
    ).run(holder.pid, holder.host, Date.now() - 600_000, Date.now() - holder.silentMs);
    db.close();
    return { words, directory };
  };
  const host = hostname();

  test('is left to a holder that is alive', () => {
    const mint = bench.mint();
    for (const holder of [
      { host, pid: process.ppid, silentMs: 5_000 },
      { host: 'elsewhere', pid: 1, silentMs: 5_000 },
    ]) {
      const home = leased(holder);
      const open = () => bench.wallet(mint, home);
      expect(open).toThrow(`the wallet is in use by process ${holder.pid} on ${holder.host}`);
      // Nothing was changed, and the lock was given back with the error.
      expect(open).toThrow(WalletInUseError);
    }
  });

  test('is taken from one that is dead', async () => {
    const mint = bench.mint();
    const gone = Bun.spawn(['true']);
    await gone.exited;
    for (const holder of [
      { host, pid: gone.pid, silentMs: 1_000 },
      { host, pid: process.ppid, silentMs: 3_600_000 },
      { host: 'elsewhere', pid: 1, silentMs: 3_600_000 },
    ]) {
      const wallet = bench.wallet(mint, leased(holder));
      await fund(wallet, 100);
      expect(wallet.balance().ready).toBe(sat(100));
    }
  });
});

test('files are for their owner alone, and a backup is a whole wallet', async () => {
  const mint = bench.mint();
  const words = newWords();
  const directory = join(bench.folder(), 'wallets');
  const wallet = bench.wallet(mint, { words, directory });
  await fund(wallet, 100);
  const { file, fingerprint } = wallet.info();
  expect(file).toBe(join(directory, `${fingerprint}.db`));
  const other = join(bench.folder(), 'copy');
  const copy = join(other, `${fingerprint}.db`);
  wallet.backup(copy);
  for (const path of [file, copy, file.replace(/db$/, 'lock'), file.replace(/db$/, 'lock.json')])
    expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  wallet.close();
  const restored = bench.wallet(mint, { words, directory: other });
  expect(restored.balance().ready).toBe(sat(100));
});
