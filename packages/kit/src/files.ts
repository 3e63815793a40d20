import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from './error-code.ts';

/** The text of a file; undefined when there is none. @throws what else keeps it from being read */
export function readFileIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes a file at once or not at all: whoever looks, also after a power cut, sees the old or the new content. A
 * symbolic link is followed.
 * @param mode who may do what with it; default: as with the file that is there, else its owner alone (0600)
 */
export function writeFileAtomically(path: string, content: string | Uint8Array, mode?: number): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const permitted = mode ?? (existsSync(target) ? statSync(target).mode & 0o777 : 0o600);
  viaDraft(target, content, permitted, (draft) => renameSync(draft, target));
}

/**
 * The same for a file that must not be there yet (0600). Whoever else makes it at the same moment wins.
 * @returns false when it is there: it was left as it is
 */
export function writeNewFile(path: string, content: string | Uint8Array): boolean {
  let made = true;
  viaDraft(path, content, 0o600, (draft) => {
    made = publishNew(draft, path);
  });
  return made;
}

/** What a file system says that knows no second name of a file: FAT and exFAT, FUSE's and network's. */
const noLinks = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * Gives a finished file its name, on the same file system, where nothing may be yet. Where hard links are unknown the name
 * is taken by an empty file first: killed in that very moment, that is what stays.
 *
 * @returns false when something is there: it was left as it is; what was to come there is where it was
 */
export function publishNew(draft: string, path: string): boolean {
  try {
    // Unlike a rename, a hard link never replaces what is there.
    linkSync(draft, path);
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'EEXIST') return false;
    if (!noLinks.includes(code)) throw error;
    return takeName(draft, path);
  }
  rmSync(draft, { force: true });
  return true;
}

function takeName(draft: string, path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    return false;
  }
  try {
    renameSync(draft, path);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  return true;
}

/** Puts on disk what has been written to a file, or which files are in a folder. */
export function syncToDisk(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } catch (error) {
    // Some file systems of networks and of FUSE sync no folder; a file each has to.
    const isUnknown = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCode(error) ?? '');
    if (!isUnknown || !fstatSync(file).isDirectory()) throw error;
  } finally {
    closeSync(file);
  }
}

function viaDraft(
  target: string,
  content: string | Uint8Array,
  mode: number,
  publish: (draft: string) => void,
): void {
  const draft = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    write(draft, content, mode);
    publish(draft);
  } finally {
    rmSync(draft, { force: true });
  }
  syncToDisk(dirname(target));
}

function write(path: string, content: string | Uint8Array, mode: number): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    fchmodSync(file, mode);
    const bytes = Buffer.from(content);
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
