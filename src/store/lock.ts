import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

const holderShape = z.object({ pid: z.int(), host: z.string(), since: z.string() });
export type Holder = z.infer<typeof holderShape>;

/** Another process works in this folder. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
  readonly directory: string;
  /** undefined when the holder has not written down who it is yet. */
  readonly holder: Holder | undefined;
  constructor(directory: string, holder: Holder | undefined, options?: ErrorOptions) {
    super(`${directory} is in use by another process`, options);
    this.directory = directory;
    this.holder = holder;
  }
}

/** Held until `release` or the end of the process, whatever ends it. */
export type Lock = { readonly release: () => void };

/**
 * One process per folder. The lock is SQLite's exclusive lock on a file of its own, which the kernel gives back when the
 * process ends: nothing stale can be left behind by SIGKILL. Who holds it stands beside it, for the error message.
 *
 * @throws AlreadyRunningError
 */
export function acquireLock(directory: string): Lock {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'bot.lock');
  const holderPath = join(directory, 'bot.lock.json');
  const db = new Database(path, { create: true });
  try {
    chmodSync(path, 0o600);
    db.exec('PRAGMA locking_mode=EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    throw new AlreadyRunningError(directory, readHolder(holderPath), { cause });
  }
  const holder: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(holderPath, JSON.stringify(holder), { mode: 0o600 });
  return { release: () => db.close() };
}

function readHolder(path: string): Holder | undefined {
  try {
    return holderShape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Only decoration for the error message; the lock itself has been refused for certain.
    return undefined;
  }
}
