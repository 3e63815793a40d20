import { Database } from 'bun:sqlite';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** The schema of commit ac22039, version by version; paid runs were in it. */
const versions = [
  `
  CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    token TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start TEXT,
    host TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE mints (
    url TEXT PRIMARY KEY,
    accepted INTEGER NOT NULL DEFAULT 0,
    info TEXT,
    keys TEXT,
    fetched_at INTEGER
  ) STRICT, WITHOUT ROWID;
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
    open INTEGER NOT NULL,
    mint TEXT NOT NULL,
    amount INTEGER NOT NULL,
    fee INTEGER NOT NULL DEFAULT 0,
    key TEXT UNIQUE,
    note TEXT,
    trouble TEXT,
    data TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX operations_open ON operations (seq) WHERE open = 1;
  CREATE INDEX operations_by_state ON operations (kind, state, seq);
  CREATE TABLE operation_inputs (
    operation TEXT NOT NULL REFERENCES operations (id),
    y TEXT NOT NULL,
    PRIMARY KEY (operation, y)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX operation_inputs_by_y ON operation_inputs (y);
  CREATE TABLE proofs (
    y TEXT PRIMARY KEY,
    mint TEXT NOT NULL,
    keyset TEXT NOT NULL,
    amount INTEGER NOT NULL,
    proof TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'reserved', 'sent', 'spent', 'quarantined')),
    operation TEXT REFERENCES operations (id),
    origin TEXT REFERENCES operations (id),
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX proofs_live ON proofs (state, mint, amount) WHERE state <> 'spent';
  CREATE INDEX proofs_by_operation ON proofs (operation) WHERE operation IS NOT NULL;
  CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    face INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'redeemed', 'spent')),
    operation TEXT REFERENCES operations (id),
    problem TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';
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
  CREATE INDEX spend_log_by_time ON spend_log (ts, spent_sats, fee_sats);
  CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE paid_runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    open INTEGER NOT NULL,
    node_url TEXT NOT NULL,
    ticket TEXT NOT NULL,
    data TEXT NOT NULL,
    operation TEXT REFERENCES operations (id),
    inbox INTEGER REFERENCES inbox (id),
    ledger INTEGER REFERENCES spend_log (id),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    told TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX paid_runs_open ON paid_runs (next_at) WHERE open = 1;
  CREATE INDEX paid_runs_by_operation ON paid_runs (operation) WHERE operation IS NOT NULL;
  CREATE INDEX paid_runs_by_inbox ON paid_runs (inbox) WHERE inbox IS NOT NULL;
  CREATE INDEX paid_runs_by_parent ON paid_runs (json_extract(ticket, '$.parent'));
  CREATE INDEX paid_runs_by_account ON paid_runs (json_extract(ticket, '$.account'), open);
  CREATE TABLE paid_run_answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES paid_runs (id),
    raw TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (run, raw)
  ) STRICT;
  CREATE TABLE paid_run_evidence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES paid_runs (id),
    at INTEGER NOT NULL,
    step TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    code TEXT,
    message TEXT NOT NULL,
    request_id TEXT
  ) STRICT;
  CREATE INDEX paid_run_evidence_by_run ON paid_run_evidence (run);
  `,
  `
  ALTER TABLE spend_log ADD COLUMN owner TEXT;
  UPDATE spend_log SET owner =
    (SELECT json_extract(ticket, '$.owner') FROM paid_runs WHERE ledger = spend_log.id LIMIT 1);
  CREATE INDEX spend_log_by_owner ON spend_log (owner, ts, spent_sats, fee_sats);
  CREATE TABLE brought_in (
    operation TEXT PRIMARY KEY REFERENCES operations (id),
    owner TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX brought_in_by_owner ON brought_in (owner);
  `,
];

/** A wallet's database as that commit made it, empty. The caller closes it. */
export function createOldWallet(path: string, version: 1 | 2 | 3 = 3): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new Database(path, { create: true, strict: true });
  for (const sql of versions.slice(0, version)) db.exec(sql);
  db.exec(`PRAGMA user_version=${version}`);
  return db;
}
