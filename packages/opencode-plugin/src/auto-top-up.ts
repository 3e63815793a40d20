import type { Clock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { WalletSession } from '@nostr-dm-agent/routstr/remote';
import type { Filled } from './node-fetch.ts';
import { topUpsFile } from './own-files.ts';
import type { AutoTopUp } from './plugin-options.ts';

/** How much was put on keys without being asked for, durable, all processes of this user together. */
export type TopUpBook = {
  /** Takes it off today's cap before any money moves. */
  readonly reserve: (amount: number, perDay: number) => { readonly id: number } | { readonly used: number };
  /** Nothing of it has moved after all. */
  readonly release: (id: number) => void;
  readonly close: () => void;
};

export function openTopUpBook(home: string, clock: Clock): TopUpBook {
  const db = openDatabase(topUpsFile(home), [
    (fresh) =>
      fresh.exec(
        'CREATE TABLE topups (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, sat INTEGER NOT NULL) STRICT',
      ),
  ]);
  const today = (): number => new Date(clock.now()).setHours(0, 0, 0, 0);
  return {
    reserve: (amount, perDay) =>
      db
        .transaction(() => {
          const used =
            db
              .query<{ used: number }, [number]>(
                'SELECT coalesce(sum(sat), 0) AS used FROM topups WHERE at >= ?',
              )
              .get(today())?.used ?? 0;
          if (used + amount > perDay) return { used };
          const row = db
            .query<{ id: number }, [number, number]>(
              'INSERT INTO topups (at, sat) VALUES (?, ?) RETURNING id',
            )
            .get(clock.now(), amount);
          return row ?? { used };
        })
        // Two processes that begin at once are told of each other.
        .immediate(),
    release: (id) => {
      db.query('DELETE FROM topups WHERE id = ?').run(id);
    },
    close: () => db.close(),
  };
}

/** Fills one key from the wallet, within the cap of a day; one at a time. */
export function createFiller(deps: {
  readonly settings: AutoTopUp | undefined;
  readonly key: string;
  readonly session: () => Promise<WalletSession>;
  readonly book: () => TopUpBook;
}) {
  const { settings } = deps;
  let under: Promise<Filled> | undefined;
  const once = async (signal: AbortSignal): Promise<Filled> => {
    if (settings === undefined) return { state: 'not', problem: undefined };
    const { amount, perDay } = settings;
    const known = await (await deps.session()).keyInfo(deps.key, signal);
    if (known === undefined) return { state: 'not', problem: { kind: 'not_ours' } };
    const reserved = deps.book().reserve(amount, perDay);
    if ('used' in reserved)
      return { state: 'not', problem: { kind: 'day_is_used', used: reserved.used, perDay } };
    // What is thrown leaves it reserved: whether money moved is not known, and the cap is the user's word.
    const result = await (await deps.session()).topUpKey(known.key.id, { from: 'wallet', amount }, signal);
    if (result.state === 'added') return { state: 'added' };
    if (result.money.state === 'never_left' || result.money.state === 'back')
      deps.book().release(reserved.id);
    return { state: 'not', problem: { kind: 'refused', refusal: result.refusal.kind } };
  };
  const fill = (signal: AbortSignal): Promise<Filled> => {
    under ??= once(signal)
      .catch((): Filled => ({ state: 'not', problem: { kind: 'failed' } }))
      .finally(() => {
        under = undefined;
      });
    return under;
  };
  return {
    fill,
    /** After an answer: so that the next call does not meet a key that is too low. */
    async fillIfLow(signal: AbortSignal): Promise<void> {
      if (settings === undefined || under !== undefined) return;
      const known = await (await deps.session()).keyInfo(deps.key, signal);
      if (known?.seen.state !== 'known') return;
      if (known.seen.available + known.seen.reserved < settings.below) await fill(signal);
    },
  };
}
