/** Tables of another package in the wallet's file: before they are brought up to date the file is copied. */
import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { createBench, newWords, openWallet } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const versions = [
  'CREATE TABLE beside (n INTEGER NOT NULL) STRICT',
  'ALTER TABLE beside RENAME COLUMN n TO number',
];

test('of an earlier version a copy is kept as it was; of new tables, and of those that are as new, none', () => {
  const home = { words: newWords(), directory: bench.folder() };
  const copies = (): readonly string[] =>
    readdirSync(home.directory).filter((name) => name.includes('.before-'));
  const live = (
    migrations: readonly string[],
    work: (wallet: ReturnType<typeof openWallet>) => void,
  ): void => {
    const wallet = openWallet({ url: 'http://127.0.0.1:1' }, home);
    try {
      wallet.extension('beside', migrations);
      work(wallet);
    } finally {
      wallet.close();
    }
  };
  live(versions.slice(0, 1), (wallet) => {
    const tables = wallet.extension('beside', versions.slice(0, 1));
    wallet.transaction(() => tables.run('INSERT INTO beside VALUES (7)'));
  });
  live(versions.slice(0, 1), () => undefined);
  expect(copies()).toEqual([]);

  for (let lives = 0; lives < 2; lives += 1) {
    live(versions, (wallet) => {
      const tables = wallet.extension('beside', versions);
      expect(tables.all('SELECT number FROM beside')).toEqual([{ number: 7 }]);
    });
  }
  const [copy = '', ...more] = copies();
  expect(copy).toEndWith('.db.before-beside-v2');
  expect(more).toEqual([]);
  const before = new Database(`${home.directory}/${copy}`, { readonly: true });
  expect(before.query('SELECT n FROM beside').all()).toEqual([{ n: 7 }]);
  before.close();
});
