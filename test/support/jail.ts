import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CellRequest, JailSettings, LaunchRequest } from '../../src/backends/jail/types.ts';
import type { DriverPlan, DriverResult } from './jail-driver.ts';

/** Whom a story is told as. */
export type Who = { readonly name: string; readonly uid: number; readonly gid: number };

const userName = 'jail-tester';

const sh = (script: string): { readonly ok: boolean; readonly output: string } => {
  const { exitCode, stdout } = Bun.spawnSync(['/bin/sh', '-c', script], { stderr: 'ignore' });
  return { ok: exitCode === 0, output: stdout.toString().trim() };
};

/** Everybody as whom this process can tell a story: itself, and as root an ordinary user, made where it is missing. */
export const everybody = (): readonly Who[] => {
  const uid = process.getuid?.() ?? 0;
  const self = { name: uid === 0 ? 'root' : 'an ordinary user', uid, gid: process.getgid?.() ?? 0 };
  if (uid !== 0) return [self];
  if (!sh(`id ${userName}`).ok) sh(`useradd --create-home --shell /bin/sh ${userName}`);
  const user = Number(sh(`id -u ${userName}`).output);
  const group = Number(sh(`id -g ${userName}`).output);
  return user > 0 ? [self, { name: 'an ordinary user', uid: user, gid: group }] : [self];
};

let tools: { readonly bun: string; readonly driver: string; readonly folder: string } | undefined;

/** Bun and the driver where every user can read them: the checkout and the home of root may be closed to others. */
const shareTools = async () => {
  if (tools !== undefined) return tools;
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'jail-tools-'));
  chmodSync(folder, 0o755);
  const bun = join(folder, 'bun');
  copyFileSync(process.execPath, bun);
  chmodSync(bun, 0o755);
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, 'jail-driver.ts')],
    outdir: folder,
    target: 'bun',
  });
  if (!built.success) throw new AggregateError(built.logs, 'the driver cannot be built');
  const jail = join(import.meta.dir, '../../src/backends/jail');
  cpSync(join(jail, 'inside'), join(folder, 'inside'), { recursive: true });
  copyFileSync(join(jail, 'seccomp.ts'), join(folder, 'seccomp.ts'));
  tools = { bun, driver: join(folder, 'jail-driver.js'), folder };
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return tools;
};

export type Story = {
  readonly settings?: Partial<JailSettings>;
  readonly cell?: Partial<CellRequest>;
  readonly launch?: Partial<LaunchRequest>;
  /** Runs by `bash -c`, unless `launch` names a program. */
  readonly script?: string;
  readonly stdin?: string;
  readonly timeoutMs?: number;
};

/** A machine for one bot of `who`: its home, the user's home, a workspace, a store. */
export const makeJailPlace = (who: Who) => {
  const root = mkdtempSync(join(realpathSync(tmpdir()), 'jail-'));
  chownSync(root, who.uid, who.gid);
  const folder = (name: string): string => {
    const path = join(root, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    for (let place = path; place !== root; place = dirname(place)) chownSync(place, who.uid, who.gid);
    return path;
  };
  const file = (name: string, text: string, mode = 0o600): string => {
    const path = join(folder(dirname(name)), name.split('/').at(-1) ?? '');
    writeFileSync(path, text);
    chmodSync(path, mode);
    chownSync(path, who.uid, who.gid);
    return path;
  };
  const [workspace, store, home, userHome] = ['workspace', 'store', 'bot', 'user'].map(folder);
  if (!workspace || !store || !home || !userHome) throw new Error('unreachable');

  /** A process of this user outside of any jail. */
  const outside = (argv: readonly string[], env: Record<string, string> = {}) =>
    spawn(argv[0] ?? '', argv.slice(1), {
      cwd: root,
      env: { PATH: '/usr/bin:/bin', HOME: userHome, ...env },
      uid: who.uid,
      gid: who.gid,
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  /** `pid`: of the program that had the jail. */
  const tell = async (story: Story): Promise<DriverResult & { readonly pid: number | undefined }> => {
    const { bun, driver } = await shareTools();
    const ambient = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: userHome };
    const plan: DriverPlan = {
      settings: {
        ...{
          isolation: 'bwrap',
          network: 'internet',
          paths: [],
          workspaces: [],
          own: [],
          ambient,
          userHome,
          home,
          tools: [],
        },
        author: { name: undefined, email: undefined },
        ...story.settings,
      },
      cell: { runId: crypto.randomUUID(), workspace, writable: true, store, ...story.cell },
      launch: {
        ...{ file: '/bin/bash', args: ['-c', story.script ?? ':'], environment: {}, endpoints: [] },
        ...{
          homeFiles: [],
          homeTexts: {},
          texts: {},
          hideCode: true,
          identity: undefined,
          serve: undefined,
          startIn: 'workspace',
        },
        ...story.launch,
      },
      stdin: story.stdin ?? '',
      timeoutMs: story.timeoutMs ?? 60_000,
    };
    const path = file(`plan-${crypto.randomUUID()}.json`, JSON.stringify(plan));
    const process_ = outside([bun, driver, path]);
    let said = '';
    process_.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
    const { promise, resolve } = Promise.withResolvers<number | null>();
    process_.once('close', resolve);
    if ((await promise) !== 0) throw new Error(`the driver failed: ${said}`);
    return { ...JSON.parse(readFileSync(`${path}.result`, 'utf8')), pid: process_.pid };
  };

  const remove = (): void => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  return { root, workspace, store, home, userHome, folder, file, outside, tell, remove, who };
};
export type JailPlace = ReturnType<typeof makeJailPlace>;

/** Whether bubblewrap's jail can be built by `who`; what it says when not. */
export const bubblewrapHere = async (who: Who): Promise<string | undefined> => {
  const place = makeJailPlace(who);
  try {
    const { wall } = await place.tell({ script: ':' });
    return wall.kind === 'bwrap' ? undefined : JSON.stringify(wall);
  } finally {
    place.remove();
  }
};

/** Looks again until it is so. @throws when it does not become so in ten seconds */
export const until = async (condition: () => boolean): Promise<void> => {
  for (const end = Date.now() + 10_000; !condition(); await Bun.sleep(20))
    if (Date.now() > end) throw new Error('it did not come to be');
};
