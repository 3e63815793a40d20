import { Database } from 'bun:sqlite';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Durability } from '../types.ts';
import { takeLease } from './lease.ts';
import { walletMigrations } from './schema.ts';

/** The wallet's database with the right to write to it. */
export type Store = {
  readonly db: Database;
  /**
   * Runs `work` in one IMMEDIATE transaction; inside another one it is a part of that one.
   * @throws LeaseLostError, and whatever `work` throws, after a rollback
   */
  readonly write: <T>(work: () => T, durability?: Durability) => T;
  /** Writes a consistent copy that nobody holds, 0600. The file must not be there yet. */
  readonly backup: (path: string) => void;
  readonly close: () => void;
};

/**
 * Opens (or makes) the database and takes its lease.
 *
 * @throws WalletInUseError, DatabaseTooNewError
 */
export function openStore(path: string, clock: Clock): Store {
  const db = openDatabase(path, walletMigrations);
  try {
    const lease = takeLease(db, clock);
    const transact = <T>(work: () => T): T =>
      db
        .transaction(() => {
          lease.assertHeld();
          return work();
        })
        .immediate();
    return {
      db,
      write(work, durability = 'now') {
        if (durability === 'now' || db.inTransaction) return transact(work);
        // Not synced now; the next transaction that is syncs this one with it.
        db.exec('PRAGMA synchronous=NORMAL');
        try {
          return transact(work);
        } finally {
          db.exec('PRAGMA synchronous=FULL');
        }
      },
      backup(target) {
        mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
        // VACUUM INTO writes to an empty file as well, and this one nobody else can read from the start.
        writeFileSync(target, '', { mode: 0o600, flag: 'wx' });
        db.query('VACUUM INTO ?').run(target);
        const copy = new Database(target);
        try {
          copy.exec('DELETE FROM lease');
        } finally {
          copy.close();
        }
      },
      close() {
        lease.release();
        db.close();
      },
    };
  } catch (cause) {
    db.close();
    throw cause;
  }
}
