import type { KeyRefusal, MadeKey, ToppedUp } from '../remote/key-facts.ts';
import { isIn, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { type Whereabouts, whereaboutsOf } from './payment-refusals.ts';
import { factsOf, secretOf } from './user-key-facts.ts';

export const neverLeft = { state: 'never_left' } as const;

/** Nothing was done; where the money is. */
export const refuse = (refusal: KeyRefusal, money: Whereabouts = neverLeft) =>
  ({ state: 'refused', refusal, money }) as const;

/** What is to be said of a key that was to be made. */
export function madeOf({ store, clock }: PaidRunDeps, row: PaidRun): MadeKey {
  const key = factsOf(store, row);
  store.setTold(row.id);
  const secret = secretOf(row);
  if (isIn(row, 'kept') && secret !== undefined) return { state: 'made', key, secret };
  if (isIn(row, 'invoiced') && key.invoice !== undefined && isPayable(row, clock.now())) {
    return { state: 'unpaid', key, invoice: key.invoice };
  }
  if (isIn(row, 'invoiced', 'void')) return refuse({ kind: 'invoice_expired', node: row.node });
  return refuse({ kind: 'not_kept', state: key.state }, whereaboutsOf(row));
}

export function addedOf({ store, clock }: PaidRunDeps, row: PaidRun): ToppedUp {
  const parent = store.find(row.ticket.parent ?? '');
  const key = factsOf(store, parent ?? row);
  store.setTold(row.id);
  if (isIn(row, 'merged')) return { state: 'added', key, amount: row.ticket.budget };
  if (isIn(row, 'invoiced') && key.invoice !== undefined && isPayable(row, clock.now())) {
    return { state: 'unpaid', key, invoice: key.invoice };
  }
  if (isIn(row, 'invoiced', 'void')) return refuse({ kind: 'invoice_expired', node: row.node });
  return refuse({ kind: 'not_kept', state: key.state }, whereaboutsOf(row));
}

const isPayable = ({ body }: PaidRunIn<'invoiced'>, now: number): boolean => now < body.expiresAt;
