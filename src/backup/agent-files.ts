/*
 * Files below a folder that agents can write to, for a copy: no link is followed, also not one that is put there meanwhile, and
 * nothing is larger than it may be. Folders are held open while they are read and entered through what is held.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Steps } from './in-steps.ts';

/** What was not taken along. */
export type LeftOut = {
  readonly path: string;
  /** `changing`: it was written to again and again. `odd`: no plain file with one name. */
  readonly why: 'too_large' | 'too_many' | 'changing' | 'odd';
};

/** Of one file, and of files in all. */
export const limits = { fileBytes: 4 * 1024 ** 3, files: 50_000, depth: 16 };

/** A plain file, open for reading. */
export type OpenFile = {
  readonly path: string;
  readonly file: number;
  readonly size: number;
  readonly mode: number;
};

/**
 * Calls back with each file, held open meanwhile: its path below the folder.
 * @param count of files that were seen before, counted on
 */
export function* eachAgentFile(
  root: string,
  onFile: (file: OpenFile) => Steps<void>,
  onLeftOut: (left: LeftOut) => void,
  count: { files: number },
): Steps<void> {
  yield* walk(root, '', 0);

  function* walk(place: string, below: string, depth: number): Steps<void> {
    const folder = openNoLink(place, constants.O_DIRECTORY);
    if (folder === undefined) return;
    try {
      const held = heldFolder(folder, place);
      // Names that are no text are read as the same one.
      for (const name of new Set(readdirSync(held).toSorted())) {
        const path = join(below, name);
        if (count.files >= limits.files) {
          onLeftOut({ path, why: 'too_many' });
          return;
        }
        yield* visit(join(held, name), path, depth);
      }
    } finally {
      closeSync(folder);
    }
  }

  function* visit(place: string, path: string, depth: number): Steps<void> {
    const file = openNoLink(place);
    if (file === undefined) {
      onLeftOut({ path, why: 'odd' });
      return;
    }
    try {
      const stat = fstatSync(file);
      if (stat.isDirectory()) {
        if (depth < limits.depth) yield* walk(place, path, depth + 1);
        else onLeftOut({ path, why: 'too_many' });
      } else if (!stat.isFile() || stat.nlink !== 1) onLeftOut({ path, why: 'odd' });
      else if (stat.size > limits.fileBytes) onLeftOut({ path, why: 'too_large' });
      else {
        count.files += 1;
        yield* onFile({ path, file, size: stat.size, mode: stat.mode & 0o700 });
      }
    } finally {
      closeSync(file);
    }
  }
}

/** As what is held, whatever is at its path by now; where the system has no such names, the path. */
const heldFolder = (folder: number, path: string): string =>
  existsSync(`/proc/self/fd/${folder}`) ? `/proc/self/fd/${folder}` : path;

/** undefined: a link, gone, or not to be read. */
function openNoLink(path: string, more = 0): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | more);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

const tries = 5;
/** Bytes 16 to 23 of SQLite's log are new whenever it begins again (fileformat2 §4.1). */
const logHeader = 24;

/**
 * Copies a SQLite database that somebody may be writing to, and whom nobody trusts: its files are read, no SQLite opens them,
 * no lock of theirs is waited for. What was moved from the log into the database meanwhile is in the log still, as long as
 * that has not begun again; if it has, once more.
 *
 * @param folder which holds `name` and its log, `<name>-wal`
 * @returns the files that were written: `name`, and its log where there is one; undefined: it never stood still
 */
export function* copyLiveDatabase(
  folder: string,
  name: string,
  target: (name: string) => string,
): Steps<readonly string[] | undefined> {
  const held = openNoLink(folder, constants.O_DIRECTORY);
  if (held === undefined) return undefined;
  try {
    const place = (one: string): string => join(heldFolder(held, folder), one);
    for (let attempt = 0; attempt < tries; attempt += 1) {
      const before = stateOf(place, name);
      const names: string[] = [];
      for (const one of [name, `${name}-wal`]) if (yield* copyPlain(place(one), target(one))) names.push(one);
      if (names.includes(name) && stateOf(place, name) === before) return names;
    }
    return undefined;
  } finally {
    closeSync(held);
  }
}

/** Which log it is; without one, when the database was written to last. */
function stateOf(place: (name: string) => string, name: string): string {
  const log = readStart(place(`${name}-wal`), logHeader);
  if (log !== undefined && log.length === logHeader) return log.toString('hex');
  const file = openNoLink(place(name));
  if (file === undefined) return 'gone';
  try {
    const { size, mtimeMs, ino } = fstatSync(file);
    return `${size} ${mtimeMs} ${ino}`;
  } finally {
    closeSync(file);
  }
}

function readStart(path: string, length: number): Buffer | undefined {
  const file = openNoLink(path);
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } finally {
    closeSync(file);
  }
}

/** False: there is none that may be copied. */
function* copyPlain(from: string, to: string): Steps<boolean> {
  const file = openNoLink(from);
  if (file === undefined) return false;
  try {
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.nlink !== 1 || stat.size > limits.fileBytes) return false;
    const target = openSync(to, 'w', 0o600);
    try {
      for (const piece of piecesOf(file, limits.fileBytes)) {
        for (let written = 0; written < piece.length; ) written += writeSync(target, piece, written);
        yield;
      }
    } finally {
      closeSync(target);
    }
    return true;
  } finally {
    closeSync(file);
  }
}

const pieceBytes = 1024 * 1024;

/** The content of an open file from its beginning, up to `most` bytes. */
export function* piecesOf(file: number, most: number): Generator<Uint8Array> {
  const buffer = Buffer.alloc(Math.min(most, pieceBytes));
  for (let at = 0; at < most; ) {
    const count = readSync(file, buffer, 0, Math.min(buffer.length, most - at), at);
    if (count === 0) return;
    at += count;
    yield buffer.subarray(0, count);
  }
}
