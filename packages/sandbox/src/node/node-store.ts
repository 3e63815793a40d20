import type { Database } from 'bun:sqlite';
import type { Migration } from '@nostr-dm-agent/kit/sqlite';

/** What outlives the node's process. Balances in msat, tokens and proofs in sat, times in milliseconds. */
export const nodeMigrations: readonly Migration[] = [
  (db) =>
    db.exec(`
      CREATE TABLE accounts (
        hash TEXT PRIMARY KEY,               -- SHA-256 of the exact token text, hex
        balance INTEGER NOT NULL,            -- reserved money included
        reserved INTEGER NOT NULL DEFAULT 0,
        total_spent INTEGER NOT NULL DEFAULT 0,
        total_requests INTEGER NOT NULL DEFAULT 0,
        mint TEXT NOT NULL                   -- where its refunds come from
      ) STRICT;

      CREATE TABLE reservations (
        id TEXT PRIMARY KEY,
        account TEXT NOT NULL REFERENCES accounts,
        amount INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('active', 'charged', 'released')),
        created_at INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE transactions (
        id TEXT PRIMARY KEY,
        type TEXT NOT NULL CHECK (type IN ('in', 'out')),
        source TEXT NOT NULL CHECK (source IN ('apikey', 'x-cashu')),
        token TEXT NOT NULL,
        amount INTEGER NOT NULL,
        mint TEXT NOT NULL,
        request_id TEXT,
        account TEXT,
        collected INTEGER NOT NULL,
        swept INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL
      ) STRICT;

      -- The durable claims of the main profile: a refund that has begun.
      CREATE TABLE refunds (
        id TEXT PRIMARY KEY,
        account TEXT NOT NULL REFERENCES accounts,
        status TEXT NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'unresolved')),
        created_at INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE proofs (
        secret TEXT PRIMARY KEY,
        mint TEXT NOT NULL,
        amount INTEGER NOT NULL,
        proof TEXT NOT NULL                  -- JSON
      ) STRICT;

      -- Where every msat went that was ever credited; and, in sat, what the node's own money did.
      CREATE TABLE entries (
        kind TEXT NOT NULL CHECK (kind IN ('credit', 'spend', 'refund', 'forfeit', 'keep', 'float', 'send_fee')),
        account TEXT,
        amount INTEGER NOT NULL
      ) STRICT;
    `),
  (db) =>
    db.exec(`
      CREATE TABLE invoices (
        id TEXT PRIMARY KEY,
        bolt11 TEXT NOT NULL,
        payment_hash TEXT NOT NULL,
        amount INTEGER NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('create', 'topup')),
        mint TEXT NOT NULL,
        quote TEXT NOT NULL,
        account TEXT,                        -- of a top-up; else known when it is paid
        status TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'expired')),
        paid_at INTEGER,                     -- these times in seconds
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
      ) STRICT;
    `),
];

export type EntryKind = 'credit' | 'spend' | 'refund' | 'forfeit' | 'keep' | 'float' | 'send_fee';

/** msat for what belongs to clients, sat for `float` and `send_fee`. */
export function enter(db: Database, kind: EntryKind, amount: number, account: string | null = null): void {
  if (amount === 0) return;
  db.query('INSERT INTO entries (kind, account, amount) VALUES (?, ?, ?)').run(kind, account, amount);
}

export type Transaction = {
  readonly id: string;
  readonly type: 'in' | 'out';
  readonly source: 'apikey' | 'x-cashu';
  readonly token: string;
  readonly amount: number;
  readonly mint: string;
  readonly request_id: string | null;
  readonly account: string | null;
  readonly collected: number;
  readonly swept: number;
  readonly created_at: number;
};

export function addTransaction(db: Database, row: Omit<Transaction, 'id' | 'swept'>): void {
  db.query(
    `INSERT INTO transactions (id, type, source, token, amount, mint, request_id, account, collected, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    crypto.randomUUID().replaceAll('-', ''),
    row.type,
    row.source,
    row.token,
    row.amount,
    row.mint,
    row.request_id,
    row.account,
    row.collected,
    row.created_at,
  );
}

/** Newest first. */
export const transactionsOf = (db: Database, account: string): readonly Transaction[] =>
  db
    .query<Transaction, [string]>(
      'SELECT * FROM transactions WHERE account = ? ORDER BY created_at DESC, rowid DESC',
    )
    .all(account);
