import type { Database } from 'bun:sqlite';
import { hostname } from 'node:os';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Migration } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { WalletInUseError } from '../wallet-errors.ts';
import { spendDaysTable } from './spend-days-table.ts';

/** The wallet's own database, `CASHU_WALLET_DIR/<fingerprint>.db`. Amounts in sat, times in Unix milliseconds. */
export const walletMigrations: readonly Migration[] = [
  (db) =>
    db.exec(`
      -- Who may write. One row or none.
      CREATE TABLE lease (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        token TEXT NOT NULL,
        pid INTEGER NOT NULL,
        process_start TEXT,                  -- as the system tells it; NULL where it does not
        host TEXT NOT NULL,
        taken_at INTEGER NOT NULL,
        beat_at INTEGER NOT NULL
      ) STRICT;

      -- What is known of each mint, so that a wallet that starts asks nothing that it knows.
      CREATE TABLE mints (
        url TEXT PRIMARY KEY,
        accepted INTEGER NOT NULL DEFAULT 0, -- by an owner's command, beside CASHU_MINTS
        info TEXT,                           -- JSON (NUT-06)
        keys TEXT,                           -- JSON, keysets with the keys seen so far
        fetched_at INTEGER
      ) STRICT, WITHOUT ROWID;

      -- Keyset ids belong to the mint that showed them first: another mint with the same id would make the wallet
      -- use the same secrets twice (NUT-13 derives them from seed, keyset id and counter alone).
      CREATE TABLE keysets (
        id TEXT PRIMARY KEY,
        mint TEXT NOT NULL,
        unit TEXT NOT NULL,
        seen_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE counters (
        keyset TEXT PRIMARY KEY,
        next INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE operations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('send', 'receive', 'mint', 'melt')),
        state TEXT NOT NULL,
        open INTEGER NOT NULL,               -- 1: how it ended is not known; recovery has something to do
        mint TEXT NOT NULL,
        amount INTEGER NOT NULL,
        fee INTEGER NOT NULL DEFAULT 0,
        key TEXT UNIQUE,                     -- the caller's, against doing it twice
        note TEXT,
        trouble TEXT,
        data TEXT NOT NULL,                  -- JSON: all that this state needs to be finished or undone
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,  -- not asked again before
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX operations_open ON operations (seq) WHERE open = 1;
      CREATE INDEX operations_by_state ON operations (kind, state, seq);

      -- Which proofs an operation puts in, also after it gave them back: a payment that was undone and went through
      -- all the same is found by the proofs that it spent.
      CREATE TABLE operation_inputs (
        operation TEXT NOT NULL REFERENCES operations (id),
        y TEXT NOT NULL,
        PRIMARY KEY (operation, y)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX operation_inputs_by_y ON operation_inputs (y);

      -- Our ecash. y = hash_to_curve(secret), hex: the same proof recovered twice is the same row.
      CREATE TABLE proofs (
        y TEXT PRIMARY KEY,
        mint TEXT NOT NULL,
        keyset TEXT NOT NULL,
        amount INTEGER NOT NULL,
        proof TEXT NOT NULL,                 -- JSON
        state TEXT NOT NULL CHECK (state IN ('ready', 'reserved', 'sent', 'spent', 'quarantined')),
        operation TEXT REFERENCES operations (id), -- who holds it (reserved, sent) or spent it
        origin TEXT REFERENCES operations (id),    -- who made it; NULL: restored from the words
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX proofs_live ON proofs (state, mint, amount) WHERE state <> 'spent';
      CREATE INDEX proofs_by_operation ON proofs (operation) WHERE operation IS NOT NULL;

      -- Tokens as they came, stored before anything is done with them.
      CREATE TABLE inbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        token TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        face INTEGER NOT NULL,               -- as far as it could be read; else 0
        state TEXT NOT NULL CHECK (state IN ('new', 'redeemed', 'spent')),
        operation TEXT REFERENCES operations (id),
        problem TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';

      -- The ledger, one row per paid run: docs/design.md#the-ledger.
      CREATE TABLE spend_log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ts INTEGER NOT NULL,
        provider TEXT NOT NULL,
        budget_sats INTEGER NOT NULL,
        refund_sats INTEGER NOT NULL,
        spent_sats INTEGER NOT NULL,
        fee_sats INTEGER NOT NULL,
        model TEXT,
        session_id TEXT,
        prompt_prefix TEXT NOT NULL,
        state TEXT NOT NULL,
        node_url TEXT
      ) STRICT;
      -- Covers the sums of !wallet history.
      CREATE INDEX spend_log_by_time ON spend_log (ts, spent_sats, fee_sats);

      CREATE TABLE settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `),
  // Here were the tables of paid runs, which are routstr's own now (`WalletJournal.extension`).
  () => undefined,
  (db) =>
    db.exec(`
      -- Whose run it was, as a public key in hex; NULL: nobody's (a command of the operator).
      ALTER TABLE spend_log ADD COLUMN owner TEXT;
      CREATE INDEX spend_log_by_owner ON spend_log (owner, ts, spent_sats, fee_sats);

      -- For whom money is being brought in. Written in the transaction that begins the receipt or asks for the invoice,
      -- so that what comes of it is counted for them however it is finished (brought-in.ts).
      CREATE TABLE brought_in (
        operation TEXT PRIMARY KEY REFERENCES operations (id),
        owner TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX brought_in_by_owner ON brought_in (owner);
    `),
  (db) =>
    db.exec(`
      -- Tables of other packages in this file, and how far they have been brought.
      CREATE TABLE extensions (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      ALTER TABLE inbox RENAME TO kept_tokens;
      DROP INDEX inbox_new;
      CREATE INDEX kept_tokens_new ON kept_tokens (id) WHERE state = 'new';
      UPDATE operations
        SET data = json_set(json_remove(data, '$.inbox'), '$.kept', json_extract(data, '$.inbox'))
        WHERE kind = 'receive' AND json_extract(data, '$.inbox') IS NOT NULL;
      UPDATE settings SET key = 'shares_since' WHERE key = 'accounts_since';
    `),
  (db) => {
    requireUnleased(db);
    db.exec('DROP TABLE lease');
  },
  (db) =>
    db.exec(`
      -- NUT-02, \`final_expiry\`, in milliseconds; NULL: never, as far as is known.
      ALTER TABLE keysets ADD COLUMN ends_at INTEGER;
      -- When the mint was last asked about it, and knew it no more; NULL: it does.
      ALTER TABLE keysets ADD COLUMN gone_at INTEGER;

      -- NUT-13: numbers from \`first\` to before \`next\` that were handed out, and that no mint has signed anything with.
      CREATE TABLE spare_numbers (
        keyset TEXT NOT NULL,
        first INTEGER NOT NULL,
        next INTEGER NOT NULL,
        PRIMARY KEY (keyset, first)
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      -- Payment requests (NUT-18). Key and id are derived from the words by the number; it is here before it is shown.
      CREATE TABLE payment_requests (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        key TEXT NOT NULL UNIQUE,            -- public, hex
        top_up TEXT REFERENCES operations (id), -- NULL, as mint and amount: another database with these words made it
        mint TEXT,
        amount INTEGER,
        owner TEXT,                          -- as in brought_in
        created_at INTEGER NOT NULL,
        watched_until INTEGER NOT NULL,
        refusal TEXT,                        -- JSON: why the first thing that can't be taken was refused
        refusal_told INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      CREATE INDEX payment_requests_watched ON payment_requests (watched_until);
      CREATE INDEX payment_requests_by_top_up ON payment_requests (top_up);

      -- What was sent to their keys, stored before it is redeemed. Anybody can send such: bounded in number and size.
      CREATE TABLE request_payments (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,             -- of its proofs
        request INTEGER NOT NULL REFERENCES payment_requests (number),
        token TEXT NOT NULL,                 -- empty once that is known
        face INTEGER NOT NULL,               -- as its sender says
        -- repeated: another receipt had its proofs. spent: somebody else has. refused: the mint does not take it.
        state TEXT NOT NULL CHECK (state IN ('new', 'redeemed', 'repeated', 'spent', 'refused')),
        operation TEXT REFERENCES operations (id), -- the receipt that was begun for it
        settled INTEGER,                     -- in which order they left 'new'
        told INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX request_payments_by_request ON request_payments (request, state);
      CREATE INDEX request_payments_new ON request_payments (seq) WHERE state = 'new';
      CREATE INDEX request_payments_untold ON request_payments (seq) WHERE state = 'redeemed' AND told = 0;
    `),
  (db) =>
    db.exec(`
      -- Mints that have moved: the address that one had, which stays a name of it, and the one that it has.
      CREATE TABLE mint_names (
        before TEXT PRIMARY KEY,
        mint TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      -- When the mint was asked for money of this keyset with these words, after it had signed with it for the last time;
      -- NULL: never, or it signs with it.
      ALTER TABLE keysets ADD COLUMN searched_at INTEGER;
    `),
  (db) =>
    db.exec(`
      -- A row is found by whose it is in the order of the ledger, and by what contradicts itself.
      CREATE INDEX spend_log_of_owner ON spend_log (owner);
      CREATE INDEX spend_log_unsound ON spend_log (id)
        WHERE state = 'settled' AND budget_sats <> spent_sats + refund_sats + fee_sats;
      -- wallet check asks of each operation what came of it.
      CREATE INDEX proofs_by_origin ON proofs (origin, amount) WHERE origin IS NOT NULL;
      -- The parts of a payment, and whose invoice it is.
      CREATE INDEX operations_parts ON operations (json_extract(data, '$.partOf'), fee)
        WHERE kind = 'send' AND state = 'regrouped';
      CREATE INDEX operations_by_invoice ON operations (lower(json_extract(data, '$.quote.request')))
        WHERE kind IN ('mint', 'melt');
      ${spendDaysTable}
    `),
  (db) =>
    db.exec(`
      -- The balance is read from it alone.
      DROP INDEX proofs_live;
      CREATE INDEX proofs_live ON proofs (state, mint, keyset, amount) WHERE state <> 'spent';
    `),
];

const leaseShape = z.object({ pid: z.number(), host: z.string(), taken_at: z.number(), beat_at: z.number() });

/**
 * Before there was a lock file, who had the wallet wrote so into this table every 10 s. That program may be running while
 * it is replaced by this one.
 */
function requireUnleased(db: Database): void {
  const row = db.query('SELECT pid, host, taken_at, beat_at FROM lease').get();
  if (row === null) return;
  const { pid, host, taken_at: since, beat_at } = leaseShape.parse(row);
  const alive = Date.now() - beat_at < 60_000 && (host !== hostname() || processExists(pid));
  if (alive) throw new WalletInUseError({ pid, host, since });
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return errorCode(error) === 'EPERM';
  }
}
