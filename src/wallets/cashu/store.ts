import type { Database } from 'bun:sqlite';
import { chmodSync } from 'node:fs';
import type { Clock } from '../../clock.ts';
import { openDatabase } from '../../db/open.ts';
import { takeLease } from './lease.ts';
import { walletMigrations } from './schema.ts';

/** The wallet's database with the right to write to it. */
export type Store = {
  readonly db: Database;
  /** Runs `work` in one IMMEDIATE transaction. @throws LeaseLostError, and whatever `work` throws, after a rollback */
  readonly write: <T>(work: () => T) => T;
  /** Writes a consistent copy, 0600. */
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
    return {
      db,
      write: (work) =>
        db
          .transaction(() => {
            lease.assertHeld();
            return work();
          })
          .immediate(),
      backup(target) {
        db.query('VACUUM INTO ?').run(target);
        chmodSync(target, 0o600);
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
