import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type { KeptTokenId, OperationId, RecoveryScope } from '../types.ts';
import { operationIdSchema, satSchema } from './codec.ts';
import type { Store } from './store.ts';

/** Tokens as they came. A row leaves `new` when its value is ours, or proven to be somebody else's. */
export type KeptTokenStore = {
  /** One transaction of its own; the same token again gives the same id. */
  readonly keep: (token: string, source: string, face: Sat) => KeptTokenId;
  readonly read: (id: KeptTokenId) => KeptToken | undefined;
  /** The receive operation that redeemed it. */
  readonly redeemedBy: (id: KeptTokenId) => OperationId | undefined;
  /** What is not redeemed yet; `due`: without what was postponed. */
  readonly waiting: (scope: RecoveryScope) => readonly KeptToken[];
  readonly faceOfNew: () => Sat;
  /** Inside the transaction of the operation that settled it. */
  readonly close: (id: KeptTokenId, state: 'redeemed' | 'spent', operation: OperationId) => void;
  /** Not now: why, and when to try again. */
  readonly postpone: (id: KeptTokenId, problem: string, nextAt: number) => void;
};

const rowSchema = z.object({
  id: z.number().transform((id) => id as KeptTokenId),
  token: z.string(),
  source: z.string(),
  state: z.enum(['new', 'redeemed', 'spent']),
  attempts: z.number(),
});
export type KeptToken = z.infer<typeof rowSchema>;

export function createKeptTokenStore({ db, write }: Store, clock: Clock): KeptTokenStore {
  return {
    keep: (token, source, face) =>
      write(() => {
        db.query(
          `INSERT INTO kept_tokens (token, source, face, state, created_at, updated_at) VALUES (?, ?, ?, 'new', ?, ?)
           ON CONFLICT (token) DO NOTHING`,
        ).run(token, source, face, clock.now(), clock.now());
        return rowSchema.parse(db.query('SELECT * FROM kept_tokens WHERE token = ?').get(token)).id;
      }),
    read(id) {
      const row = db.query('SELECT * FROM kept_tokens WHERE id = ?').get(id);
      return row ? rowSchema.parse(row) : undefined;
    },
    redeemedBy(id) {
      const row = db
        .query<{ operation: string }, [number]>(
          "SELECT operation FROM kept_tokens WHERE id = ? AND state = 'redeemed'",
        )
        .get(id);
      return row ? operationIdSchema.parse(row.operation) : undefined;
    },
    waiting: (scope) =>
      db
        .query("SELECT * FROM kept_tokens WHERE state = 'new' AND next_at <= ? ORDER BY id")
        .all(scope === 'all' ? Number.MAX_SAFE_INTEGER : clock.now())
        .map((row) => rowSchema.parse(row)),
    faceOfNew: () =>
      satSchema.parse(
        db
          .query<{ face: number }, []>(
            // A token whose receive operation is under way is counted there.
            `SELECT coalesce(sum(face), 0) AS face FROM kept_tokens WHERE state = 'new' AND id NOT IN (
               SELECT json_extract(data, '$.kept') FROM operations
               WHERE open = 1 AND kind = 'receive' AND json_extract(data, '$.kept') IS NOT NULL)`,
          )
          .get()?.face ?? 0,
      ),
    close: (id, state, operation) => {
      db.query(
        'UPDATE kept_tokens SET state = ?, operation = ?, problem = NULL, updated_at = ? WHERE id = ?',
      ).run(state, operation, clock.now(), id);
    },
    postpone: (id, problem, nextAt) => {
      write(() =>
        db
          .query(
            'UPDATE kept_tokens SET problem = ?, attempts = attempts + 1, next_at = ?, updated_at = ? WHERE id = ?',
          )
          .run(problem, nextAt, clock.now(), id),
      );
    },
  };
}
