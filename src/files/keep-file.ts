import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';

/** Folder in a workspace for what its owner sends. It hides itself from git. */
export const inboxFolder = '.dm-inbox';

/** The workspace's inbox is something else than a folder: an agent may write whatever it likes there. */
export class InboxFolderError extends Error {
  override readonly name = 'InboxFolderError';
}

/**
 * Puts a file into a workspace's inbox, under a name of ours: the same whenever it is tried, so that what a kill left of it is
 * replaced. An agent can write there, so nothing is followed: the folder is opened as itself, and what is made is made within
 * what was opened.
 *
 * @param from what is no other file's: its message, and its place there
 * @param came when its message came
 * @returns its path within the workspace
 * @throws InboxFolderError, or what the disk says
 */
export function keepFile(
  workspace: string,
  { bytes, extension }: { readonly bytes: Uint8Array; readonly extension: string },
  from: string,
  came: Date,
): string {
  const day = came.toISOString().slice(5, 10).replace('-', '_');
  const name = `${day}_${createHash('sha256').update(from).digest('hex').slice(0, 8)}.${extension}`;
  const folder = openFolder(workspace);
  try {
    writeIn(folder, '.gitignore', Buffer.from('*\n'), true);
    writeIn(folder, name, bytes, false);
    return join(inboxFolder, name);
  } finally {
    closeSync(folder);
  }
}

function openFolder(workspace: string): number {
  const path = join(workspace, inboxFolder);
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  try {
    const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    if (fstatSync(folder).isDirectory()) return folder;
    closeSync(folder);
  } catch (cause) {
    throw new InboxFolderError(`${inboxFolder} is no folder`, { cause });
  }
  throw new InboxFolderError(`${inboxFolder} is no folder`);
}

/** Through what was opened (Linux): whoever renames the folder meanwhile changes nothing. */
function writeIn(folder: number, name: string, bytes: Uint8Array, mayBeThere: boolean): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const path = `/proc/self/fd/${folder}/${name}`;
  let file: number;
  try {
    file = openSync(path, flags, 0o644);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if (mayBeThere) return;
    unlinkSync(path);
    file = openSync(path, flags, 0o644);
  }
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
