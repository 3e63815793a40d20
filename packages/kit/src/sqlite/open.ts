import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** Brings a database from one version to the next. Never edited once released; only appended to. */
export type Migration = (db: Database) => void;

/** The file was written by a newer version of this program. */
export class DatabaseTooNewError extends Error {
  override readonly name = 'DatabaseTooNewError';
  readonly path: string;
  readonly found: number;
  readonly supported: number;
  constructor(path: string, found: number, supported: number) {
    super(`${path} has schema version ${found}; this program knows up to ${supported}`);
    this.path = path;
    this.found = found;
    this.supported = supported;
  }
}

/**
 * Opens a SQLite database (created 0600 in a 0700 folder) and migrates it in one transaction.
 * `synchronous=FULL`: a committed row survives a power cut, which money and exactly-once handling rest on.
 *
 * @throws DatabaseTooNewError when the file's `user_version` is newer than `migrations`
 */
export function openDatabase(path: string, migrations: readonly Migration[]): Database {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new Database(path, { create: true, strict: true });
  try {
    if (path !== ':memory:') chmodSync(path, 0o600);
    db.exec('PRAGMA busy_timeout=5000');
    db.exec('PRAGMA journal_mode=WAL');
    db.exec('PRAGMA synchronous=FULL');
    db.exec('PRAGMA foreign_keys=ON');
    // What is deleted is overwritten, not only forgotten: keys and tokens pass through.
    db.exec('PRAGMA secure_delete=ON');
    migrate(db, path, migrations);
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

function migrate(db: Database, path: string, migrations: readonly Migration[]): void {
  const readVersion = () =>
    db.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0;
  const found = readVersion();
  if (found > migrations.length) throw new DatabaseTooNewError(path, found, migrations.length);
  if (found === migrations.length) return;
  db.transaction(() => {
    for (const migration of migrations.slice(readVersion())) migration(db);
    db.exec(`PRAGMA user_version=${migrations.length}`);
  }).immediate();
}
