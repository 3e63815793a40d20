/*
 * Mints that have moved. The address that a mint had stays a name of it: in the configuration, in tokens that are out, in
 * what nodes list. What is kept here is written under the address of today.
 */
import { z } from 'zod';
import type { Store } from '../store/wallet-database.ts';
import type { MintUrl } from '../wallet-types.ts';

export type MintNames = {
  /** The address of today. */
  readonly today: (mint: MintUrl) => MintUrl;
  /** Addresses of before, with those of today. */
  readonly all: () => readonly { readonly before: MintUrl; readonly today: MintUrl }[];
  /** Everything of `before` is `today`'s from now on. Inside a transaction. */
  readonly rename: (before: MintUrl, today: MintUrl) => void;
  /** What was begun before a mint was renamed and written after it. Costs nothing where none was. */
  readonly tidy: () => void;
};

const tableRow = z.object({ name: z.string() }).transform(({ name }) => name);

export function createMintNames({ db, write }: Store): MintNames {
  const one = db.query<{ mint: MintUrl }, [string]>('SELECT mint FROM mint_names WHERE before = ?');
  const every = db.query<{ before: MintUrl; today: MintUrl }, []>(
    'SELECT before, mint AS today FROM mint_names ORDER BY before',
  );
  /** Every table in this file that says which mint something is of, those of other packages too. */
  const tables = (): readonly string[] =>
    db
      .query(
        `SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.name = 'mint' AND m.name <> 'mint_names'`,
      )
      .all()
      .map((row) => tableRow.parse(row));
  const move = (before: MintUrl, today: MintUrl): void => {
    for (const table of tables()) {
      db.query(`UPDATE "${table}" SET mint = ?2 WHERE mint = ?1`).run(before, today);
    }
  };
  return {
    today: (mint) => one.get(mint)?.mint ?? mint,
    all: () => every.all(),
    rename(before, today) {
      move(before, today);
      db.query('DELETE FROM mint_names WHERE before = ?').run(today);
      db.query('UPDATE mint_names SET mint = ?2 WHERE mint = ?1').run(before, today);
      db.query('INSERT INTO mint_names (before, mint) VALUES (?, ?)').run(before, today);
    },
    tidy() {
      const names = every.all();
      if (names.length === 0) return;
      write(() => {
        for (const { before, today } of names) move(before, today);
      });
    },
  };
}
