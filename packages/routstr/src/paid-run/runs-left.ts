import { Database } from 'bun:sqlite';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';

/** Paid runs whose money may be at a node: how many, and their budgets. */
export type RunsLeft = { readonly runs: number; readonly amount: Sat };

const rowSchema = z.object({ runs: z.number(), amount: z.number() });

/**
 * Open paid runs that a wallet's database, which another one replaced, alone knows. What of them is with the wallet (tokens
 * that are out or kept) is left out: that comes along. None where it can't be read.
 *
 * @param replaced the file of the one, `today` of the other
 */
export function runsLeftIn(replaced: string, today: string): RunsLeft {
  const none: RunsLeft = { runs: 0, amount: sat(0) };
  const db = new Database(today, { readonly: true });
  try {
    db.query('ATTACH ? AS old').run(replaced);
    const known = hasRuns(db, 'main') ? 'AND id NOT IN (SELECT id FROM main.paid_runs)' : '';
    if (!hasRuns(db, 'old')) return none;
    const { runs, amount } = rowSchema.parse(
      db
        .query(
          `SELECT count(*) AS runs,
             coalesce(sum(coalesce(json_extract(data, '$.out'), json_extract(ticket, '$.budget'))), 0) AS amount
           FROM old.paid_runs WHERE open = 1 ${known}
             AND state IN ('deposited', 'running', 'kept', 'refund_due', 'needs_operator')`,
        )
        .get(),
    );
    return { runs, amount: sat(amount) };
  } catch (error) {
    if (errorCode(error)?.startsWith('SQLITE_') !== true) throw error;
    return none;
  } finally {
    db.close();
  }
}

const hasRuns = (db: Database, schema: 'main' | 'old'): boolean =>
  db.query(`SELECT 1 FROM ${schema}.sqlite_master WHERE type = 'table' AND name = 'paid_runs'`).get() !==
  null;
