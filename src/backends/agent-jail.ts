import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Config } from '../config/config.ts';
import { packageFolder } from '../config/workspace-rules.ts';
import { isHosted } from './hosts/place.ts';
import { createJail } from './jail/index.ts';
import { realPath } from './jail/path-rules.ts';
import type { Jail } from './jail/types.ts';

export type JailConfig = Pick<
  Config,
  'home' | 'isolation' | 'agentNetwork' | 'agentPaths' | 'git' | 'ambient' | 'wallet' | 'workspaces'
>;

/** The search program that comes with this package: an agent takes it rather than fetching one at each run. */
const searchProgram = (): readonly string[] => {
  const require = createRequire(import.meta.url);
  try {
    const name = `@vscode/ripgrep-${process.platform}-${process.arch}/bin/rg`;
    return [realPath(createRequire(require.resolve('@vscode/ripgrep')).resolve(name))];
  } catch (error) {
    if (errorCode(error) !== undefined) return []; // not made for this machine
    throw error;
  }
};

/** The one jail of a bot. @param hiddenPaths files and folders that no agent may see: the `.env` that was read */
export const createAgentJail = (
  config: JailConfig,
  hiddenPaths: readonly string[],
  repositoryOf?: (workspace: string) => string | undefined,
): Jail => {
  const { ambient } = config;
  return createJail({
    isolation: config.isolation,
    network: config.agentNetwork,
    paths: config.agentPaths,
    workspaces: config.workspaces.flatMap(({ directory }) => (isHosted(directory) ? [] : [directory])),
    home: config.home,
    own: [packageFolder, ...hiddenPaths, ...(config.wallet === undefined ? [] : [config.wallet.directory])],
    ambient,
    userHome: ambient.HOME ?? homedir(),
    repositoryOf,
    tools: searchProgram(),
    author: config.git,
  });
};
