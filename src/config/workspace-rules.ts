import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PathProblem } from '../backends/jail/path-rules.ts';
import { realPath } from '../backends/jail/path-rules.ts';
import type { Config, Workspace } from './config.ts';
import type { Places } from './env-schema.ts';

/** Where this program is. */
export const packageFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** As it is written in `.env`. */
export const defaultWorkspaceText = '~/agent-workspace';

/** Where agents work when nobody said where; it need not be there yet. */
export const defaultWorkspace = ({ userHome }: Pick<Places, 'userHome'>): Workspace => {
  const directory = realPath(join(userHome, defaultWorkspaceText.slice(2)));
  return { name: basename(directory), directory };
};

/** Makes the default workspace when it is used and missing. Others are whoever named them's to make. */
export const makeDefaultWorkspace = (workspaces: Config['workspaces'], userHome: string): void => {
  const { directory } = defaultWorkspace({ userHome });
  if (workspaces.some((workspace) => workspace.directory === directory))
    mkdirSync(directory, { recursive: true, mode: 0o700 });
};

/** What is wrong with a path that agents are to see, in words that continue the variable's name. */
export function describePathProblem(path: string, { problem, of }: PathProblem): string {
  switch (problem) {
    case 'system':
      return `names ${path}, a folder of the system`;
    case 'home':
      return `names ${path}: agents get folders in a home, not a home with everything in it`;
    case 'is':
      return `names ${path}, which no agent may see`;
    case 'holds':
      return `names ${path}, which holds ${of}: no agent may see that`;
    case 'inside':
      return `names ${path}, which lies in ${of}: no agent may see that`;
    case 'link':
      return `names ${path}, whose way goes through the link ${of}, which an agent can change`;
  }
}
