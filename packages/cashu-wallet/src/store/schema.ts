import type { Migration } from '@nostr-dm-agent/kit/sqlite';

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
  (db) =>
    db.exec(`
      -- Runs that a Routstr node serves, from the first sat that leaves until the change is home
      -- (src/providers/routstr/paid-run.ts).
      CREATE TABLE paid_runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,             -- the run's
        state TEXT NOT NULL,
        open INTEGER NOT NULL,               -- 1: money of ours may still be elsewhere
        node_url TEXT NOT NULL,              -- asked for the change for ever, whatever the settings say later
        ticket TEXT NOT NULL,                -- JSON: whose run, which task and model, which budget
        data TEXT NOT NULL,                  -- JSON: all that this state needs
        operation TEXT REFERENCES operations (id), -- the send that made its token
        inbox INTEGER REFERENCES inbox (id),       -- its change
        ledger INTEGER REFERENCES spend_log (id),
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        told TEXT,                           -- the last state that the owner knows of
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX paid_runs_open ON paid_runs (next_at) WHERE open = 1;
      CREATE INDEX paid_runs_by_operation ON paid_runs (operation) WHERE operation IS NOT NULL;
      CREATE INDEX paid_runs_by_inbox ON paid_runs (inbox) WHERE inbox IS NOT NULL;
      CREATE INDEX paid_runs_by_parent ON paid_runs (json_extract(ticket, '$.parent'));
      CREATE INDEX paid_runs_by_account ON paid_runs (json_extract(ticket, '$.account'), open);

      -- What nodes said to refunds with status 200, as it came, before anything read it: there may be money in it.
      CREATE TABLE paid_run_answers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL REFERENCES paid_runs (id),
        raw TEXT NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (run, raw)
      ) STRICT;

      -- Every exchange about a run's money; no secrets.
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
    `),
  (db) =>
    db.exec(`
      -- Whose run it was, as a public key in hex; NULL: nobody's (a command of the operator).
      ALTER TABLE spend_log ADD COLUMN owner TEXT;
      UPDATE spend_log SET owner =
        (SELECT json_extract(ticket, '$.owner') FROM paid_runs WHERE ledger = spend_log.id LIMIT 1);
      CREATE INDEX spend_log_by_owner ON spend_log (owner, ts, spent_sats, fee_sats);

      -- For whom money is being brought in. Written in the transaction that begins the receipt or asks for the invoice,
      -- so that what comes of it is counted for him however it is finished (accounts.ts).
      CREATE TABLE brought_in (
        operation TEXT PRIMARY KEY REFERENCES operations (id),
        owner TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX brought_in_by_owner ON brought_in (owner);
    `),
];
