import { z } from 'zod';
import type { Shares } from '../faces.ts';
import type { OperationId } from '../wallet-types.ts';
import { satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

const sinceKey = 'shares_since';
const sinceSchema = z.coerce.number().int();

/**
 * Who brought what into the wallet. What an operation brings is known by the operation alone, so there is no second
 * book that a kill could leave behind: only for whom it was begun is written down, together with its beginning.
 */
export function createShares({ db, write }: Store): Shares {
  const sum = db.query<{ amount: number }, [string, number]>(
    `SELECT coalesce(sum(amount), 0) AS amount FROM operations
     WHERE id IN (SELECT operation FROM brought_in WHERE owner = ?) AND state = 'done' AND created_at >= ?`,
  );
  const beneficiary = db.query<{ owner: string }, [string]>(
    'SELECT owner FROM brought_in WHERE operation = ?',
  );
  const setting = db.query<{ value: string }, [string]>('SELECT value FROM settings WHERE key = ?');
  return {
    since: () => {
      const row = setting.get(sinceKey);
      return row === null ? undefined : sinceSchema.parse(row.value);
    },
    setSince: (ts) =>
      write(() => {
        db.query('DELETE FROM settings WHERE key = ?').run(sinceKey);
        if (ts !== undefined)
          db.query('INSERT INTO settings (key, value) VALUES (?, ?)').run(sinceKey, String(ts));
      }),
    brought: (owner, since) => satSchema.parse(sum.get(owner, since)?.amount ?? 0),
    ownerOf: (operation) => beneficiary.get(operation)?.owner,
  };
}

/** Notes for whom an operation brings money in. Inside the transaction that begins it. */
export function bringFor({ db }: Pick<Store, 'db'>, operation: OperationId, owner: string | undefined): void {
  if (owner === undefined) return;
  db.query('INSERT INTO brought_in (operation, owner) VALUES (?, ?)').run(operation, owner);
}
