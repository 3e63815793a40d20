import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import { DatabaseTooNewError, KeepCopyError } from '@nostr-dm-agent/kit/sqlite';
import { FencedError } from '../store/fenced-error.ts';
import { UnfinishedHomeError } from '../store/lock-home.ts';

const startAgain = 'start again: nothing is lost';

/**
 * What whoever runs the bot can do about the end of it, in one line; undefined: nothing, it is a fault of the program.
 * @param again what is done once it is put right, where it was not the start that ended
 */
export function operatorHint(error: unknown, home: string, again = startAgain): string | undefined {
  for (const cause of causes(error)) {
    if (cause instanceof LockHeldError) {
      const { path, holder } = cause;
      const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
      return `${path.replace(/\.lock$/, '')} is held by ${who}. Stop that one first, or give this bot a BOT_HOME (and CASHU_WALLET_DIR) of its own.`;
    }
    if (cause instanceof DatabaseTooNewError) {
      return `${cause.path} was written by a newer version of this program. Start that one, or put back the copy from before it (docs/backup.md).`;
    }
    if (cause instanceof FencedError) {
      return `${cause.message}. It is the one that acts, and this one does nothing. start --take-over makes this one take over again.`;
    }
    if (cause instanceof UnfinishedHomeError) {
      return `a ${cause.what} was cut off in ${cause.home}. Give that command again: it finishes what it began, and nothing is lost.`;
    }
    const hint = hintOf(cause, home, again);
    if (hint !== undefined) return hint;
    if (cause instanceof KeepCopyError) return `${cause.message}. Make room there, then ${again}.`;
  }
  return undefined;
}

function hintOf(cause: Error, home: string, again: string): string | undefined {
  const path = 'path' in cause && typeof cause.path === 'string' ? cause.path : home;
  const code = errorCode(cause);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'SQLITE_FULL':
      return `there is no room left on the disk of ${'dest' in cause && typeof cause.dest === 'string' ? cause.dest : path}. Make some, then ${again}.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'SQLITE_READONLY':
    case 'SQLITE_PERM':
      return `${path} can’t be written by this user (${code}). Make it theirs (chown, chmod u+rwX), or name another BOT_HOME.`;
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOENT':
    case 'SQLITE_CANTOPEN':
      return `${path} can’t be opened or made (${code}). Are BOT_HOME and CASHU_WALLET_DIR right, and is every part of them a folder of this user?`;
    case 'EADDRINUSE':
      return `an address that the bot listens on is taken (${cause.message}). Stop what has it, or choose another port.`;
    case 'EMFILE':
    case 'ENFILE':
      return `too many files are open. Raise the limit (ulimit -n, LimitNOFILE=), then ${again}.`;
    default:
      break;
  }
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB') {
    return `a database in ${home} is damaged. Put it aside and put a copy back (docs/backup.md); doctor says more.`;
  }
  return code?.startsWith('SQLITE_IOERR') === true
    ? `The disk of ${home} does not work, or is full (${code}). Look at it, then ${again}.`
    : undefined;
}

/** An error and what it came of. */
function* causes(error: unknown): Generator<Error> {
  for (let depth = 0, at: unknown = error; at instanceof Error && depth < 10; depth++, at = at.cause)
    yield at;
}
