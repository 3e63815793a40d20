import type { Clock } from '@nostr-dm-agent/kit/clock';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { TokenProblem } from '../wallet-errors.ts';
import type { OperationId, RequestId } from '../wallet-types.ts';
import { mintUrlSchema, operationIdSchema, satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

/** Written by this file. */
const problem = z.custom<TokenProblem>(
  (value) => typeof value === 'object' && value !== null && 'kind' in value,
);

const requestRow = rowOf({
  number: z.number(),
  id: z.string().transform((id) => id as RequestId),
  key: z.string(),
  topUp: nullable(operationIdSchema),
  mint: nullable(mintUrlSchema),
  amount: nullable(satSchema),
  owner: nullable(z.string()),
  createdAt: z.number(),
  watchedUntil: z.number(),
  refusal: nullable(jsonText(problem)),
});
export type StoredRequest = z.infer<typeof requestRow>;

/** Payment requests. What writes is to be called inside the transaction that it belongs to. */
export type RequestStore = ReturnType<typeof createRequestStore>;

export function createRequestStore({ db }: Store, clock: Clock) {
  const columns = '(number, id, key, top_up, mint, amount, owner, created_at, watched_until)';
  const insert = change(db, `INSERT INTO payment_requests ${columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const newest = select(db, 'SELECT max(number) AS number FROM payment_requests', lastRow);
  const where = (condition: string) =>
    select(db, `SELECT * FROM payment_requests WHERE ${condition}`, requestRow);
  const [byNumber, byKey, byTopUp] = [where('number = ?'), where('key = ?'), where('top_up = ?')];
  const watched = where('watched_until > ? ORDER BY number DESC');
  const untoldRefusals = where('refusal IS NOT NULL AND refusal_told = 0 ORDER BY number');
  const watchUntil = change(
    db,
    'UPDATE payment_requests SET watched_until = max(watched_until, ?) WHERE number = ?',
  );
  const refuse = change(db, 'UPDATE payment_requests SET refusal = ? WHERE number = ? AND refusal IS NULL');
  const refusalTold = change(db, 'UPDATE payment_requests SET refusal_told = 1 WHERE key = ?');
  return {
    nextNumber: (): number => (newest.one()?.number ?? -1) + 1,
    insert: (made: Omit<StoredRequest, 'refusal'>): void => {
      const { number, id, key, topUp, mint, amount, owner, createdAt, watchedUntil } = made;
      insert(number, id, key, topUp, mint, amount, owner, createdAt, watchedUntil);
    },
    byNumber: byNumber.one,
    byKey: byKey.one,
    byTopUp: (operation: OperationId): StoredRequest | undefined => byTopUp.one(operation),
    /** Newest first. */
    watched: (): readonly StoredRequest[] => watched.all(clock.now()),
    watchUntil: (number: number, until: number): void => void watchUntil(until, number),
    /** Of each request the first alone. */
    noteRefusal: (number: number, why: TokenProblem): void => void refuse(JSON.stringify(why), number),
    untoldRefusals: (): readonly StoredRequest[] => untoldRefusals.all(),
    refusalTold: (key: string): void => void refusalTold(key),
  };
}

const lastRow = z.object({ number: nullable(z.number()) });
