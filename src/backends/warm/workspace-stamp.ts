import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { type GitGuards, guardGit } from '../jail/git-guards.ts';
import { entryAt } from '../jail/pins.ts';
import { codeNames, workspaceCode } from '../jail/workspace-code.ts';

/** What a jail was laid out for: the workspace's own code, which it hides, and the repositories that it guards. */
export type WorkspaceLook = {
  /** The same for as long as the jail is still the right one. */
  readonly stamp: string;
  readonly settleGit: GitGuards['settle'];
};

const identity = (path: string): string => {
  const entry = entryAt(path);
  return entry === undefined ? '-' : `${entry.dev}:${entry.ino}`;
};

/**
 * Looks at a workspace before a run.
 * @throws WorkspaceCodeError what is to be hidden can't be
 */
export const lookAtWorkspace = async (
  workspace: string,
  options: { readonly writable: boolean; readonly hideCode: boolean },
): Promise<WorkspaceLook> => {
  if (lstatSync(workspace).isSymbolicLink()) return { stamp: 'a link', settleGit: async () => [] };
  if (options.hideCode) workspaceCode(workspace);
  const git: GitGuards = options.writable
    ? await guardGit(workspace, true)
    : { guards: [], settle: async () => [] };
  const paths = [
    workspace,
    ...(options.hideCode ? codeNames.map((name) => join(workspace, name)) : []),
    ...git.guards.map(({ path }) => path),
  ];
  // A guard over what is not there is an empty folder, which is not there afterwards either.
  const stamp = paths.map((path) => `${path} ${identity(path)}`).join('\n');
  return { stamp, settleGit: git.settle };
};
