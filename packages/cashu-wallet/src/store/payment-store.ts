import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { placeOf, secretColumns } from '../at-rest/secret-columns.ts';
import type { PaymentId } from '../payment-requests/request-types.ts';
import type { OperationId, RecoveryScope } from '../wallet-types.ts';
import { operationIdSchema, satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

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

const totalRow = z.object({ count: z.number(), face: satSchema });
const beforeRow = z.object({ face: satSchema, net: satSchema });

const place = placeOf(secretColumns.payment, '');

/** How many that failed are remembered for each request. */
const failedKept = 200;

/** What came for payment requests. What writes is to be called inside the transaction that it belongs to. */
export type PaymentStore = ReturnType<typeof createPaymentStore>;

export function createPaymentStore({ db, atRest }: Store, clock: Clock) {
  const where = (condition: string) =>
    select(db, `SELECT * FROM request_payments WHERE ${condition}`, paymentRow);
  const opened = (payment: StoredPayment): StoredPayment => ({
    ...payment,
    token: atRest.open(place, payment.token),
  });
  const byId = where('id = ?');
  const waiting = where("state = 'new' AND next_at <= ? ORDER BY seq LIMIT ?");
  const untold = where("state = 'redeemed' AND told = 0 ORDER BY settled LIMIT 50");
  const total = select(
    db,
    `SELECT count(*) AS count, coalesce(sum(face), 0) AS face FROM request_payments
     WHERE request = ? AND state = ?`,
    totalRow,
  );
  const before = select(
    db,
    `SELECT coalesce(sum(face), 0) AS face, coalesce(sum(amount), 0) AS net FROM request_payments
       JOIN operations ON operations.id = operation
     WHERE request = ? AND request_payments.state = 'redeemed' AND settled < ?`,
    beforeRow,
  );
  const add = change(
    db,
    `INSERT INTO request_payments (id, request, token, face, state, created_at) VALUES (?, ?, ?, ?, 'new', ?)`,
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
  const told = change(db, 'UPDATE request_payments SET told = 1 WHERE id = ?');

  return {
    add: ({ id, request, token, face }: Pick<StoredPayment, 'id' | 'request' | 'token' | 'face'>): void =>
      void add(id, request, atRest.seal(place, token), face, clock.now()),
    read: (id: PaymentId): StoredPayment | undefined => {
      const found = byId.one(id);
      return found && opened(found);
    },
    /** What is not redeemed yet, oldest first; `due`: without what was postponed. */
    waiting: (scope: RecoveryScope, most: number): readonly StoredPayment[] =>
      waiting.all(scope === 'all' ? Number.MAX_SAFE_INTEGER : clock.now(), most).map(opened),
    /** How many of a request are in a state, and their face value. */
    total: (request: number, state: StoredPayment['state']): z.infer<typeof totalRow> =>
      totalRow.parse(total.one(request, state)),
    /** What had come for the same request before this payment. */
    before: ({ request, settled }: StoredPayment): z.infer<typeof beforeRow> =>
      beforeRow.parse(before.one(request, settled ?? 0)),
    /** A receipt was begun for it. */
    begin: (seq: number, operation: OperationId): void => void begin(operation, seq),
    /** What became of it; the token is not needed any more. `silent`: nobody is to be told. */
    settle: (
      { seq, request }: StoredPayment,
      end: {
        readonly state: Exclude<StoredPayment['state'], 'new'>;
        readonly face: Sat;
        readonly silent: boolean;
      },
    ): void => {
      settle(end.state, end.face, end.silent ? 1 : 0, seq);
      forget(request, failedKept);
    },
    postpone: (seq: number, nextAt: number): void => void postpone(nextAt, seq),
    untold: (): readonly StoredPayment[] => untold.all().map(opened),
    told: (id: PaymentId): void => void told(id),
  };
}
