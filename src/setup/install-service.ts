import { copyFileSync, existsSync, linkSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { userFolders } from '../backends/agent-environment.ts';
import type { Config } from '../config/config.ts';
import { credentialNames } from '../config/credentials.ts';
import { areSealed } from '../config/sealed-words.ts';
import { type Credential, type ServiceKind, serviceName, unitText } from './service-unit.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** No service manager that this program knows can be here. */
export class NoSystemdError extends Error {
  override readonly name = 'NoSystemdError';
}

export type Service = {
  readonly kind: ServiceKind;
  /** Where the unit was written. */
  readonly path: string;
  /** Whether it lies where the service manager looks for it; else an administrator has to put it there. */
  readonly installed: boolean;
  /** Whether systemd runs this machine now. */
  readonly running: boolean;
  readonly user: string;
  readonly replaced: boolean;
  readonly envFile: string;
  readonly credentials: readonly Credential[];
};

/** How secrets come to the service: in `.env`, or as credentials of systemd, sealed for this machine or in files. */
export type Handover = 'file' | 'encrypted' | 'plain';

/**
 * Writes the unit for the bot that `envFile` configures. A user's goes where their service manager finds it; the machine's
 * there too when this user may, else beside `.env`.
 *
 * @throws NoSystemdError on another system than Linux
 * @throws UnwritableUnitError
 */
export function installService(
  kind: ServiceKind,
  environment: Environment,
  envFile: string,
  config: WrittenTo,
  credentials: readonly Credential[],
): Service {
  if (process.platform !== 'linux') throw new NoSystemdError('there is no systemd here');
  const uid = process.getuid?.() ?? 0;
  const isRoot = uid === 0;
  const user = (isRoot ? environment.SUDO_USER : undefined) ?? accountName(uid);
  const directory = dirname(envFile);
  const text = unitText({
    kind,
    bun: lastingBun(join(dataFolder(environment), 'nostr-dm-agent')),
    program: resolve(import.meta.dir, '../index.ts'),
    envFile,
    directory,
    path: searchPath(environment.PATH),
    user,
    writable: writableFor(config),
    credentials,
  });
  const folder = folderOf(kind, isRoot, directory, environment);
  const path = join(folder, `${serviceName}.service`);
  const replaced = existsSync(path) && readFileIfThere(path) !== text;
  mkdirSync(folder, { recursive: true });
  writeFileAtomically(path, text, 0o644);
  return {
    kind,
    path,
    installed: folder !== directory,
    running: existsSync('/run/systemd/system'),
    user,
    replaced,
    envFile,
    credentials,
  };
}

/**
 * What a service manager is to hand over: what is a secret in `.env` now, or came as a credential.
 * @param given what is set
 */
export function credentialsFor(
  kind: ServiceKind,
  handover: Handover,
  given: Environment,
  environment: Environment,
): readonly Credential[] {
  if (handover === 'file') return [];
  const encrypted = handover === 'encrypted';
  const root = kind === 'system' ? '/etc' : configurationFolder(environment);
  const folder = join(root, encrypted ? 'credstore.encrypted' : 'credstore');
  return credentialNames
    .filter((name) => given[name] && !areSealed(given[name] ?? ''))
    .map((name) => ({ name, path: join(folder, `${serviceName}.${name}`), encrypted }));
}

type WrittenTo = Pick<Config, 'home' | 'wallet' | 'workspaces' | 'agentPaths' | 'ambient'>;

/** Where the bot and its agents write. Its own folders are made now: a unit can't let it make them. */
function writableFor({ home, wallet, workspaces, agentPaths, ambient }: WrittenTo): readonly string[] {
  const own = [home, ...(wallet === undefined ? [] : [wallet.directory])];
  for (const folder of own) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { config, data } = userFolders(ambient);
  return [
    ...own,
    ...workspaces.map(({ directory }) => directory),
    ...agentPaths.flatMap(({ path, writable }) => (writable ? [path] : [])),
    // Logins that their programs renew.
    join(data, 'opencode'),
    join(config, 'cursor'),
  ];
}

function folderOf(kind: ServiceKind, isRoot: boolean, directory: string, environment: Environment): string {
  if (kind === 'system') return isRoot ? '/etc/systemd/system' : directory;
  return join(configurationFolder(environment), 'systemd/user');
}

const configurationFolder = (environment: Environment): string =>
  environment.XDG_CONFIG_HOME ?? join(environment.HOME ?? homedir(), '.config');

const dataFolder = (environment: Environment): string =>
  environment.XDG_DATA_HOME ?? join(environment.HOME ?? homedir(), '.local/share');

/** By its number when it has no name here, which systemd takes too. */
const accountName = (uid: number): string =>
  (readFileIfThere('/etc/passwd') ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === String(uid))?.[0] ?? String(uid);

/** What npx has fetched is in a cache that is emptied now and then: of such a bun, one is kept that stays. */
function lastingBun(folder: string): string {
  const running = realpathSync(process.execPath);
  if (!/[/\\](?:_npx|\.cache|tmp)[/\\]/.test(running)) return running;
  const kept = join(folder, `bun-${Bun.version}`);
  if (existsSync(kept)) return kept;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${kept}.new`;
  rmSync(draft, { force: true });
  try {
    linkSync(running, draft);
  } catch {
    // On another file system.
    copyFileSync(running, draft);
  }
  renameSync(draft, kept);
  return kept;
}

/** Agents use the tools of whoever set the bot up, but nothing that npx or a script runner had put before them. */
function searchPath(path: string | undefined): string {
  const usual = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const folders = (path ?? usual)
    .split(':')
    .filter((each) => each.startsWith('/') && !/node_modules\/\.bin|_npx|[\r\n]/.test(each));
  return [...new Set(folders.length === 0 ? usual.split(':') : folders)].join(':');
}
