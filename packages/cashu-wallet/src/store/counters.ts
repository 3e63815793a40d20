import type { CounterSource } from '@cashu/cashu-ts';
import type { Store } from './wallet-database.ts';

/**
 * NUT-13 counters. What is handed out is written before any secret is made from it, and on disk before a mint sees one
 * (with the operation that asks it): a crash wastes numbers (restore scans across gaps), but no number is ever used
 * twice. Kept by keyset alone, because the mint is no part of the derivation.
 */
export type Counters = CounterSource & {
  readonly next: (keyset: string) => number;
  /** Not back. Inside a transaction. */
  readonly moveTo: (keyset: string, least: number) => void;
  /** These were handed out, and nobody has signed what was made of them: they are handed out again. Inside a transaction. */
  readonly giveBack: (keyset: string, first: number, count: number) => void;
};

type Spare = { readonly first: number; readonly next: number };

export function createCounters(store: Store): Counters {
  const read = store.db.query<{ next: number }, [string]>('SELECT next FROM counters WHERE keyset = ?');
  const put = store.db.query(
    'INSERT INTO counters (keyset, next) VALUES (?, ?) ON CONFLICT (keyset) DO UPDATE SET next = excluded.next',
  );
  const next = (keyset: string): number => read.get(keyset)?.next ?? 0;
  const moveTo = (keyset: string, least: number): void => {
    if (next(keyset) < least) put.run(keyset, least);
  };
  const roomy = store.db.query<Spare, [string, number]>(
    'SELECT first, next FROM spare_numbers WHERE keyset = ? AND next - first >= ? ORDER BY first LIMIT 1',
  );
  const touching = store.db.query<Spare, [string, number, number]>(
    'SELECT first, next FROM spare_numbers WHERE keyset = ? AND (next = ? OR first = ?)',
  );
  const keep = store.db.query('INSERT INTO spare_numbers (keyset, first, next) VALUES (?, ?, ?)');
  const forget = store.db.query('DELETE FROM spare_numbers WHERE keyset = ? AND first = ?');
  const handOut = (keyset: string, count: number): number => {
    const spare = roomy.get(keyset, count);
    if (spare === null) {
      const start = next(keyset);
      put.run(keyset, start + count);
      return start;
    }
    forget.run(keyset, spare.first);
    if (spare.first + count < spare.next) keep.run(keyset, spare.first + count, spare.next);
    return spare.first;
  };
  const giveBack = (keyset: string, from: number, count: number): void => {
    const neighbours = touching.all(keyset, from, from + count);
    for (const { first } of neighbours) forget.run(keyset, first);
    const first = Math.min(from, ...neighbours.map((spare) => spare.first));
    const end = Math.max(from + count, ...neighbours.map((spare) => spare.next));
    if (end === next(keyset)) put.run(keyset, first);
    else keep.run(keyset, first, end);
  };
  return {
    next,
    moveTo,
    giveBack,
    reserve: async (keyset, count) => {
      if (count <= 0) return { start: next(keyset), count: 0 };
      return store.write(() => ({ start: handOut(keyset, count), count }), 'soon');
    },
    reserveAt: async (keyset, start, count) =>
      store.write(() => {
        if (start < next(keyset)) throw new RangeError(`counters from ${start} were handed out before`);
        put.run(keyset, start + count);
        return { start, count };
      }),
    advanceToAtLeast: async (keyset, least) => {
      store.write(() => moveTo(keyset, least));
    },
  };
}
