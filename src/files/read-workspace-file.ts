import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errorCode } from '@nostr-dm-agent/kit/error-code';

/** What keeps a file of a workspace from being read. */
export type WorkspaceFileProblem =
  | { readonly problem: 'outside' | 'missing' | 'link' | 'folder' | 'special' | 'unreadable' | 'unwanted' }
  | { readonly problem: 'too_large'; readonly size: number };

/** `path`: within the workspace, as it was found. */
export type WorkspaceFile = { readonly path: string; readonly bytes: Uint8Array };

export type WorkspaceFileWish = {
  readonly maxBytes: number;
  /**
   * By what the system says of it, before it is read. `changedAt`: when it was last written, made or moved there (ms), which an
   * agent can't set back. `links`: under so many names.
   */
  readonly isWanted?: (facts: { readonly changedAt: number; readonly links: number }) => boolean;
};

/**
 * Reads a file of a workspace. An agent can write whatever it likes there, also while this goes on, so no link is followed:
 * each folder is opened as itself, and what is in it is opened within what was opened (Linux). A pipe is not waited for, and
 * no more is read than `maxBytes`, however the file grows.
 *
 * @param path within the workspace, or beginning with the workspace's own
 */
export function readWorkspaceFile(
  workspace: string,
  path: string,
  wish: WorkspaceFileWish,
): WorkspaceFile | WorkspaceFileProblem {
  const within = path.startsWith(`${workspace}/`) ? path.slice(workspace.length + 1) : path;
  const names = within.split('/').filter((name) => name !== '' && name !== '.');
  const isOutside = within.startsWith('/') || within.startsWith('~') || within.includes('\0');
  if (isOutside || names.includes('..')) return { problem: 'outside' };
  const name = names.at(-1);
  if (name === undefined) return { problem: 'folder' };
  let folder: number | undefined;
  try {
    folder = openSync(workspace, constants.O_RDONLY | constants.O_DIRECTORY);
    for (const each of names.slice(0, -1)) {
      const next = openSync(
        `/proc/self/fd/${folder}/${each}`,
        constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      );
      closeSync(folder);
      folder = next;
    }
    const found = readIn(folder, name, wish);
    return 'problem' in found ? found : { path: names.join('/'), bytes: found.bytes };
  } catch (error) {
    return { problem: problemOf(errorCode(error)) };
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

function readIn(
  folder: number,
  name: string,
  { maxBytes, isWanted = () => true }: WorkspaceFileWish,
): { readonly bytes: Uint8Array } | WorkspaceFileProblem {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
  const file = openSync(`/proc/self/fd/${folder}/${name}`, flags);
  try {
    const found = fstatSync(file);
    if (found.isDirectory()) return { problem: 'folder' };
    if (!found.isFile()) return { problem: 'special' };
    if (!isWanted({ changedAt: found.ctimeMs, links: found.nlink })) return { problem: 'unwanted' };
    if (found.size > maxBytes) return { problem: 'too_large', size: found.size };
    const bytes = Buffer.alloc(found.size);
    let size = 0;
    while (size < bytes.length) {
      const read = readSync(file, bytes, size, bytes.length - size, null);
      // It became shorter meanwhile.
      if (read === 0) break;
      size += read;
    }
    return { bytes: bytes.subarray(0, size) };
  } finally {
    closeSync(file);
  }
}

function problemOf(code: string | undefined): 'missing' | 'link' | 'special' | 'unreadable' {
  if (code === 'ENOENT' || code === 'ENAMETOOLONG') return 'missing';
  // A link in place of a folder is ENOTDIR, as any file is.
  if (code === 'ELOOP' || code === 'ENOTDIR') return 'link';
  return code === 'ENXIO' ? 'special' : 'unreadable';
}
