import type { Database } from 'bun:sqlite';
import { DatabaseTooNewError, keepCopy } from '@nostr-dm-agent/kit/sqlite';
import type { SecretColumn } from '../at-rest/secret-columns.ts';
import type { Tables } from '../faces.ts';
import type { Store } from './wallet-database.ts';

/** Brings the tables of another package in this file up to date (`WalletJournal.extension`). @throws DatabaseTooNewError */
export function openExtension(
  { db, write, atRest }: Store,
  name: string,
  migrations: readonly string[],
  secrets: readonly SecretColumn[] = [],
): Tables {
  write(() => migrateExtension(db, name, migrations));
  if (secrets.length > 0) atRest.include(name, secrets);
  return {
    seal: atRest.seal,
    open: atRest.open,
    sealJson: atRest.sealJson,
    openJson: atRest.openJson,
    all: (sql, ...values) => db.query(sql).all(...values),
    get: (sql, ...values) => db.query(sql).get(...values) ?? undefined,
    run: (sql, ...values) => {
      db.query(sql).run(...values);
    },
  };
}

/** Inside an IMMEDIATE transaction. @throws DatabaseTooNewError */
export function migrateExtension(db: Database, name: string, migrations: readonly string[]): void {
  const { version: found = 0 } =
    db.query<{ version: number }, [string]>('SELECT version FROM extensions WHERE name = ?').get(name) ?? {};
  if (found > migrations.length) {
    throw new DatabaseTooNewError(`${db.filename} (${name})`, found, migrations.length);
  }
  if (found === migrations.length) return;
  // Made by an earlier version of that package: the file is kept as it was, as before the wallet's own migrations.
  const copy = found > 0 ? keepCopy(db.filename, `before-${name}-v${migrations.length}`) : undefined;
  try {
    for (const migration of migrations.slice(found)) db.exec(migration);
  } catch (cause) {
    copy?.discard();
    throw cause;
  }
  db.query('INSERT OR REPLACE INTO extensions (name, version) VALUES (?, ?)').run(name, migrations.length);
}
