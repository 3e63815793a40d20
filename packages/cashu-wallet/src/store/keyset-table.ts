import type { Clock } from '@nostr-dm-agent/kit/clock';
import { z } from 'zod';
import type { MintUrl } from '../wallet-types.ts';
import type { Store } from './wallet-database.ts';

/** What became of keysets. Everything that writes is to be called inside the transaction that it belongs to. */
export type KeysetTable = {
  /** The mint knows it no more: what is of it can't be spent. */
  readonly setGone: (keyset: string, gone: boolean) => void;
  /** All that a mint has shown. */
  readonly of: (mint: MintUrl) => readonly string[];
  /** Those that were not asked about since the mint signs with them no more: money with these words may be of them. */
  readonly unsearched: (mint: MintUrl) => ReadonlySet<string>;
  readonly setSearched: (keyset: string) => void;
  /** A copy was put back: numbers that were spare in it may have been used since, and all are searched once. */
  readonly isSearchDue: () => boolean;
  readonly searchDone: () => void;
  /** Those of which there is money, or was. */
  readonly used: () => readonly string[];
  /** Those that the mint was asked about before that moment (ms), and did not know. */
  readonly goneBefore: (mint: MintUrl, moment: number) => readonly string[];
};

/** Key of a setting. */
export const searchDue = 'search_due';
const idRow = z.object({ id: z.string() }).transform(({ id }) => id);

export function createKeysetTable({ db }: Store, clock: Clock): KeysetTable {
  return {
    setGone: (keyset, gone) => {
      db.query('UPDATE keysets SET gone_at = ? WHERE id = ?').run(gone ? clock.now() : null, keyset);
    },
    of: (mint) =>
      db
        .query('SELECT id FROM keysets WHERE mint = ?')
        .all(mint)
        .map((row) => idRow.parse(row)),
    unsearched: (mint) =>
      new Set(
        db
          .query('SELECT id FROM keysets WHERE mint = ? AND searched_at IS NULL')
          .all(mint)
          .map((row) => idRow.parse(row)),
      ),
    setSearched: (keyset) => {
      db.query('UPDATE keysets SET searched_at = ? WHERE id = ?').run(clock.now(), keyset);
    },
    isSearchDue: () => db.query('SELECT 1 FROM settings WHERE key = ?').get(searchDue) !== null,
    searchDone: () => void db.query('DELETE FROM settings WHERE key = ?').run(searchDue),
    used: () =>
      db
        .query(
          "SELECT keyset AS id FROM counters WHERE next > 0 UNION SELECT keyset FROM proofs WHERE state <> 'spent'",
        )
        .all()
        .map((row) => idRow.parse(row)),
    goneBefore: (mint, moment) =>
      db
        .query('SELECT id FROM keysets WHERE mint = ? AND gone_at < ?')
        .all(mint, moment)
        .map((row) => idRow.parse(row)),
  };
}
