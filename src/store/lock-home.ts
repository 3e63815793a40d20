import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock, type Lock } from '@nostr-dm-agent/kit/lock';

/** There while a home is being put in place, or an installation brought to another version: it is not to be used. */
export const unfinishedFile = (home: string, what: 'restore' | 'upgrade'): string =>
  join(home, `${what}.json`);

/** A home was left half way. */
export class UnfinishedHomeError extends Error {
  override readonly name = 'UnfinishedHomeError';
  readonly home: string;
  readonly what: 'restore' | 'upgrade';
  constructor(home: string, what: 'restore' | 'upgrade') {
    super(`${home}: ${what} was cut off`);
    this.home = home;
    this.what = what;
  }
}

/** One process works in a `BOT_HOME`. @throws LockHeldError, UnfinishedHomeError */
export function lockHome(home: string): Lock {
  const lock = lockAnyHome(home);
  try {
    refuseUnfinished(home);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** @throws UnfinishedHomeError */
export function refuseUnfinished(home: string): void {
  for (const what of ['restore', 'upgrade'] as const)
    if (existsSync(unfinishedFile(home, what))) throw new UnfinishedHomeError(home, what);
}

/** The same for who finishes it. @throws LockHeldError */
export const lockAnyHome = (home: string): Lock => acquireLock(join(home, 'bot.lock'));
