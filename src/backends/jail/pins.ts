import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';

/** Linux's O_PATH, which node does not name: a descriptor that only stands for the entry. Never blocks, reads nothing. */
const O_PATH = 0o10000000;

/** What was to be shown in the jail is not what its path says: a link, or something else was put in its place. */
export class PathChangedError extends Error {
  override readonly name = 'PathChangedError';
  readonly path: string;
  constructor(path: string, cause?: unknown) {
    super(`${path} is a link, or was changed meanwhile`, { cause });
    this.path = path;
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** As `lstat`; undefined when nothing is there. */
export const entryAt = (path: string): Stats | undefined => {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/**
 * Opens an entry whose path goes through no link at all. What is bound into the jail by this descriptor is what was
 * looked at, whatever is put at its path afterwards.
 * @throws PathChangedError
 */
export const pin = (path: string): number => {
  let fd: number;
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    throw new PathChangedError(path, error);
  }
  if (!fstatSync(fd).isSymbolicLink() && readlinkSync(`/proc/self/fd/${fd}`) === path) return fd;
  closeSync(fd);
  throw new PathChangedError(path);
};

/**
 * Reads a small regular file that an agent may have put there: no link is followed, nothing blocks, at most
 * `maxBytes` are read.
 * @returns undefined when it is not there or no regular file
 */
export const readPlainFile = (path: string, maxBytes: number): string | undefined => {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const buffer = Buffer.alloc(maxBytes);
    let size = 0;
    for (let read = -1; read !== 0 && size < maxBytes; size += read) {
      read = readSync(fd, buffer, size, maxBytes - size, null);
    }
    return buffer.toString('utf8', 0, size);
  } finally {
    closeSync(fd);
  }
};
