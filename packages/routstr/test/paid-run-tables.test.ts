/** Paid runs in databases that were made before they had tables of their own: they are taken over as they are. */
import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { KeptTokenId, OperationId } from '@nostr-dm-agent/cashu-wallet';
import { fingerprintOf } from '@nostr-dm-agent/cashu-wallet/open';
import { createOldWallet } from '@nostr-dm-agent/cashu-wallet/testing/old-wallet';
import { createBench, newWords, openWallet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { createPaidRunStore } from '../src/paid-run/paid-run-store.ts';

const bench = createBench();
afterEach(() => bench.end());

/** A folder with the database of commit ac22039, or of before; `fill` writes to it. */
function oldHome(version: 1 | 2 | 3, fill: (db: Database) => void) {
  const words = newWords();
  const directory = bench.folder();
  const file = join(directory, `${fingerprintOf(words)}.db`);
  const db = createOldWallet(file, version);
  fill(db);
  db.close();
  return { words, directory, file };
}

function openNow({ words, directory }: Pick<ReturnType<typeof oldHome>, 'words' | 'directory'>) {
  const wallet = openWallet({ url: 'http://127.0.0.1:1' }, { words, directory });
  const store = createPaidRunStore(wallet, systemClock);
  return { wallet, store };
}

const ticket = (more: object = {}): string =>
  JSON.stringify({ owner: 'ada', prompt: 'task', budget: 9, ...more });

test('change that was kept then is its run’s still, with what the node had said', () => {
  const held = {
    operation: 'sent',
    token: 'sk',
    out: 10,
    face: 9,
    creditedMsat: 9000,
    dueSince: 1,
    inbox: 7,
  };
  const home = oldHome(3, (db) => {
    db.exec(
      `INSERT INTO operations (id, kind, state, open, mint, amount, data, created_at, updated_at) VALUES
         ('sent', 'send', 'claimed', 0, 'http://m', 9, '{"face":9,"to":""}', 1, 1),
         ('taking', 'receive', 'prepared', 1, 'http://m', 5, '{"plans":[],"inbox":7}', 1, 1);
       INSERT INTO inbox (id, token, source, face, state, created_at, updated_at) VALUES (7, 't', 'change of run r', 5, 'new', 1, 1);
       INSERT INTO spend_log VALUES (3, 1, 'routstr', 10, 0, 0, 0, NULL, 's', 'task', 'change_held', NULL, 'ada');
       INSERT INTO settings VALUES ('accounts_since', '5')`,
    );
    db.query(
      `INSERT INTO paid_runs (id, state, open, node_url, ticket, data, operation, inbox, ledger, created_at, updated_at)
       VALUES ('r', 'change_held', 1, 'http://n', ?, ?, 'sent', 7, 3, 1, 1)`,
    ).run(ticket(), JSON.stringify(held));
    db.exec(`INSERT INTO paid_run_answers (run, raw, at) VALUES ('r', '{}', 1);
      INSERT INTO paid_run_evidence (run, at, step, outcome, message) VALUES ('r', 1, 'refund', 'token', 'said')`);
  });
  const { inbox, ...body } = held;
  for (const life of ['first', 'second']) {
    const { wallet, store } = openNow(home);
    try {
      expect(store.get('r')).toMatchObject({
        ledger: 3,
        body: { ...body, state: 'change_held', keptToken: inbox },
      });
      expect(store.byKeptToken(inbox as KeptTokenId)?.id).toBe('r');
      expect(store.byOperation('sent' as OperationId)?.id).toBe('r');
      expect(store.answers('r')).toEqual(['{}']);
      expect(store.evidence('r')).toMatchObject([{ step: 'refund', outcome: 'token' }]);
      // Counted with the receipt that is under way, not a second time.
      expect({ life, incoming: Number(wallet.balance().incoming) }).toEqual({ life, incoming: 5 });
      expect(wallet.shares.since()).toBe(5);
    } finally {
      wallet.close();
    }
  }
});

test('a ledger that did not say whose its runs were knows it afterwards', () => {
  const home = oldHome(2, (db) => {
    const row = db.query(
      `INSERT INTO spend_log VALUES (?, 1, 'routstr', 9, 4, 5, 0, NULL, 's', 'task', 'settled', NULL)`,
    );
    for (const id of [1, 2, 3]) row.run(id);
    const run = db.query(
      `INSERT INTO paid_runs (id, state, open, node_url, ticket, data, ledger, created_at, updated_at)
       VALUES (?, 'void', 0, 'http://n', ?, '{}', ?, 1, 1)`,
    );
    run.run('run', ticket(), 1);
    run.run('deposit', ticket({ purpose: 'account' }), 3);
  });
  const { wallet } = openNow(home);
  expect(wallet.ledger.latest(3).map(({ id, owner }) => [id, owner])).toEqual([
    [3, undefined],
    [2, undefined],
    [1, 'ada'],
  ]);
  wallet.close();
});

/** Tables and indexes as they were made; comments, quotes and spaces left out. */
function schemaOf(file: string): Readonly<Record<string, string>> {
  const db = new Database(file, { readonly: true });
  try {
    const rows = db
      .query<{ name: string; sql: string }, []>('SELECT name, sql FROM sqlite_master WHERE sql NOT NULL')
      .all();
    const plain = (sql: string) =>
      sql
        .replace(/--.*$/gm, '')
        .replace(/["\s]+/g, '')
        .replace('IFNOTEXISTS', '');
    return Object.fromEntries(rows.map(({ name, sql }) => [name, plain(sql)]));
  } finally {
    db.close();
  }
}

test.each([1, 2, 3] as const)('a database of version %d ends with the schema of a new one', (version) => {
  const old = oldHome(version, () => undefined);
  const fresh = { words: newWords(), directory: bench.folder() };
  for (const home of [old, fresh]) openNow(home).wallet.close();
  expect(schemaOf(old.file)).toEqual(schemaOf(join(fresh.directory, `${fingerprintOf(fresh.words)}.db`)));
});
