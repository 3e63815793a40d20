import type { Database } from 'bun:sqlite';
import { change, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';

/** What was told of payment requests, while the wallet's own database does not say so yet: so it is told once. */
export type ToldPayments = {
  /** False: it was before. To be part of the transaction that tells it. */
  readonly add: (payment: string) => boolean;
  readonly remove: (payment: string) => void;
};

export function createToldPayments(db: Database): ToldPayments {
  const found = select(
    db,
    'SELECT payment FROM told_payments WHERE payment = ?',
    z.object({ payment: z.string() }),
  );
  const insert = change(db, 'INSERT INTO told_payments (payment) VALUES (?)');
  return {
    add: (payment) => found.one(payment) === undefined && insert(payment) === 1,
    remove: change(db, 'DELETE FROM told_payments WHERE payment = ?'),
  };
}
