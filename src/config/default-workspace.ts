import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { realPath } from '../backends/jail/path-rules.ts';
import type { Workspace } from './config.ts';

/** As it is written in `.env`. */
export const defaultWorkspaceText = '~/agent-workspace';

/** Where agents work when nobody said where; it need not be there yet. */
export const defaultWorkspace = ({
  userHome,
}: {
  readonly userHome: string;
}): Workspace & { readonly written: string } => {
  const written = join(userHome, defaultWorkspaceText.slice(2));
  return { name: basename(written), directory: realPath(written), written };
};

/** Makes the default workspace when it is used and missing. Others are whoever named them's to make. */
export const makeDefaultWorkspace = (workspaces: readonly Workspace[], userHome: string): void => {
  const { directory } = defaultWorkspace({ userHome });
  if (workspaces.some((workspace) => workspace.directory === directory))
    mkdirSync(directory, { recursive: true, mode: 0o700 });
};
