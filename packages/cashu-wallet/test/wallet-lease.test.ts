import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import { LeaseLostError, WalletInUseError } from '../src/errors.ts';
import { createVictims } from './support/wallet-crash.ts';
import { createBench, fund, newWords, soon } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

test('a second process is refused and told who has the wallet; a dead holder is no holder', async () => {
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

test('a process id that was given to another process since is not taken for the holder', () => {
  const mint = bench.mint();
  const words = newWords();
  const directory = bench.folder();
  const wallet = bench.wallet(mint, { words, directory });
  const { file } = wallet.info();
  const db = new Database(file);
  // Our own process id, but with another start: the holder died and its number came to us.
  db.exec("UPDATE lease SET process_start = 'another boot 1'");
  bench.wallet(mint, { words, directory }).close();
  db.close();
});

test('a holder on another host is believed while it beats, and who was taken for dead writes no more', async () => {
  const mint = bench.mint();
  const words = newWords();
  const directory = bench.folder();
  const wallet = bench.wallet(mint, { words, directory });
  await fund(wallet, 100);
  const db = new Database(wallet.info().file);
  db.query('UPDATE lease SET host = ?, beat_at = ?').run('elsewhere', Date.now());
  expect(() => bench.wallet(mint, { words, directory })).toThrow('on elsewhere');
  db.query('UPDATE lease SET beat_at = ?').run(Date.now() - 120_000);
  const taker = bench.wallet(mint, { words, directory });
  await expect(wallet.send({ amount: sat(10) }, soon())).rejects.toThrow(LeaseLostError);
  await taker.send({ amount: sat(10) }, soon());
  wallet.close();
  await taker.send({ amount: sat(10) }, soon());
  db.close();
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
  for (const path of [file, copy]) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  wallet.close();
  const restored = bench.wallet(mint, { words, directory: other });
  expect(restored.balance().ready).toBe(sat(100));
});
