import type { Database } from 'bun:sqlite';
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { syncToDisk } from '@nostr-dm-agent/kit/files';
import { acquireLock, type Lock, LockHeldError } from '@nostr-dm-agent/kit/lock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { type AtRest, databaseAtRest } from '../at-rest/database-at-rest.ts';
import { secretColumns } from '../at-rest/secret-columns.ts';
import type { Seed } from '../crypto/seed.ts';
import { BackupRefusedError, WalletInUseError } from '../wallet-errors.ts';
import type { Durability } from '../wallet-types.ts';
import { walletMigrations } from './wallet-tables.ts';

/** The wallet's database with the right to write to it. */
export type Store = {
  readonly db: Database;
  /** How secret values are written and read. */
  readonly atRest: AtRest;
  /**
   * Runs `work` in one IMMEDIATE transaction; inside another one it is a part of that one.
   * @throws whatever `work` throws, after a rollback
   */
  readonly write: <T>(work: () => T, durability?: Durability) => T;
  /** Writes a consistent copy that nobody holds, 0600, as a whole or not at all. @throws BackupRefusedError */
  readonly backup: (path: string) => void;
  readonly close: () => void;
};

/**
 * Opens (or makes) the database, of which only one process at a time has the right to write: `<fingerprint>.lock` beside it.
 *
 * @throws WalletInUseError, DatabaseTooNewError
 */
export function openStore(path: string, seed: Seed): Store {
  const lock = lockWallet(path);
  let db: Database;
  try {
    db = openDatabase(path, walletMigrations);
  } catch (cause) {
    lock.release();
    throw cause;
  }
  const write: Store['write'] = (work, durability = 'now') => {
    const transact = db.transaction(work);
    if (durability === 'now' || db.inTransaction) return transact.immediate();
    // Not synced now; the next transaction that is syncs this one with it.
    db.exec('PRAGMA synchronous=NORMAL');
    try {
      return transact.immediate();
    } finally {
      db.exec('PRAGMA synchronous=FULL');
    }
  };
  const close = () => {
    db.close();
    lock.release();
  };
  const openAtRest = () => {
    try {
      return databaseAtRest(db, seed, Object.values(secretColumns), write);
    } catch (cause) {
      close();
      throw cause;
    }
  };
  return {
    db,
    atRest: openAtRest(),
    write,
    backup: (target) => writeBackup(db, target),
    close,
  };
}

/** The right to write to the database at this path. @throws WalletInUseError */
export function lockWallet(path: string): Lock {
  try {
    return acquireLock(path.replace(/\.db$/, '.lock'));
  } catch (cause) {
    if (!(cause instanceof LockHeldError)) throw cause;
    throw new WalletInUseError(cause.holder, cause);
  }
}

/** What a kill leaves beside it is replaced by the next try; what is at `target` never is. */
function writeBackup(db: Database, target: string): void {
  const part = `${target}.part`;
  let made = false;
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    rmSync(part, { force: true });
    // VACUUM INTO writes to an empty file as well, and this one nobody else can read from the start.
    writeFileSync(part, '', { mode: 0o600, flag: 'wx' });
    made = true;
    db.query('VACUUM INTO ?').run(part);
    syncToDisk(part);
    // Unlike a rename, a hard link never replaces what is there.
    linkSync(part, target);
    syncToDisk(dirname(target));
  } catch (cause) {
    const code = errorCode(cause) ?? 'unknown';
    throw new BackupRefusedError(
      target,
      code === 'EEXIST' ? { kind: 'exists' } : { kind: 'unwritable', code },
      cause,
    );
  } finally {
    if (made) rmSync(part, { force: true });
  }
}
