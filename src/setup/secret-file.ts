import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** The file is there already and was left as it is. */
export class FileExistsError extends Error {
  override readonly name = 'FileExistsError';
  readonly path: string;
  constructor(path: string) {
    super(`${path} exists`);
    this.path = path;
  }
}

/**
 * Writes a file that only its owner can read (0600), at once or not at all: whoever looks sees the old or the new
 * content, also after a power cut. A file that is replaced is kept beside it, 0600 too.
 *
 * @param path a symbolic link is followed
 * @param replace what to do with a file that is there: replace it, or refuse
 * @returns the path of the copy of the old file, if there was one
 * @throws FileExistsError, also when somebody else makes the file at the same moment
 */
export function writeSecretFile(path: string, text: string, replace: boolean): string | undefined {
  const target = existsSync(path) ? realpathSync(path) : path;
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  writeNew(temporary, text);
  try {
    if (!replace || !existsSync(target)) {
      link(temporary, target);
      rmSync(temporary);
      return undefined;
    }
    const backup = `${target}.backup-${new Date().toISOString().replace(/[:.]/g, '-')}`;
    writeNew(backup, readFileSync(target));
    renameSync(temporary, target);
    return backup;
  } finally {
    rmSync(temporary, { force: true });
    sync(dirname(target));
  }
}

/** Unlike a rename, a hard link never replaces what is there. */
function link(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw new FileExistsError(to);
    throw error;
  }
}

function writeNew(path: string, content: string | Uint8Array): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    const bytes = Buffer.from(content);
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function sync(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
