import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeFileAtomically, writeNewFile } from '@nostr-dm-agent/kit/files';

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
 * content, also after a power cut. A file that is replaced is kept in `backups` (0700), 0600 too.
 *
 * @param path a symbolic link is followed
 * @param replace what to do with a file that is there: replace it, or refuse
 * @returns the path of the copy of the old file, if there was one
 * @throws FileExistsError, also when somebody else makes the file at the same moment
 */
export function writeSecretFile(
  path: string,
  text: string,
  replace: boolean,
  backups = dirname(path),
): string | undefined {
  const target = existsSync(path) ? realpathSync(path) : path;
  if (!replace || !existsSync(target)) {
    if (!writeNewFile(target, text)) throw new FileExistsError(target);
    return undefined;
  }
  mkdirSync(backups, { recursive: true, mode: 0o700 });
  const backup = `${join(backups, basename(target))}.backup-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  if (!writeNewFile(backup, readFileSync(target))) throw new FileExistsError(backup);
  writeFileAtomically(target, text, 0o600);
  return backup;
}
