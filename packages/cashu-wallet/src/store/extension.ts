import { DatabaseTooNewError } from '@nostr-dm-agent/kit/sqlite';
import type { Tables } from '../faces.ts';
import type { Store } from './store.ts';

/** Brings the tables of another package in this file up to date (`WalletJournal.extension`). @throws DatabaseTooNewError */
export function openExtension({ db, write }: Store, name: string, migrations: readonly string[]): Tables {
  write(() => {
    const { version: found = 0 } =
      db.query<{ version: number }, [string]>('SELECT version FROM extensions WHERE name = ?').get(name) ??
      {};
    if (found > migrations.length) {
      throw new DatabaseTooNewError(`${db.filename} (${name})`, found, migrations.length);
    }
    for (const migration of migrations.slice(found)) db.exec(migration);
    db.query('INSERT OR REPLACE INTO extensions (name, version) VALUES (?, ?)').run(name, migrations.length);
  });
  return {
    all: (sql, ...values) => db.query(sql).all(...values),
    get: (sql, ...values) => db.query(sql).get(...values) ?? undefined,
    run: (sql, ...values) => {
      db.query(sql).run(...values);
    },
  };
}
