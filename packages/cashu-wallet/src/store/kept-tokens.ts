import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { placeOf, secretColumns } from '../at-rest/secret-columns.ts';
import type { KeptTokenId, OperationId, RecoveryScope } from '../wallet-types.ts';
import { operationIdSchema, satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

/** Tokens as they came. A row leaves `new` when its value is ours, or proven to be somebody else's. */
export type KeptTokenStore = {
  /** One transaction of its own; the same token again gives the same id. */
  readonly keep: (token: string, source: string, face: Sat) => KeptTokenId;
  readonly read: (id: KeptTokenId) => KeptToken | undefined;
  /** What is not redeemed yet; `due`: without what was postponed. */
  readonly waiting: (scope: RecoveryScope) => readonly KeptToken[];
  /** What is on its way in: without what has turned out not to be redeemable. */
  readonly faceOfNew: () => Sat;
  /** Inside the transaction of the operation that settled it. */
  readonly close: (id: KeptTokenId, state: 'redeemed' | 'spent', operation: OperationId) => void;
  /** Not now: why, and when to try again. */
  readonly postpone: (id: KeptTokenId, problem: string, nextAt: number) => void;
};

/** Kinds of `TokenProblem` that a mint which comes back does not end. */
const worthless = `('wrong-mint', 'wrong-unit', 'malformed', 'locked', 'too-large', 'too-many-proofs', 'bad-signature',
  'dust', 'unknown-keyset', 'refused')`;

const idSchema = z.object({ id: z.number().transform((id) => id as KeptTokenId) });
const rowSchema = idSchema.extend({
  token: z.string(),
  source: z.string(),
  state: z.enum(['new', 'redeemed', 'spent']),
  /** That redeemed it, or found it spent. */
  operation: nullable(operationIdSchema),
  attempts: z.number(),
  created_at: z.number(),
});
export type KeptToken = z.infer<typeof rowSchema>;

const place = placeOf(secretColumns.keptToken, '');

export function createKeptTokenStore({ db, write, atRest }: Store, clock: Clock): KeptTokenStore {
  const select = (where: string, value: string | number): readonly KeptToken[] =>
    db
      .query(`SELECT * FROM kept_tokens WHERE ${where}`)
      .all(value)
      .map((row) => {
        const kept = rowSchema.parse(row);
        return { ...kept, token: atRest.open(place, kept.token) };
      });
  const read = (id: KeptTokenId): KeptToken | undefined => select('id = ?', id)[0];
  return {
    keep: (token, source, face) =>
      write(() => {
        const { id } = idSchema.parse(
          db
            .query(
              `INSERT INTO kept_tokens (token, source, face, state, created_at, updated_at)
               VALUES (?1, ?2, ?3, 'new', ?4, ?4) ON CONFLICT (token) DO UPDATE SET token = token RETURNING id`,
            )
            .get(atRest.seal(place, token), source, face, clock.now()),
        );
        return id;
      }),
    read,
    waiting: (scope) =>
      select(
        "state = 'new' AND next_at <= ? ORDER BY id",
        scope === 'all' ? Number.MAX_SAFE_INTEGER : clock.now(),
      ),
    faceOfNew: () =>
      satSchema.parse(
        db
          .query<{ face: number }, []>(
            // A token whose receive operation is under way is counted there.
            // What a token that can't be redeemed says of its worth is its sender's word alone.
            `SELECT coalesce(sum(face), 0) AS face FROM kept_tokens WHERE state = 'new'
               AND coalesce(problem, '') NOT IN ${worthless} AND id NOT IN (
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
      const update = `UPDATE kept_tokens SET problem = ?, attempts = attempts + 1, next_at = ?, updated_at = ?
        WHERE id = ?`;
      write(() => db.query(update).run(problem, nextAt, clock.now(), id));
    },
  };
}
