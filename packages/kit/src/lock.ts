import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { isBusy } from './sqlite/busy.ts';

/** The process that has a lock. `since`: milliseconds since the Unix epoch. */
export type LockHolder = { readonly pid: number; readonly host: string; readonly since: number };

const holderShape = z.object({
  pid: z.int(),
  host: z.string(),
  since: z.iso.datetime().transform((text) => Date.parse(text)),
});

/** Another process has the lock. */
export class LockHeldError extends Error {
  override readonly name = 'LockHeldError';
  readonly path: string;
  /** undefined when it has not written down who it is yet. */
  readonly holder: LockHolder | undefined;
  constructor(path: string, holder: LockHolder | undefined, options?: ErrorOptions) {
    const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
    super(`${path} is held by ${who}`, options);
    this.path = path;
    this.holder = holder;
  }
}

/** A database that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<Database>();

/** Held until `release` or the end of the process, whatever ends it. */
export type Lock = { readonly release: () => void };

/**
 * Only one process at a time: the one that has the lock at `path` (a file of its own, made 0600 in a 0700 folder). It
 * is SQLite's exclusive lock, which the kernel gives back when the process ends: SIGKILL leaves nothing stale behind, and
 * no timer has to say that the holder is alive. Who it is stands beside it in `<path>.json`, for the error message.
 *
 * @throws LockHeldError, and SQLite's or the file system's error when the file can't be made
 */
export function acquireLock(path: string): Lock {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const holderPath = `${path}.json`;
  const db = new Database(path, { create: true });
  try {
    chmodSync(path, 0o600);
    db.exec('PRAGMA locking_mode=EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
    writeFileSync(holderPath, JSON.stringify(holder), { mode: 0o600 });
  } catch (cause) {
    db.close();
    if (!isBusy(cause)) throw cause;
    throw new LockHeldError(path, readHolder(holderPath), { cause });
  }
  held.add(db);
  return {
    release: () => {
      if (!held.delete(db)) return;
      // Before the lock is given back: afterwards it would be the next holder's.
      rmSync(holderPath, { force: true });
      db.close();
    },
  };
}

function readHolder(path: string): LockHolder | undefined {
  try {
    return holderShape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Only decoration for the error message; the lock itself has been refused for certain.
    return undefined;
  }
}
