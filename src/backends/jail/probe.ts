import { execFile, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { access, constants, mkdir, readFile, realpath } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { landlockVersion, oldestLandlock } from './inside/landlock.ts';
import { seccompProgram } from './seccomp.ts';
import type { Jail, JailSettings, Launch, Wall, WallProblem } from './types.ts';

const probeTimeoutMs = 15_000;
/** Flags that older versions lack; `--bind-fd` came to some of them with a security update. */
const neededFlags = ['--bind-fd', '--ro-bind-fd', '--disable-userns', '--ro-bind-data', '--size', '--perms'];

const problem = (wall: WallProblem['wall'], kind: WallProblem['problem'], detail?: string): WallProblem => ({
  wall,
  problem: kind,
  detail,
});

const findOn = async (path: string, name: string): Promise<string | undefined> => {
  for (const folder of path.split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const candidate = join(folder, name);
    if (
      await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  return undefined;
};

/** What programs are installed with here. */
const packageManager = async (): Promise<string | undefined> => {
  for (const name of ['apt-get', 'dnf', 'yum', 'pacman', 'zypper', 'apk'])
    if ((await findOn('/usr/bin:/sbin:/bin:/usr/sbin', name)) !== undefined) return name;
  return undefined;
};

const setting = async (name: string): Promise<string | undefined> =>
  (await readFile(`/proc/sys/${name}`, 'utf8').catch(() => undefined))?.trim();

/** What bubblewrap's own words mean, and the system's settings behind them. */
const explain = async (said: string): Promise<WallProblem> => {
  const [detail = ''] = said.split('\n').filter((line) => line.trim() !== '');
  const of = (kind: WallProblem['problem']): WallProblem => problem('bwrap', kind, detail.slice(0, 300));
  if (/Unknown option/.test(said)) return of('too_old');
  const namespaces = /new namespace|uid map|RTM_NEWADDR|setting up|Operation not permitted/i.test(said);
  if (namespaces && (await setting('kernel/apparmor_restrict_unprivileged_userns')) === '1')
    return of('apparmor');
  for (const [name, off, on] of [
    ['kernel/unprivileged_userns_clone', '0', '1'],
    ['user/max_user_namespaces', '0', '15000'],
  ] as const)
    if ((await setting(name)) === off)
      return problem('bwrap', 'namespaces_off', `${name.replace('/', '.')}=${on}`);
  if (/proc on|new namespace|Operation not permitted/i.test(said)) return of('container');
  return of('other');
};

/** Starts it as a run would be started. @returns what it said when it failed */
const tryLaunch = async (launch: Launch, signal: AbortSignal): Promise<string | undefined> => {
  const child = spawn(launch.file, launch.args, {
    cwd: launch.cwd,
    env: launch.environment,
    stdio: ['ignore', 'ignore', 'pipe', ...launch.fds],
    signal: AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)]),
    killSignal: 'SIGKILL',
  });
  launch.fds.forEach(closeSync);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(0, 2000);
  });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  child.once('error', (error) => resolve(said.trim() || error.message));
  child.once('close', (code) => resolve(code === 0 ? undefined : said.trim() || `exit code ${code}`));
  return promise;
};

type Found = Extract<Wall, { kind: 'bwrap' | 'landlock' }>;

/** Starts a program that does nothing, in a cell with everything that a run's has. @returns what went wrong */
const tryWall = async (
  wall: Found,
  settings: JailSettings,
  open: Jail['open'],
  signal: AbortSignal,
): Promise<string | undefined> => {
  const runId = `probe-${crypto.randomUUID()}`;
  const place = join(settings.home, 'jail', runId);
  const [workspace, store] = [join(place, 'workspace'), join(place, 'store')];
  for (const folder of [workspace, store]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const real = { workspace: await realpath(workspace), store: await realpath(store) };
  const cell = await open(wall, { runId, writable: true, ...real });
  try {
    const launch = await cell.launch({
      ...{
        file: '/bin/true',
        args: [],
        environment: {},
        endpoints: [],
        homeFiles: [],
        homeTexts: {},
        texts: { text: '' },
      },
      hideCode: true,
      identity: undefined,
      serve: undefined,
      startIn: 'workspace',
    });
    return await tryLaunch(launch, signal);
  } finally {
    await cell.close();
  }
};

type Probe = (
  settings: JailSettings,
  open: Jail['open'],
  signal: AbortSignal,
) => Promise<Found | WallProblem>;

const probeBubblewrap: Probe = async (settings, open, signal) => {
  if (process.platform !== 'linux') return problem('bwrap', 'not_linux');
  const path = await findOn(settings.ambient.PATH ?? '', 'bwrap');
  if (path === undefined) return problem('bwrap', 'not_installed', await packageManager());
  let help: string;
  try {
    help = (await promisify(execFile)(path, ['--help'], { env: {}, timeout: 10_000, signal })).stdout;
  } catch (error) {
    signal.throwIfAborted();
    // Where /proc is not all there, it does not come so far.
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return explain(said === '' ? String(error) : said);
  }
  const missing = neededFlags.find((flag) => !help.includes(`${flag} `));
  if (missing !== undefined) return problem('bwrap', 'too_old', missing);
  const named = { kind: 'bwrap', path } as const;
  const said = await tryWall(named, settings, open, signal);
  signal.throwIfAborted();
  if (said === undefined) return named;
  // Podman and `ProtectHostname` allow all of it but the name.
  if (!/set hostname/i.test(said)) return explain(said);
  const unnamed = { ...named, unnamed: true } as const;
  const saidThen = await tryWall(unnamed, settings, open, signal);
  signal.throwIfAborted();
  return saidThen === undefined ? unnamed : explain(saidThen);
};

const probeLandlock: Probe = async (settings, open, signal) => {
  if (process.platform !== 'linux') return problem('landlock', 'not_linux');
  if (seccompProgram('tcp') === undefined) return problem('landlock', 'cpu', process.arch);
  const version = landlockVersion();
  if (version < oldestLandlock) return problem('landlock', 'kernel', `${version}`);
  // It has no network of its own to give.
  const wall = { kind: 'landlock', version, problems: [] } as const;
  const said = await tryWall(wall, settings, open, signal);
  signal.throwIfAborted();
  return said === undefined ? wall : problem('landlock', 'other', said.split('\n')[0]);
};

/** Finds out, by trying it, what `BOT_ISOLATION` comes to on this machine. */
export const probeWalls = async (
  settings: JailSettings,
  open: Jail['open'],
  signal: AbortSignal,
): Promise<Wall> => {
  const problems: WallProblem[] = [];
  for (const [name, probe] of [
    ['bwrap', probeBubblewrap],
    ['landlock', probeLandlock],
  ] as const) {
    if (settings.isolation !== 'auto' && settings.isolation !== name) continue;
    const found = await probe(settings, open, signal);
    if (!('wall' in found)) return found.kind === 'landlock' ? { ...found, problems } : found;
    problems.push(found);
  }
  return settings.isolation === 'auto'
    ? { kind: 'none', chosen: false, problems }
    : { kind: 'refused', problems };
};
