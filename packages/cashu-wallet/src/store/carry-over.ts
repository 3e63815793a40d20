import { Database } from 'bun:sqlite';
import { z } from 'zod';
import { walletMigrations } from './wallet-tables.ts';

/** What came along from a database that is replaced by an older one. */
export type CarriedOver = {
  /** Tokens that are out, invoices that can be paid, payments under way. */
  readonly operations: number;
  /** Tokens that were kept and are not redeemed yet. */
  readonly keptTokens: number;
};

const columns =
  'id, kind, state, open, mint, amount, fee, key, note, trouble, data, attempts, next_at, created_at, updated_at';
/** As in the journal (`unfinished`). A receipt of a kept token begins anew, with that token. */
const unfinished = `(open = 1 OR (kind = 'send' AND state IN ('issued', 'handed_over', 'reclaiming'))
    OR (kind = 'mint' AND state = 'quoted'))
  AND NOT (kind = 'receive' AND json_extract(data, '$.kept') IS NOT NULL)
  AND id NOT IN (SELECT id FROM main.operations)
  AND (key IS NULL OR key NOT IN (SELECT key FROM main.operations WHERE key IS NOT NULL))`;

/**
 * Brings into `into` what `from` alone knows and no words bring back: what it has open, with the proofs that this took
 * and made, and kept tokens. Unclaimed tokens stay `sent` in this way and are not counted as ready; an invoice that is paid still has
 * the key to its quote. Other proofs are not brought: they are found by the words, as far as they are there. Two databases
 * of different versions, or one that can't be read, are left alone.
 */
export function carryOver(from: string | undefined, into: string): CarriedOver {
  const nothing = { operations: 0, keptTokens: 0 };
  if (from === undefined || versionOf(from) !== walletMigrations.length) return nothing;
  if (versionOf(into) !== walletMigrations.length) return nothing;
  const db = new Database(into, { strict: true });
  try {
    db.exec('PRAGMA foreign_keys=ON');
    db.query('ATTACH ? AS old').run(from);
    return db
      .transaction(() => {
        db.exec(`CREATE TEMP TABLE carried AS SELECT id FROM old.operations WHERE ${unfinished}`);
        const operations = db
          .query(
            `INSERT INTO main.operations (${columns})
             SELECT ${columns} FROM old.operations WHERE id IN (SELECT id FROM carried) ORDER BY seq`,
          )
          .run().changes;
        db.exec(`
          INSERT OR IGNORE INTO main.operation_inputs
            SELECT * FROM old.operation_inputs WHERE operation IN (SELECT id FROM carried);
          INSERT OR IGNORE INTO main.brought_in
            SELECT * FROM old.brought_in WHERE operation IN (SELECT id FROM carried);
          INSERT INTO main.proofs (y, mint, keyset, amount, proof, state, operation, origin, created_at)
            SELECT y, mint, keyset, amount, proof, state,
              CASE WHEN operation IN (SELECT id FROM main.operations) THEN operation END,
              CASE WHEN origin IN (SELECT id FROM main.operations) THEN origin END, created_at
            FROM old.proofs WHERE operation IN (SELECT id FROM carried) OR origin IN (SELECT id FROM carried)
            ON CONFLICT (y) DO UPDATE SET state = excluded.state, operation = excluded.operation
              WHERE proofs.state = 'ready'`);
        const keptTokens = db
          .query(
            `INSERT OR IGNORE INTO main.kept_tokens (token, source, face, state, created_at, updated_at)
             SELECT token, source, face, state, created_at, updated_at FROM old.kept_tokens WHERE state = 'new'`,
          )
          .run().changes;
        db.exec('DROP TABLE carried');
        return { operations, keptTokens };
      })
      .immediate();
  } finally {
    db.close();
  }
}

const versionRow = z.object({ user_version: z.number() });

function versionOf(path: string): number | undefined {
  try {
    const db = new Database(path, { readonly: true });
    try {
      return versionRow.parse(db.query('PRAGMA user_version').get()).user_version;
    } finally {
      db.close();
    }
  } catch {
    // Damaged: there is nothing to be had from it.
    return undefined;
  }
}
