import { userInfo } from 'node:os';
import { join } from 'node:path';
import { pick } from './jail/environment.ts';
import type { Cell } from './jail/types.ts';
import { markerVariable } from './leftovers.ts';

/** How the user's own programs reach the network. May hold a password, so only a run on the user's own credentials sees it. */
const networkVariables = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [
  ...[name, name.toLowerCase()],
]);

type Variables = Readonly<Record<string, string>>;

/** The user's own folders as the XDG base directory specification finds them from `ambient`. */
export const userFolders = (ambient: Variables) => {
  const home = ambient.HOME ?? userInfo().homedir;
  const of = (name: string, fallback: string): string => {
    const value = ambient[name];
    return value?.startsWith('/') ? value : join(home, fallback);
  };
  return {
    home,
    config: of('XDG_CONFIG_HOME', '.config'),
    data: of('XDG_DATA_HOME', '.local/share'),
  };
};

/** Switches of opencode that hold for every run: no updates, no sharing, nothing fetched that the task did not ask for. */
const opencodeSwitches = {
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_SHARE: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  OPENCODE_DISABLE_TERMINAL_TITLE: '1',
  OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER: '1',
};

/** Keeps what the workspace says about itself out of the agent's configuration: `opencode.json`, plugins, skills. */
const distrust = {
  OPENCODE_DISABLE_PROJECT_CONFIG: '1',
  OPENCODE_DISABLE_EXTERNAL_SKILLS: '1',
  OPENCODE_DISABLE_CLAUDE_CODE_SKILLS: '1',
};

/** The names that every program of a run must find as the jail set them, whatever a payment or a user's file says. */
const reserved = /^(?:PATH|PWD|HOME|TMPDIR|XDG_\w+|LD_\w+|BUN_\w+|NODE_OPTIONS|NOSTR_DM_AGENT_\w+|GIT_\w+)$/;
export const permitted = (variables: Variables): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !reserved.test(name)));

/**
 * What one opencode process sees beside the jail's own environment. `own` adds `ownVariables`, the names under which
 * the user's providers look for their keys; `provided` adds `variables` and nothing of the user's.
 */
export const opencodeEnvironment = (options: {
  readonly ambient: Variables;
  readonly cell: Pick<Cell, 'home' | 'store' | 'onHostNetwork'>;
  readonly runId: string;
  readonly credentials: 'own' | 'provided';
  readonly variables: Variables;
  readonly ownVariables: Iterable<string>;
  readonly trustWorkspace: boolean;
}): Record<string, string> => {
  const { ambient, cell, credentials } = options;
  const own = credentials === 'own';
  return {
    ...(own ? permitted(pick(ambient, options.ownVariables)) : {}),
    ...(own && cell.onHostNetwork ? pick(ambient, networkVariables) : {}),
    ...permitted(options.variables),
    [markerVariable]: options.runId,
    OPENCODE_DB: join(cell.store ?? cell.home, 'opencode.db'),
    ...opencodeSwitches,
    ...(options.trustWorkspace ? {} : distrust),
    // The user's own plugins are part of the login; where somebody else pays there are none to load but a workspace's.
    ...(own || options.trustWorkspace ? {} : { OPENCODE_PURE: '1' }),
    ...(own
      ? pick(ambient, ['OPENCODE_MODELS_URL', 'OPENCODE_MODELS_PATH', 'OPENCODE_DISABLE_MODELS_FETCH'])
      : { OPENCODE_DISABLE_MODELS_FETCH: '1' }),
  };
};

/**
 * What Cursor's agent sees beside the jail's own environment. It always works on the user's own account, whose login lies in
 * the user's home (and, on macOS, in the keychain): without a wall HOME is theirs.
 */
export const cursorEnvironment = (options: {
  readonly ambient: Variables;
  readonly cell: Pick<Cell, 'wall' | 'onHostNetwork'>;
  readonly runId: string;
  readonly variables: Variables;
}): Record<string, string> => {
  const { ambient, cell } = options;
  const places = ['CURSOR_CONFIG_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME'];
  return {
    ...pick(ambient, ['CURSOR_API_KEY']),
    ...(cell.onHostNetwork ? pick(ambient, networkVariables) : {}),
    ...permitted(options.variables),
    ...(cell.wall === 'none' ? { ...pick(ambient, places), HOME: userFolders(ambient).home } : {}),
    [markerVariable]: options.runId,
  };
};
