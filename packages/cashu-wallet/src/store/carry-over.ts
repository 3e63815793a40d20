import { Database } from 'bun:sqlite';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { z } from 'zod';
import { walletMigrations } from './wallet-tables.ts';

/** What came along from a database that is replaced by an older one. */
export type CarriedOver = {
  /** Tokens that are out, invoices that can be paid, payments under way. */
  readonly operations: number;
  /** Tokens that were kept, and payments for requests, which are not redeemed yet. */
  readonly keptTokens: number;
  /** Some of it, or all, could not be read: the replaced database is damaged, or of another version. */
  readonly unread: boolean;
};

const columns =
  'id, kind, state, open, mint, amount, fee, key, note, trouble, data, attempts, next_at, created_at, updated_at';
/** As in the journal (`unfinished`). A receipt of a kept token, or of a payment, begins anew, with that token. */
const unfinished = `(open = 1 OR (kind = 'send' AND state IN ('issued', 'handed_over', 'reclaiming'))
    OR (kind = 'mint' AND state = 'quoted'))
  AND NOT (kind = 'receive' AND json_extract(data, '$.kept') IS NOT NULL)
  AND id NOT IN (SELECT operation FROM old.request_payments WHERE state = 'new' AND operation IS NOT NULL)
  AND id NOT IN (SELECT id FROM main.operations)
  AND (key IS NULL OR key NOT IN (SELECT key FROM main.operations WHERE key IS NOT NULL))`;

/**
 * Brings into `into` what `from` alone knows and no words bring back: what it has open, with the proofs that this took
 * and made, kept tokens, and payment requests with the payments that wait. Unclaimed tokens stay `sent` in this way and
 * are not counted as ready; an invoice that is paid still has the key to its quote. Other proofs are not brought: they
 * are found by the words, as far as they are there. Of one that is damaged comes what can be read.
 *
 * @param into of this program's version
 */
export function carryOver(from: string | undefined, into: string): CarriedOver {
  const none: CarriedOver = { operations: 0, keptTokens: 0, unread: false };
  if (from === undefined) return none;
  if (versionOf(from) !== walletMigrations.length) return { ...none, unread: true };
  const db = new Database(into, { strict: true });
  try {
    db.exec('PRAGMA foreign_keys=ON');
    db.query('ATTACH ? AS old').run(from);
    const [operations, keptTokens, payments] = [carryOperations, carryKeptTokens, carryPayments].map(
      (carry) => ifReadable(() => db.transaction(() => carry(db)).immediate()),
    );
    return {
      operations: operations ?? 0,
      keptTokens: (keptTokens ?? 0) + (payments ?? 0),
      unread: [operations, keptTokens, payments].includes(undefined),
    };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...none, unread: true };
  } finally {
    db.close();
  }
}

/** undefined: what it reads is damaged, and nothing was done. */
function ifReadable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** What SQLite says of a file that is damaged, or none of its own. */
export const isDamage = (error: unknown): boolean =>
  ['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_CANTOPEN', 'SQLITE_IOERR'].some(
    (code) => errorCode(error)?.startsWith(code) === true,
  );

/** All of them or none: a payment without its proofs could not be told from a new one. */
function carryOperations(db: Database): number {
  db.exec(`CREATE TEMP TABLE carried AS SELECT id FROM old.operations WHERE ${unfinished}`);
  const { changes } = db
    .query(
      `INSERT INTO main.operations (${columns})
       SELECT ${columns} FROM old.operations WHERE id IN (SELECT id FROM carried) ORDER BY seq`,
    )
    .run();
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
        WHERE proofs.state = 'ready';
    DROP TABLE carried`);
  return changes;
}

const carryKeptTokens = (db: Database): number =>
  db
    .query(
      `INSERT OR IGNORE INTO main.kept_tokens (token, source, face, state, created_at, updated_at)
       SELECT token, source, face, state, created_at, updated_at FROM old.kept_tokens WHERE state = 'new'`,
    )
    .run().changes;

/** Requests are the same ones wherever the words are: their keys follow from their numbers. */
function carryPayments(db: Database): number {
  db.exec(`
    INSERT OR IGNORE INTO main.payment_requests
      (number, id, key, top_up, mint, amount, owner, created_at, watched_until, refusal, refusal_told)
      SELECT number, id, key, CASE WHEN top_up IN (SELECT id FROM main.operations) THEN top_up END,
        mint, amount, owner, created_at, watched_until, refusal, refusal_told FROM old.payment_requests`);
  return db
    .query(
      `INSERT OR IGNORE INTO main.request_payments (id, request, token, face, state, created_at)
       SELECT id, request, token, face, state, created_at FROM old.request_payments WHERE state = 'new'`,
    )
    .run().changes;
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
