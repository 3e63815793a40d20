import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { keepCopy } from './keep-copy.ts';

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
 * What an earlier version of the program wrote is kept beside it as it was, `<path>.before-v<new version>`.
 *
 * @throws DatabaseTooNewError when the file's `user_version` is newer than `migrations`
 * @throws KeepCopyError when there is no room for the copy: nothing was changed
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
  const wanted = migrations.length;
  const readVersion = (): number => {
    const found = db.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0;
    if (found > wanted) throw new DatabaseTooNewError(path, found, wanted);
    return found;
  };
  if (readVersion() === wanted) return;
  db.transaction(() => {
    // Another process may have been here while this one waited for the lock.
    const found = readVersion();
    if (found === wanted) return;
    const copy = found > 0 && path !== ':memory:' ? keepCopy(path, `before-v${wanted}`) : undefined;
    try {
      for (const migration of migrations.slice(found)) migration(db);
    } catch (cause) {
      // All of it is undone. Copies do not pile up where somebody tries again and again.
      copy?.discard();
      throw cause;
    }
    db.exec(`PRAGMA user_version=${wanted}`);
  }).immediate();
}
