import type { Migration } from '@nostr-dm-agent/kit/sqlite';

/** Everything the mint must remember. Amounts in sat, times in Unix seconds. */
export const mintMigrations: readonly Migration[] = [
  (db) =>
    db.exec(`
      CREATE TABLE keysets (
        id TEXT PRIMARY KEY,
        active INTEGER NOT NULL,
        fee_ppk INTEGER NOT NULL,
        private_keys TEXT NOT NULL           -- JSON: amount -> hex
      ) STRICT;

      CREATE TABLE proofs (
        y TEXT PRIMARY KEY,
        keyset TEXT NOT NULL,
        amount INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('PENDING', 'SPENT')),
        witness TEXT,
        quote TEXT                           -- the melt quote that holds it while PENDING
      ) STRICT;

      CREATE TABLE signatures (
        blinded TEXT PRIMARY KEY,
        keyset TEXT NOT NULL,
        amount INTEGER NOT NULL,
        signature TEXT NOT NULL              -- JSON, as it was answered
      ) STRICT;

      CREATE TABLE mint_quotes (
        id TEXT PRIMARY KEY,
        amount INTEGER NOT NULL,
        request TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('UNPAID', 'PAID', 'ISSUED')),
        pubkey TEXT,
        expiry INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE melt_quotes (
        id TEXT PRIMARY KEY,
        amount INTEGER NOT NULL,
        fee_reserve INTEGER NOT NULL,
        request TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('UNPAID', 'PENDING', 'PAID')),
        expiry INTEGER NOT NULL,
        outputs TEXT NOT NULL DEFAULT '[]',  -- JSON: blank outputs of the melt under way
        change TEXT,                         -- JSON: signatures
        preimage TEXT,
        fee_paid INTEGER
      ) STRICT;

      -- What input fees and melts without blank outputs left with the mint.
      CREATE TABLE earnings (
        amount INTEGER NOT NULL
      ) STRICT;
    `),
];
