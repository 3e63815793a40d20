import { join } from 'node:path';
import { entryAt } from './pins.ts';

/**
 * What in a workspace would make opencode run code of the workspace: opencode 1.18 has a plugin loader that obeys
 * neither `OPENCODE_DISABLE_PROJECT_CONFIG` nor `OPENCODE_PURE`, and looks again some seconds after the start. So
 * these names are out of the agent's sight, whatever they hold and are.
 */
export const codeNames = ['.opencode', 'opencode.json', 'opencode.jsonc'] as const;

/** One of them cannot be hidden, because it is a link or a special file, or because there is no wall to hide it. */
export class WorkspaceCodeError extends Error {
  override readonly name = 'WorkspaceCodeError';
  /** Relative to the workspace. */
  readonly entry: string;
  constructor(entry: string) {
    super(`the workspace's ${entry} cannot be hidden`);
    this.entry = entry;
  }
}

export type CodeEntry = { readonly path: string; readonly kind: 'folder' | 'file' };

/**
 * Those that are there, looked at without following a link.
 * @throws WorkspaceCodeError one of them is neither a folder nor a regular file
 */
export const workspaceCode = (workspace: string): readonly CodeEntry[] =>
  codeNames.flatMap((name): readonly CodeEntry[] => {
    const path = join(workspace, name);
    const entry = entryAt(path);
    if (entry === undefined) return [];
    if (entry.isDirectory()) return [{ path, kind: 'folder' }];
    if (entry.isFile()) return [{ path, kind: 'file' }];
    throw new WorkspaceCodeError(name);
  });

/** Which entry each name is at this moment, to notice that another one was put in its place. */
export const codeIdentity = (workspace: string): string =>
  codeNames
    .map((name) => {
      const entry = entryAt(join(workspace, name));
      return entry === undefined ? '-' : `${entry.dev}:${entry.ino}`;
    })
    .join(' ');
