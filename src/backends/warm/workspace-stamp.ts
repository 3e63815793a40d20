import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { guardGit } from '../jail/git-guards.ts';
import { entryAt } from '../jail/pins.ts';
import { codeNames, workspaceCode } from '../jail/workspace-code.ts';

/** What a jail was laid out for: the workspace's own code, which it hides, and the repositories that it guards. */
export type WorkspaceLook = {
  /** The same for as long as the jail is still the right one. */
  readonly stamp: string;
  readonly settleGit: () => Promise<readonly string[]>;
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
  options: {
    readonly writable: boolean;
    readonly hideCode: boolean;
    /** The `.git` that is shown beside it: see `JailSettings.repositoryOf`. */
    readonly repository: string | undefined;
  },
): Promise<WorkspaceLook> => {
  if (lstatSync(workspace).isSymbolicLink()) return { stamp: 'a link', settleGit: async () => [] };
  if (options.hideCode) workspaceCode(workspace);
  const { repository } = options;
  const roots = options.writable ? [workspace, ...(repository === undefined ? [] : [repository])] : [];
  const git = await Promise.all(roots.map((root) => guardGit(root, { held: true, trees: [workspace] })));
  const paths = [
    workspace,
    ...(options.hideCode ? codeNames.map((name) => join(workspace, name)) : []),
    ...git.flatMap(({ guards }) => guards.map(({ path }) => path)),
  ];
  // A guard over what is not there is an empty folder, which is not there afterwards either.
  const stamp = paths.map((path) => `${path} ${identity(path)}`).join('\n');
  const settleGit = async () => (await Promise.all(git.map(({ settle }) => settle()))).flat();
  return { stamp, settleGit };
};
