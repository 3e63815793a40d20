import { Database } from 'bun:sqlite';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncToDisk } from '../files.ts';

/** A database could not be copied before it is changed; so it was not changed. */
export class KeepCopyError extends Error {
  override readonly name = 'KeepCopyError';
  readonly path: string;
  readonly copy: string;
  constructor(path: string, copy: string, options: ErrorOptions) {
    super(`${path} could not be copied to ${copy}, so it was not migrated`, options);
    this.path = path;
    this.copy = copy;
  }
}

/** A copy that is there now. */
export type KeptCopy = {
  readonly path: string;
  /** Nothing was changed after all: takes it away again, unless it was there before. */
  readonly discard: () => void;
};

/**
 * Puts a copy of a database beside it, `<path>.<name>`, 0600: one file, which the program that wrote the database opens.
 * It is there as a whole or not at all, also after a power cut. A copy that is there already is never overwritten: one
 * of another content gets a number (`<path>.<name>.2`), one of the same content is enough.
 *
 * To be called by whoever holds the write lock (`BEGIN IMMEDIATE`) and has written nothing yet: what is copied is what
 * is about to be changed, and nobody else copies at the same time.
 *
 * @throws KeepCopyError
 */
export function keepCopy(path: string, name: string): KeptCopy {
  const wanted = `${path}.${name}`;
  // A name of its own for each kind, so that what a kill has left is replaced by the next try.
  const part = `${wanted}.part`;
  try {
    copyDatabase(path, part);
    const place = placeFor(part, wanted);
    const isThere = existsSync(place);
    if (isThere) rmSync(part);
    else renameSync(part, place);
    syncToDisk(dirname(path));
    return {
      path: place,
      discard: () => {
        if (!isThere) rmSync(place, { force: true });
      },
    };
  } catch (cause) {
    try {
      rmSync(part, { force: true });
    } catch {
      // It is no file of ours: the cause says so.
    }
    throw new KeepCopyError(path, wanted, { cause });
  }
}

/**
 * Writes what was committed to a database, whoever works with it, to one file that nobody else can read; what is at
 * `target` is replaced. By a connection of its own: inside a transaction SQLite makes no copy.
 */
export function copyDatabase(path: string, target: string): void {
  rmSync(target, { force: true });
  // VACUUM INTO writes to an empty file as well, and this one nobody else can read from the start.
  writeFileSync(target, '', { mode: 0o600, flag: 'wx' });
  const reader = new Database(path, { readonly: true });
  try {
    reader.exec('PRAGMA busy_timeout=5000');
    reader.query('VACUUM INTO ?').run(target);
  } finally {
    reader.close();
  }
  syncToDisk(target);
}

/** The first place that is free, or has this very copy. */
function placeFor(copy: string, wanted: string): string {
  for (let number = 1; ; number += 1) {
    const place = number === 1 ? wanted : `${wanted}.${number}`;
    if (!existsSync(place) || contentOf(place).equals(contentOf(copy))) return place;
  }
}

/** Without what SQLite counts in the header: how often the file was changed, and by which library (fileformat2 §1.3). */
function contentOf(path: string): Buffer {
  const bytes = readFileSync(path);
  for (const field of [bytes.subarray(24, 28), bytes.subarray(92, 100)]) field.fill(0);
  return bytes;
}
