import { delimiter, isAbsolute, join } from 'node:path';
import type { AgentPath } from './path-rules.ts';
import { agentUser, inside, liesIn } from './places.ts';

type Variables = Readonly<Record<string, string>>;

/** Variables of the bot's own environment that every agent may see: nothing in them is secret. */
const harmless = /^(?:LANG|LANGUAGE|LC_[A-Z]+|TERM|TZ)$/;
/** Where certificates are: files and folders. */
const certificates = [
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'GIT_SSL_CAINFO', 'CURL_CA_BUNDLE'],
  ...['REQUESTS_CA_BUNDLE', 'PIP_CERT', 'NIX_SSL_CERT_FILE'],
];
const usualPath = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Toolchains that look for their folder below the home, which is another one inside. */
const toolchains: readonly (readonly [folder: RegExp, variable: string])[] = [
  [/\/\.rustup$/, 'RUSTUP_HOME'],
  [/\/\.pyenv$/, 'PYENV_ROOT'],
  [/\/\.nvm$/, 'NVM_DIR'],
  [/\/\.volta$/, 'VOLTA_HOME'],
  [/\/\.sdkman$/, 'SDKMAN_DIR'],
  [/\/\.asdf$/, 'ASDF_DATA_DIR'],
  [/\/\.goenv$/, 'GOENV_ROOT'],
  [/\/\.rbenv$/, 'RBENV_ROOT'],
];

/** Folders of the system whose programs are there inside. */
const programFolders = /^\/(?:usr\/(?:local\/)?(?:bin|sbin|games|go\/bin|lib\w*\/.*)|bin|sbin)$/;

/** Those of `names` that `ambient` has a value for. */
export const pick = (ambient: Variables, names: Iterable<string>): Record<string, string> =>
  Object.fromEntries(
    [...new Set(names)].flatMap((name) => {
      const value = ambient[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );

type JailEnvironment = {
  /** The environment of whoever runs the bot. */
  readonly ambient: Variables;
  readonly home: string;
  readonly temporary: string;
  readonly workspace: string;
  /** Folder with the bot's own programs for the agent. */
  readonly bin: string;
  /** What `BOT_AGENT_PATHS` shows. */
  readonly paths: readonly AgentPath[];
  /** False where the whole file system is seen: then the user's PATH is taken as it is. */
  readonly narrow: boolean;
  /** Where the proxy is, with a password where it needs one. */
  readonly proxy: string | undefined;
  /** A file of git settings of lowest rank, where `/etc/gitconfig` is not the jail's own. */
  readonly gitSettings: string | undefined;
  readonly author: { readonly name: string | undefined; readonly email: string | undefined };
  /** How SSH gets through the proxy. */
  readonly sshCommand: string | undefined;
};

const proxyVariables = (proxy: string): Record<string, string> => {
  const local = '127.0.0.1,localhost,::1';
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);
  return {
    ...Object.fromEntries(names.map((name) => [name, proxy])),
    NO_PROXY: local,
    no_proxy: local,
    // Node from version 24 on
    NODE_USE_ENV_PROXY: '1',
  };
};

const searchPath = ({ ambient, bin, paths, narrow }: JailEnvironment): string => {
  const given = (ambient.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  if (!narrow) return [bin, ...(given.length > 0 ? given : usualPath)].join(delimiter);
  const seen = given.filter(
    (folder) => programFolders.test(folder) || paths.some(({ path }) => liesIn(folder, path)),
  );
  return [...new Set([bin, ...seen, ...usualPath])].join(delimiter);
};

const toolchainVariables = (paths: readonly AgentPath[]): Record<string, string> =>
  Object.fromEntries(
    paths.flatMap(({ path, writable }) => [
      ...toolchains.filter(([folder]) => folder.test(path)).map(([, variable]) => [variable, path] as const),
      ...(writable && path.endsWith('/.cargo') ? [['CARGO_HOME', path] as const] : []),
    ]),
  );

/** What every program in a jail sees, before what the backend adds: an allow-list. */
export const jailEnvironment = (options: JailEnvironment): Record<string, string> => {
  const { ambient, paths, home, author } = options;
  const seen = (value: string): boolean =>
    !options.narrow ||
    liesIn(value, '/etc/ssl') ||
    liesIn(value, '/usr') ||
    paths.some(({ path }) => liesIn(value, path));
  const authority = pick(ambient, certificates);
  const agentSocket = ambient.SSH_AUTH_SOCK;
  return {
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    ...pick(
      ambient,
      Object.keys(ambient).filter((name) => harmless.test(name)),
    ),
    ...Object.fromEntries(Object.entries(authority).filter(([, value]) => seen(value))),
    ...toolchainVariables(paths),
    ...(options.proxy === undefined ? {} : proxyVariables(options.proxy)),
    ...(options.gitSettings === undefined ? {} : { GIT_CONFIG_SYSTEM: options.gitSettings }),
    ...(author.name === undefined ? {} : { GIT_AUTHOR_NAME: author.name, GIT_COMMITTER_NAME: author.name }),
    ...(author.email === undefined
      ? {}
      : { GIT_AUTHOR_EMAIL: author.email, GIT_COMMITTER_EMAIL: author.email }),
    ...(options.sshCommand === undefined ? {} : { GIT_SSH_COMMAND: options.sshCommand }),
    ...(agentSocket !== undefined && paths.some(({ path }) => liesIn(agentSocket, path))
      ? { SSH_AUTH_SOCK: agentSocket }
      : {}),
    PATH: searchPath(options),
    PWD: options.workspace,
    HOME: home,
    USER: agentUser.name,
    LOGNAME: agentUser.name,
    TMPDIR: options.temporary,
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_DATA_HOME: join(home, '.local/share'),
    XDG_STATE_HOME: join(home, '.local/state'),
    XDG_CACHE_HOME: join(home, '.cache'),
  };
};

/** Where a shown path stands in the jail's home, if it lies in the user's: programs look for `~/.ssh` there. */
export const homeLinks = (
  paths: readonly AgentPath[],
  userHome: string,
): readonly { readonly from: string; readonly to: string }[] =>
  paths.flatMap(({ path, writable }) =>
    liesIn(path, userHome) && userHome !== inside.home && (writable || !path.endsWith('/.cargo'))
      ? [{ from: join(inside.home, path.slice(userHome.length)), to: path }]
      : [],
  );
