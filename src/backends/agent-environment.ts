import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { markerVariable } from './leftovers.ts';

/** Variables of the bot's surroundings that every agent may see: nothing in them is secret. */
const harmless = /^(?:LANG|LANGUAGE|LC_[A-Z]+|TERM|TZ)$/;
const usualPath = ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);

/** How the user's own programs reach the network. May hold a password, so only a run on the user's own credentials sees it. */
const networkVariables = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

type Variables = Readonly<Record<string, string>>;

/**
 * The folders that an agent may write beside the workspace. Those below `own` are its owner's: what one owner's agents
 * leave there configures, and is read by, nobody else's.
 */
export type AgentFolders = {
  readonly own: string;
  readonly home: string;
  /** Of one run: what one run writes there must not configure the next. */
  readonly config: string;
  readonly data: string;
  readonly state: string;
  readonly cache: string;
  /** Of one run: opencode leaves 6 MB in it each time. */
  readonly temporary: string;
  /** The owner's session store of opencode, whoever pays. */
  readonly database: string;
};

/** Whose folders the bot's own questions to a backend use: no agent ever runs there. */
export const nobody = 'nobody';

/** @param owner a public key in hex; its first 16 digits name the folder, so that paths of sockets stay short */
export const agentFolders = (botHome: string, runId: string, owner: string): AgentFolders => {
  const own = join(botHome, 'agent', `owner-${encodeURIComponent(owner).slice(0, 16)}`);
  return {
    own,
    ...runFolders(botHome, runId),
    home: join(own, 'home'),
    data: join(own, 'data'),
    state: join(own, 'state'),
    cache: join(own, 'cache'),
    database: join(own, 'opencode.db'),
  };
};

/** Those that are for one run only. */
export const runFolders = (botHome: string, runId: string): Pick<AgentFolders, 'config' | 'temporary'> => ({
  config: join(botHome, 'agent', 'config', encodeURIComponent(runId)),
  temporary: join(botHome, 'agent', 'tmp', encodeURIComponent(runId)),
});

/** What an isolated agent may change beside the workspace. */
export const writableFolders = ({ own, config, temporary }: AgentFolders): readonly string[] => [
  ...[own, config, temporary],
];

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
    state: of('XDG_STATE_HOME', '.local/state'),
    cache: of('XDG_CACHE_HOME', '.cache'),
  };
};

/** Those of `names` that `ambient` has a value for. */
export const pick = (ambient: Variables, names: Iterable<string>): Record<string, string> =>
  Object.fromEntries(
    [...new Set(names)].flatMap((name) => {
      const value = ambient[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );

/**
 * What every agent sees (docs/design.md#what-the-agent-is-given): an allow-list, so that no key of the bot and
 * nothing from its `.env` gets there by inheritance. PWD is the workspace, because opencode takes its directory from
 * it.
 */
export const baseEnvironment = (options: {
  readonly ambient: Variables;
  readonly workspace: string;
  readonly home: string;
  readonly temporary: string;
  readonly runId: string;
}): Record<string, string> => ({
  LANG: 'C.UTF-8',
  TERM: 'dumb',
  ...pick(
    options.ambient,
    Object.keys(options.ambient).filter((name) => harmless.test(name)),
  ),
  PATH: options.ambient.PATH ?? usualPath,
  PWD: options.workspace,
  HOME: options.home,
  TMPDIR: options.temporary,
  [markerVariable]: options.runId,
});

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

/**
 * The environment of one opencode process. `own` adds the user's folders (login, configuration, installed plugins) and
 * `ownVariables`, the names under which the user's providers look for their keys; `provided` adds `variables` and nothing of
 * the user's.
 */
export const opencodeEnvironment = (options: {
  readonly ambient: Variables;
  readonly workspace: string;
  readonly folders: AgentFolders;
  readonly runId: string;
  readonly credentials: 'own' | 'provided';
  readonly variables: Variables;
  readonly ownVariables: Iterable<string>;
  readonly trustWorkspace: boolean;
}): Record<string, string> => {
  const { ambient, folders, credentials } = options;
  const own = credentials === 'own';
  const xdg = own ? userFolders(ambient) : folders;
  return {
    ...(own ? pick(ambient, [...options.ownVariables, ...networkVariables]) : {}),
    ...options.variables,
    ...baseEnvironment({ ...options, home: folders.home, temporary: folders.temporary }),
    XDG_CONFIG_HOME: xdg.config,
    XDG_DATA_HOME: xdg.data,
    XDG_STATE_HOME: xdg.state,
    XDG_CACHE_HOME: xdg.cache,
    OPENCODE_DB: folders.database,
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
 * The environment of Cursor's agent, which always works on the user's own account: its login lies in the user's home
 * (and, on macOS, in the keychain), so HOME is the user's.
 */
export const cursorEnvironment = (options: {
  readonly ambient: Variables;
  readonly workspace: string;
  readonly folders: AgentFolders;
  readonly runId: string;
  readonly variables: Variables;
}): Record<string, string> => {
  const { ambient, folders } = options;
  const user = userFolders(ambient);
  return {
    ...pick(ambient, [
      ...networkVariables,
      ...['CURSOR_API_KEY', 'CURSOR_CONFIG_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME'],
    ]),
    ...options.variables,
    ...baseEnvironment({ ...options, home: user.home, temporary: folders.temporary }),
  };
};
