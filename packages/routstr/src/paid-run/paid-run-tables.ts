import type { SecretColumn } from '@nostr-dm-agent/cashu-wallet';

/** Tokens and keys are in these; amounts stay in clear, for SQL and for whoever looks after the books without the words. */
export const paidRunSecrets = {
  data: {
    ...{ table: 'paid_runs', column: 'data', key: 'seq', bound: 'column', form: 'json' },
    clearOf: (value: object) =>
      Object.fromEntries(
        Object.entries(value).filter(
          ([name, one]) => ['out', 'spent', 'change', 'fee'].includes(name) && typeof one === 'number',
        ),
      ),
  },
  answer: { table: 'paid_run_answers', column: 'raw', key: 'id', bound: 'column', form: 'text' },
} as const satisfies Record<string, SecretColumn>;

/** Where their values belong, as the wallet says it of columns that are bound to no row. */
export const secretPlaces = { data: 'paid_runs.data', answer: 'paid_run_answers.raw' } as const;

/**
 * The tables of paid runs, in the wallet's file: a run's change, its row in the ledger and its own state change in one
 * transaction. Amounts in sat, times in Unix milliseconds. Never edited once released; only appended to.
 *
 * The wallet itself made the first of them until its schema was at version 3, so they may be there already.
 */
export const paidRunTables: readonly string[] = [
  `
  -- Runs that a Routstr node serves, from the first sat that leaves until the change is home (paid-run.ts).
  CREATE TABLE IF NOT EXISTS paid_runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,             -- the run's
    state TEXT NOT NULL,
    open INTEGER NOT NULL,               -- 1: money of ours may still be elsewhere
    node_url TEXT NOT NULL,              -- asked for the change for ever, whatever the settings say later
    ticket TEXT NOT NULL,                -- JSON: whose run, which task and model, which budget
    data TEXT NOT NULL,                  -- JSON: all that this state needs
    operation TEXT REFERENCES operations (id), -- the send that made its token
    inbox INTEGER REFERENCES kept_tokens (id), -- its change
    ledger INTEGER REFERENCES spend_log (id),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    told TEXT,                           -- the last state that the owner knows of
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS paid_runs_open ON paid_runs (next_at) WHERE open = 1;
  CREATE INDEX IF NOT EXISTS paid_runs_by_operation ON paid_runs (operation) WHERE operation IS NOT NULL;
  CREATE INDEX IF NOT EXISTS paid_runs_by_inbox ON paid_runs (inbox) WHERE inbox IS NOT NULL;
  CREATE INDEX IF NOT EXISTS paid_runs_by_parent ON paid_runs (json_extract(ticket, '$.parent'));
  CREATE INDEX IF NOT EXISTS paid_runs_by_account ON paid_runs (json_extract(ticket, '$.account'), open);

  -- What nodes said to refunds with status 200, as it came, before anything read it: there may be money in it.
  CREATE TABLE IF NOT EXISTS paid_run_answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES paid_runs (id),
    raw TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (run, raw)
  ) STRICT;

  -- Every exchange about a run's money; no secrets.
  CREATE TABLE IF NOT EXISTS paid_run_evidence (
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
  CREATE INDEX IF NOT EXISTS paid_run_evidence_by_run ON paid_run_evidence (run);

  -- Rows of the ledger from before they said whose run it was. Those of accounts are nobody's.
  UPDATE spend_log SET owner =
    (SELECT json_extract(ticket, '$.owner') FROM paid_runs
     WHERE ledger = spend_log.id AND json_extract(ticket, '$.purpose') IS NOT 'account' LIMIT 1)
    WHERE owner IS NULL;
  `,
  `
  ALTER TABLE paid_runs RENAME COLUMN inbox TO kept_token;
  DROP INDEX paid_runs_by_inbox;
  CREATE INDEX paid_runs_by_kept_token ON paid_runs (kept_token) WHERE kept_token IS NOT NULL;
  UPDATE paid_runs
    SET data = json_set(json_remove(data, '$.inbox'), '$.keptToken', json_extract(data, '$.inbox'))
    WHERE json_extract(data, '$.inbox') IS NOT NULL;
  `,
  `
  -- What is open, what its owner does not know yet, users' keys: few of a million. The queries repeat these conditions.
  CREATE INDEX paid_runs_open_in_order ON paid_runs (seq) WHERE open = 1;
  CREATE INDEX paid_runs_untold ON paid_runs (seq) WHERE state IN ('settled', 'needs_operator') AND told IS NOT state;
  -- Covers what runs on an account cost in all.
  CREATE INDEX paid_runs_spent_on_account ON paid_runs (json_extract(ticket, '$.account'), json_extract(data, '$.spent'))
    WHERE open = 0 AND json_extract(ticket, '$.account') IS NOT NULL;
  CREATE INDEX paid_runs_of_users ON paid_runs (seq) WHERE json_extract(ticket, '$.purpose') = 'key';
  `,
];
