import { Database } from 'bun:sqlite';
import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { Seed } from '../crypto/seed.ts';
import { createSealer, type Sealer } from './sealer.ts';
import { rewriteColumns, type SecretColumn } from './secret-columns.ts';

/** How a database keeps its secret values, and whether that is to change. */
export type AtRest = Sealer & {
  readonly isSealed: () => boolean;
  /** Nothing of what was there in clear is left in the file. Always so where it is in clear. */
  readonly isWiped: () => boolean;
  /** Seals what is there, or opens it, in one transaction with the setting; what was overwritten is then wiped from the file. */
  readonly turn: (sealed: boolean, reached?: (checkpoint: 'rewritten') => void) => void;
  /** Columns of another package's tables in this file: written as all others are, from now on. */
  readonly include: (name: string, columns: readonly SecretColumn[]) => void;
};

/** `sealed`, and `wiping` until nothing of what was there in clear is left in the file. */
type Setting = 'clear' | 'sealed' | 'wiping';
const checkpointRow = z.object({ busy: z.number() });
const settingOf = (name: string): string => `at_rest:${name}`;

/** How a database that nobody writes to keeps its secrets; undefined: it can't be read. */
export function isSealedFile(path: string): boolean | undefined {
  try {
    const db = new Database(path, { readonly: true });
    try {
      return (
        db.query("SELECT 1 FROM settings WHERE key = ? AND value <> 'clear'").get(settingOf('wallet')) !==
        null
      );
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

/**
 * @param own the wallet's own columns
 * @param transact one IMMEDIATE transaction
 */
export function databaseAtRest(
  db: Database,
  seed: Seed,
  own: readonly SecretColumn[],
  transact: <T>(work: () => T) => T,
): AtRest {
  const groups = new Map<string, readonly SecretColumn[]>([['wallet', own]]);
  const read = (name: string): Setting => {
    const value = db
      .query<{ value: string }, [string]>('SELECT value FROM settings WHERE key = ?')
      .get(settingOf(name))?.value;
    return value === 'sealed' || value === 'wiping' ? value : 'clear';
  };
  const write = (name: string, value: Setting): void => {
    db.query('INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)').run(settingOf(name), value);
  };
  let sealed = read('wallet') !== 'clear';
  const sealer = createSealer(seed, () => sealed);

  /** Brings a group to where the wallet's own is. */
  const follow = (name: string, columns: readonly SecretColumn[]): void => {
    if ((read(name) !== 'clear') === sealed) return;
    transact(() => {
      rewriteColumns(db, sealer, columns);
      write(name, sealed ? 'wiping' : 'clear');
    });
  };
  const wipe = (): void => {
    const names = [...groups.keys()].filter((name) => read(name) === 'wiping');
    if (names.length === 0 || db.inTransaction) return;
    try {
      // Overwritten cells are zeroed (secure_delete); what stays in pages that are not used and in the log goes here.
      db.exec('VACUUM');
      const { busy } = checkpointRow.parse(db.query('PRAGMA wal_checkpoint(TRUNCATE)').get());
      if (busy !== 0) return;
    } catch (error) {
      // Somebody reads it: at the next opening, then.
      if (isBusy(error)) return;
      throw error;
    }
    transact(() => {
      for (const name of names) write(name, 'sealed');
    });
  };
  // Killed before it was done.
  wipe();
  return {
    ...sealer,
    isSealed: () => sealed,
    isWiped: () => [...groups.keys()].every((name) => read(name) !== 'wiping'),
    turn(to, reached) {
      const before = sealed;
      sealed = to;
      try {
        for (const [name, columns] of groups) follow(name, columns);
      } catch (error) {
        sealed = before;
        throw error;
      }
      reached?.('rewritten');
      wipe();
    },
    include(name, columns) {
      groups.set(name, columns);
      follow(name, columns);
      wipe();
    },
  };
}
