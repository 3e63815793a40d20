import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';

/** `since`: ISO 8601. */
const holderShape = z.object({ pid: z.int(), host: z.string(), since: z.string() });
export type LockHolder = z.infer<typeof holderShape>;

/** Another process has the lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
  readonly path: string;
  /** undefined when the holder has not written down who it is yet. */
  readonly holder: LockHolder | undefined;
  constructor(path: string, holder: LockHolder | undefined, options?: ErrorOptions) {
    super(`${path} is held by another process`, options);
    this.path = path;
    this.holder = holder;
  }
}

/** Held until `release` or the end of the process, whatever ends it. */
export type Lock = { readonly release: () => void };

/**
 * One process at a time. The lock is SQLite's exclusive lock on a file of its own, which the kernel gives back when the
 * process ends: nothing stale can be left behind by SIGKILL, and nobody has to say now and then that they are alive. Who
 * holds it stands beside it (`<path>.json`), for the error message.
 *
 * @param path of the lock's file; its folder is made (0700) when it is missing
 * @throws LockedError
 */
export function acquireLock(path: string): Lock {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const holderPath = `${path}.json`;
  const db = new Database(path, { create: true });
  try {
    chmodSync(path, 0o600);
    db.exec('PRAGMA locking_mode=EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    if (!isBusy(cause)) throw cause;
    throw new LockedError(path, readHolder(holderPath), { cause });
  }
  const holder: LockHolder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(holderPath, JSON.stringify(holder), { mode: 0o600 });
  return { release: () => db.close() };
}

const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY');

function readHolder(path: string): LockHolder | undefined {
  try {
    return holderShape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Only decoration for the error message; the lock itself has been refused for certain.
    return undefined;
  }
}
