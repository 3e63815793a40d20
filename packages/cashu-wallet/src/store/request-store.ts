import type { Clock } from '@nostr-dm-agent/kit/clock';
import { jsonText } from '@nostr-dm-agent/kit/json';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { PaymentId } from '../payment-requests/request-types.ts';
import type { TokenProblem } from '../wallet-errors.ts';
import type { OperationId, RecoveryScope, RequestId } from '../wallet-types.ts';
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

const paymentRow = rowOf({
  seq: z.number(),
  id: z.string().transform((id) => id as PaymentId),
  request: z.number(),
  token: z.string(),
  face: satSchema,
  state: z.enum(['new', 'redeemed', 'repeated', 'spent', 'refused']),
  operation: nullable(operationIdSchema),
  settled: nullable(z.number()),
  attempts: z.number(),
});
export type StoredPayment = z.infer<typeof paymentRow>;

const countRow = z.object({ count: z.number() });
const sumRow = z.object({ sum: satSchema });
const beforeRow = z.object({ face: satSchema, net: satSchema });

/** How many that failed are remembered for each request. */
const failedKept = 200;

/** Payment requests and what came for them. What writes is to be called inside the transaction that it belongs to. */
export type RequestStore = ReturnType<typeof createRequestStore>;

export function createRequestStore({ db }: Store, clock: Clock) {
  const columns = '(number, id, key, top_up, mint, amount, owner, created_at, watched_until)';
  const insert = change(db, `INSERT INTO payment_requests ${columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const last = select(db, 'SELECT coalesce(max(number), -1) AS count FROM payment_requests', countRow);
  const request = (where: string) => select(db, `SELECT * FROM payment_requests WHERE ${where}`, requestRow);
  const payment = (where: string) => select(db, `SELECT * FROM request_payments WHERE ${where}`, paymentRow);
  const count = (where: string) =>
    select(db, `SELECT count(*) AS count FROM request_payments WHERE ${where}`, countRow);
  const sum = (where: string) =>
    select(db, `SELECT coalesce(sum(face), 0) AS sum FROM request_payments WHERE ${where}`, sumRow);
  const [byNumber, byKey, byTopUp] = [request('number = ?'), request('key = ?'), request('top_up = ?')];
  const watched = request('watched_until > ? ORDER BY number DESC');
  const untoldRefusals = request('refusal IS NOT NULL AND refusal_told = 0 ORDER BY number');
  const paymentById = payment('id = ?');
  const waiting = payment("state = 'new' AND next_at <= ? ORDER BY seq LIMIT ?");
  const untold = payment("state = 'redeemed' AND told = 0 ORDER BY settled LIMIT 50");
  const ofRequest = count('request = ? AND state = ?');
  const faceOf = sum('request = ? AND state = ?');
  const before = select(
    db,
    `SELECT coalesce(sum(face), 0) AS face, coalesce(sum(amount), 0) AS net FROM request_payments
       JOIN operations ON operations.id = operation
     WHERE request = ? AND request_payments.state = 'redeemed' AND settled < ?`,
    beforeRow,
  );
  const addPayment = change(
    db,
    `INSERT INTO request_payments (id, request, token, face, state, created_at) VALUES (?, ?, ?, ?, 'new', ?)`,
  );
  const watchUntil = change(
    db,
    'UPDATE payment_requests SET watched_until = max(watched_until, ?) WHERE number = ?',
  );
  const begin = change(db, 'UPDATE request_payments SET operation = ? WHERE seq = ?');
  const settle = change(
    db,
    `UPDATE request_payments SET state = ?1, face = ?2, token = '', told = ?3,
       settled = (SELECT coalesce(max(settled), 0) + 1 FROM request_payments) WHERE seq = ?4 AND state = 'new'`,
  );
  const forget = change(
    db,
    `DELETE FROM request_payments WHERE seq IN (SELECT seq FROM request_payments WHERE request = ?
       AND state IN ('repeated', 'spent', 'refused') ORDER BY seq DESC LIMIT -1 OFFSET ?)`,
  );
  const postpone = change(
    db,
    'UPDATE request_payments SET attempts = attempts + 1, next_at = ? WHERE seq = ?',
  );
  const refuse = change(db, 'UPDATE payment_requests SET refusal = ? WHERE number = ? AND refusal IS NULL');
  const refusalTold = change(db, 'UPDATE payment_requests SET refusal_told = 1 WHERE key = ?');
  const paymentTold = change(db, 'UPDATE request_payments SET told = 1 WHERE id = ?');

  return {
    nextNumber: (): number => (last.one()?.count ?? -1) + 1,
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

    addPayment: ({
      request: number,
      ...made
    }: Pick<StoredPayment, 'id' | 'request' | 'token' | 'face'>): void =>
      void addPayment(made.id, number, made.token, made.face, clock.now()),
    payment: (id: PaymentId): StoredPayment | undefined => paymentById.one(id),
    /** What is not redeemed yet, oldest first; `due`: without what was postponed. */
    waiting: (scope: RecoveryScope, most: number): readonly StoredPayment[] =>
      waiting.all(scope === 'all' ? Number.MAX_SAFE_INTEGER : clock.now(), most),
    count: (number: number, state: StoredPayment['state']): number =>
      ofRequest.one(number, state)?.count ?? 0,
    face: (number: number, state: StoredPayment['state']): Sat => sumRow.parse(faceOf.one(number, state)).sum,
    /** What had come for the same request before this payment. */
    before: ({ request: number, settled }: StoredPayment): z.infer<typeof beforeRow> =>
      beforeRow.parse(before.one(number, settled ?? 0)),
    /** A receipt was begun for it. */
    begin: (seq: number, operation: OperationId): void => void begin(operation, seq),
    /** What became of it; the token is not needed any more. `silent`: nobody is to be told. */
    settle: (
      { seq, request: number }: StoredPayment,
      state: Exclude<StoredPayment['state'], 'new'>,
      face: Sat,
      silent: boolean,
    ): void => {
      settle(state, face, silent ? 1 : 0, seq);
      forget(number, failedKept);
    },
    postpone: (seq: number, nextAt: number): void => void postpone(nextAt, seq),
    noteRefusal: (number: number, problem: TokenProblem): void =>
      void refuse(JSON.stringify(problem), number),

    untold: (): readonly StoredPayment[] => untold.all(),
    untoldRefusals: (): readonly StoredRequest[] => untoldRefusals.all(),
    paymentTold: (id: PaymentId): void => void paymentTold(id),
    refusalTold: (key: string): void => void refusalTold(key),
  };
}
