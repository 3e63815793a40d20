import { copyFileSync, existsSync, linkSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { type ServiceKind, serviceName, unitText } from './service-unit.ts';

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
};

/**
 * Writes the unit for the bot that `envFile` configures. A user's goes where their service manager finds it; the machine's
 * there too when this user may, else beside `.env`.
 *
 * @throws NoSystemdError on another system than Linux
 * @throws UnwritableUnitError
 */
export function installService(kind: ServiceKind, environment: Environment, envFile: string): Service {
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
  };
}

function folderOf(kind: ServiceKind, isRoot: boolean, directory: string, environment: Environment): string {
  if (kind === 'system') return isRoot ? '/etc/systemd/system' : directory;
  const configuration = environment.XDG_CONFIG_HOME ?? join(environment.HOME ?? homedir(), '.config');
  return join(configuration, 'systemd/user');
}

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
