import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file at once or not at all: whoever looks, also after a power cut, sees the old or the new content. The
 * permissions of a file that is there are kept; a new one is for its owner only (0600). A symbolic link is followed.
 */
export function writeFileAtomically(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o600;
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeNew(temporary, text, mode);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
  const directory = openSync(dirname(target), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function writeNew(path: string, text: string, mode: number): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    fchmodSync(file, mode);
    const bytes = Buffer.from(text);
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
