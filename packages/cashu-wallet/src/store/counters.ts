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
  /** The numbers from here on were handed out, and nobody has signed what was made of them. Inside a transaction. */
  readonly setBack: (keyset: string, next: number) => void;
};

export function createCounters(store: Store): Counters {
  const read = store.db.query<{ next: number }, [string]>('SELECT next FROM counters WHERE keyset = ?');
  const put = store.db.query(
    'INSERT INTO counters (keyset, next) VALUES (?, ?) ON CONFLICT (keyset) DO UPDATE SET next = excluded.next',
  );
  const next = (keyset: string): number => read.get(keyset)?.next ?? 0;
  const moveTo = (keyset: string, least: number): void => {
    if (next(keyset) < least) put.run(keyset, least);
  };
  return {
    next,
    moveTo,
    setBack: (keyset, to) => void put.run(keyset, to),
    reserve: async (keyset, count) => {
      if (count <= 0) return { start: next(keyset), count: 0 };
      return store.write(() => {
        const start = next(keyset);
        put.run(keyset, start + count);
        return { start, count };
      }, 'soon');
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
