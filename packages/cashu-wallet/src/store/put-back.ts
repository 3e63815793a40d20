/*
 * A copy of the wallet's database, put in its place: `wallet restore --from`. The copy is looked at before anything is
 * changed; what is there is kept beside it; what only that one knows and no words bring back comes along (carry-over.ts).
 */
import { Database } from 'bun:sqlite';
import { chmodSync, constants, copyFileSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { syncToDisk } from '@nostr-dm-agent/kit/files';
import { keepCopy, openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { databaseAtRest, isSealedFile } from '../at-rest/database-at-rest.ts';
import { secretColumns } from '../at-rest/secret-columns.ts';
import type { Seed } from '../crypto/seed.ts';
import { newOperationId } from '../wallet-core.ts';
import { CopyRefusedError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import { type CarriedOver, carryOver, isDamage } from './carry-over.ts';
import { whoseDatabase } from './fingerprint.ts';
import { searchDue } from './keyset-table.ts';
import { lockWallet } from './wallet-database.ts';
import { walletMigrations } from './wallet-tables.ts';

export type PutBack = {
  /** Where what was there is now; undefined: nothing was. */
  readonly kept: string | undefined;
  readonly carried: CarriedOver;
  /** Of the last entry in the copy, in milliseconds since the Unix epoch; undefined: there is none. */
  readonly lastEntryAt: number | undefined;
};

/** Moments between which everything is on disk, as of operations (`Checkpoint`). */
export type PutBackCheckpoint = `put-back:${'staged' | 'kept' | 'carried' | 'cleared' | 'done'}`;

/**
 * @param mint the default one, for the entry in the history
 * @param seed undefined: whose it is, and in which form its secrets are, is taken as it stands
 * @param extensions versions of other packages' tables that this program knows, by their names
 * @throws CopyRefusedError: nothing was changed; WalletInUseError, KeepCopyError
 */
export function putBack(
  { from, to, mint }: { readonly from: string; readonly to: string; readonly mint: MintUrl },
  seed: Seed | undefined,
  extensions: Readonly<Record<string, number>>,
  reached: (checkpoint: PutBackCheckpoint) => void = () => undefined,
): PutBack {
  const lock = lockWallet(to);
  const staged = `${to}.incoming`;
  try {
    stage(from, to, staged);
    examine(from, staged, seed, extensions);
    reached('put-back:staged');
    const kept = existsSync(to) ? keepAsItIs(to) : undefined;
    reached('put-back:kept');
    bringUpToDate(staged, seed, kept === undefined ? undefined : isSealedFile(kept));
    const carried = carryOver(kept, staged);
    const lastEntryAt = writeEntry(staged, mint);
    syncToDisk(staged);
    reached('put-back:carried');
    forgetJournal(to);
    reached('put-back:cleared');
    renameSync(staged, to);
    syncToDisk(to);
    reached('put-back:done');
    return { kept, carried, lastEntryAt };
  } finally {
    for (const part of parts) rmSync(staged + part, { force: true });
    lock.release();
  }
}

/** SQLite's files: what was committed and is not in the first one yet is in the second. */
const parts = ['', '-wal', '-shm', '-journal'] as const;

/** The copy's own copy, so that looking at it changes nothing of it. */
function stage(from: string, to: string, staged: string): void {
  const refuse = (problem: CopyRefusedError['problem'], cause?: unknown) =>
    new CopyRefusedError(from, problem, cause);
  for (const part of parts) rmSync(staged + part, { force: true });
  try {
    const found = statSync(from);
    if (!found.isFile()) throw refuse({ kind: 'no-wallet' });
    if (existsSync(to) && isSame(from, to)) throw refuse({ kind: 'itself' });
    const lockFile = from.replace(/\.db$/, '.lock');
    // Another wallet's own database: not while somebody writes to it.
    const theirs = lockFile !== from && existsSync(lockFile) ? lockWallet(from) : undefined;
    try {
      for (const part of ['', '-wal']) {
        if (!existsSync(from + part)) continue;
        copyFileSync(from + part, staged + part, constants.COPYFILE_EXCL);
        chmodSync(staged + part, 0o600);
      }
    } finally {
      theirs?.release();
    }
  } catch (cause) {
    const code = errorCode(cause);
    if (cause instanceof CopyRefusedError || code === undefined || isFull(code)) throw cause;
    throw refuse(code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unreadable', code }, cause);
  }
}

const isFull = (code: string): boolean => ['ENOSPC', 'EDQUOT', 'SQLITE_FULL'].includes(code);

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [statSync(one), statSync(other)];
  return a.dev === b.dev && a.ino === b.ino;
};

/** Whether it is a whole database of this wallet, and none of the future. */
function examine(
  from: string,
  staged: string,
  seed: Seed | undefined,
  extensions: Readonly<Record<string, number>>,
): void {
  const refuse = (problem: CopyRefusedError['problem']) => new CopyRefusedError(from, problem);
  try {
    const db = new Database(staged, { strict: true });
    try {
      const tables = new Set(
        db
          .query<{ name: string }, []>("SELECT name FROM sqlite_master WHERE type = 'table'")
          .all()
          .map(({ name }) => name),
      );
      if (!['operations', 'proofs', 'counters', 'settings', 'spend_log'].every((name) => tables.has(name))) {
        throw refuse({ kind: 'no-wallet' });
      }
      for (const { found, supported } of versionsOf(db, tables, extensions)) {
        if (found > supported) throw refuse({ kind: 'newer', found, supported });
      }
      const answers = db.query<Record<string, string>, []>('PRAGMA integrity_check(1)').all();
      const [detail = ''] = answers.flatMap((row) => Object.values(row));
      if (detail !== 'ok') throw refuse({ kind: 'damaged', detail });
      if (seed !== undefined && whoseDatabase(db, seed) === 'others') throw refuse({ kind: 'other-words' });
      // One file from here on.
      db.exec('PRAGMA journal_mode=DELETE');
    } finally {
      db.close();
    }
  } catch (cause) {
    const code = errorCode(cause);
    // A full disk is no fault of the copy's.
    if (cause instanceof CopyRefusedError || code?.startsWith('SQLITE_') !== true || isFull(code))
      throw cause;
    if (code.startsWith('SQLITE_NOTADB')) throw new CopyRefusedError(from, { kind: 'no-wallet' }, cause);
    throw new CopyRefusedError(from, { kind: 'damaged', detail: code }, cause);
  }
}

const versionRow = z.object({ name: z.string(), version: z.number() });

function versionsOf(db: Database, tables: ReadonlySet<string>, known: Readonly<Record<string, number>>) {
  const own = db.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0;
  const others = tables.has('extensions')
    ? db
        .query('SELECT name, version FROM extensions')
        .all()
        .map((row) => versionRow.parse(row))
    : [];
  return [
    { found: own, supported: walletMigrations.length },
    ...others.map(({ name, version }) => ({ found: version, supported: known[name] ?? version })),
  ];
}

/**
 * What is carried over comes out of a database of this program's version, and its secrets look as they do there: the same
 * token is the same text.
 */
function bringUpToDate(staged: string, seed: Seed | undefined, sealed: boolean | undefined): void {
  const db = openDatabase(staged, walletMigrations);
  try {
    // The copy that this makes of an older one beside it is of no use: where it came from is as it was.
    rmSync(`${staged}.before-v${walletMigrations.length}`, { force: true });
    if (sealed !== undefined && seed !== undefined) {
      databaseAtRest(db, seed, Object.values(secretColumns), (work) => db.transaction(work).immediate()).turn(
        sealed,
      );
    }
    db.exec('PRAGMA journal_mode=DELETE');
  } finally {
    db.close();
  }
}

/**
 * Takes a database that is in its place for one that may be older than what was done with its words: as `putBack` does with a
 * copy. None there: nothing to do.
 *
 * @throws WalletInUseError
 */
export function takeForOld(path: string, mint: MintUrl): void {
  if (!existsSync(path)) return;
  const lock = lockWallet(path);
  try {
    openDatabase(path, walletMigrations).close();
    writeEntry(path, mint);
  } finally {
    lock.release();
  }
}

const timeRow = z.object({ at: z.number().nullable() });

/** The history says that it is a copy which was put back, no number of it is used twice, and what was made of them is searched for. */
function writeEntry(staged: string, mint: MintUrl): number | undefined {
  const db = new Database(staged, { strict: true });
  try {
    const { at } = timeRow.parse(db.query('SELECT max(updated_at) AS at FROM operations').get());
    const now = Date.now();
    // What was not signed when the copy was made may have been since.
    db.exec('DELETE FROM spare_numbers');
    db.query('INSERT INTO settings (key, value) VALUES (?, 1) ON CONFLICT (key) DO NOTHING').run(searchDue);
    db.query(
      `INSERT INTO operations (id, kind, state, open, mint, amount, data, created_at, updated_at)
       VALUES (?, 'receive', 'put_back', 0, ?, 0, '{}', ?, ?)`,
    ).run(newOperationId(), mint, now, now);
    return at ?? undefined;
  } finally {
    db.close();
  }
}

/**
 * What a writer that was killed has left half done is undone, as whoever opens it next would: whoever only reads can't.
 * That it is damaged is for the copying to find.
 */
function rollBack(path: string): void {
  if (!existsSync(`${path}-journal`)) return;
  const db = new Database(path, { strict: true });
  try {
    db.query('SELECT count(*) FROM sqlite_master').get();
  } catch (error) {
    if (!isDamage(error)) throw error;
  } finally {
    db.close();
  }
}

/** A copy of what is there, whatever state it is in. @throws KeepCopyError when there is no room for it */
function keepAsItIs(path: string): string {
  try {
    rollBack(path);
    return keepCopy(path, 'before-restore').path;
  } catch (error) {
    // Damaged: perhaps the very reason why a copy is put back. Byte for byte, then.
    if (!(error instanceof Error) || !isDamage(error.cause)) throw error;
  }
  const wanted = `${path}.before-restore-damaged`;
  let place = wanted;
  for (let number = 2; existsSync(place); number += 1) place = `${wanted}.${number}`;
  for (const part of parts) {
    if (!existsSync(path + part)) continue;
    copyFileSync(path + part, place + part, constants.COPYFILE_EXCL);
    chmodSync(place + part, 0o600);
    syncToDisk(place + part);
  }
  return place;
}

/** What is not in the first file yet goes into it, and the others away: they would be read into what comes there. */
function forgetJournal(path: string): void {
  if (!existsSync(path)) return;
  try {
    const db = new Database(path);
    try {
      db.exec('PRAGMA journal_mode=DELETE');
    } finally {
      db.close();
    }
  } catch (error) {
    if (errorCode(error)?.startsWith('SQLITE_') !== true) throw error;
  }
  for (const part of parts.slice(1)) rmSync(path + part, { force: true });
}
