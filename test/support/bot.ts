import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RelayUrl } from '@nostr-dm-agent/nostr';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { bytesToHex } from 'nostr-tools/utils';
import { bunCache } from './bun-cache.ts';
import { createOwner, type TestOwner } from './owner.ts';
import { writeStandInOpencode } from './stand-in-opencode.ts';

const root = resolve(import.meta.dir, '../..');

export type TestBotOptions = {
  /** Added to the environment, or taken out of it (undefined). */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the stand-in. `real`: the opencode of package.json. A function writes another one, and gives its path. */
  readonly opencode?: 'stand-in' | 'real' | ((directory: string) => string);
  /** What is started, and its first arguments. Default: the executable with `start`. */
  readonly entry?: readonly string[];
  /** All of it in `.env`, as `setup` writes it: the environment of the process has `PATH`, `HOME` and `LANG`. */
  readonly envFile?: boolean;
  /** Default: a sandbox relay of its own. Whoever passes one stops it. */
  readonly relay?: { readonly url: RelayUrl };
};

/**
 * The bot as an operator runs it: `start` in a process of its own, with nothing but the documented environment, on a
 * relay and in a home of its own. Its owner is the client of `owner.ts`.
 */
export async function startTestBot(options: TestBotOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-test-'));
  const home = join(directory, 'home');
  const workspace = join(directory, 'app');
  const other = join(directory, 'docs');
  for (const path of [workspace, other, join(directory, 'user')]) mkdirSync(path, { recursive: true });
  const ownRelay = options.relay === undefined ? startSandboxRelay() : undefined;
  const relay = options.relay ?? ownRelay;
  if (relay === undefined) throw new Error('no relay');
  const secretKey = generateSecretKey();
  const ownerKey = generateSecretKey();
  const env: Record<string, string> = {};
  const wanted = {
    PATH: process.env.PATH,
    HOME: join(directory, 'user'),
    LANG: 'C.UTF-8',
    ...bunCache,
    BOT_KEY: bytesToHex(secretKey),
    BOT_OWNERS: getPublicKey(ownerKey),
    BOT_RELAYS: relay.url,
    BOT_HOME: home,
    BOT_WORKSPACE: `app=${workspace},docs=${other}`,
    BOT_PROGRESS_SECONDS: '0',
    BOT_ISOLATION: 'none',
    BOT_APPROVALS: 'off',
    BOT_WARM_SERVERS: '0',
    LOG_LEVEL: 'info',
    LOG_FORMAT: 'json',
    ...opencodeVariable(options.opencode ?? 'stand-in', directory),
    ...options.env,
  };
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) env[name] = value;

  const entry = options.entry ?? [join(root, 'src/index.ts'), 'start'];
  let child: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined;
  let log = '';
  const envFile = join(directory, '.env');
  const start = async () => {
    if (options.envFile === true) {
      const lines = Object.entries(env).flatMap(([name, value]) =>
        name in bunCache ? [] : [`${name}="${value}"\n`],
      );
      writeFileSync(envFile, lines.join(''), { mode: 0o600 });
    }
    const begun = log.length;
    const started = Bun.spawn([process.execPath, ...entry], {
      cwd: directory,
      env: options.envFile === true ? { ...pick(env, ['PATH', 'HOME', 'LANG']), ...bunCache } : env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      void (async () => {
        for await (const chunk of stream) log += new TextDecoder().decode(chunk);
      })();
    }
    const ended = () => started.exitCode !== null || started.signalCode !== null;
    const isReady = () => log.slice(begun).includes('"ready"');
    // Money first: a node that is away is waited for.
    await until(() => isReady() || ended(), `the bot is ready; its log:\n${log}`, 60_000);
    if (ended()) throw new Error(`the bot ended with ${started.exitCode ?? started.signalCode}:\n${log}`);
  };
  const end = async (signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGHUP'): Promise<number | null> => {
    child?.kill(signal);
    await child?.exited;
    return child?.exitCode ?? null;
  };

  await start();
  const owner: TestOwner = await createOwner(relay.url, getPublicKey(secretKey), ownerKey);
  return {
    relay,
    owner,
    home,
    workspace,
    directory,
    publicKey: getPublicKey(secretKey),
    secretKey,
    env,
    log: () => log,
    pid: () => child?.pid ?? 0,
    /** By itself, or killed. */
    hasEnded: () => child?.exitCode !== null || child.signalCode !== null,
    /** Starts it (again), with changes to its environment. */
    start: async (change: Readonly<Record<string, string>> = {}) => {
      Object.assign(env, change);
      await start();
    },
    end,
    /** Tasks that an agent was started for, in order. */
    tasksDone: (directoryOf: string = workspace): string[] => {
      try {
        return readFileSync(join(directoryOf, 'tasks.txt'), 'utf8').split('\n').filter(Boolean);
      } catch {
        return [];
      }
    },
    cleanUp: async () => {
      owner.close();
      await end('SIGKILL');
      await ownRelay?.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const pick = (env: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => names.includes(name)));

function opencodeVariable(which: NonNullable<TestBotOptions['opencode']>, directory: string) {
  if (which === 'real') return {};
  return { OPENCODE_BIN: which === 'stand-in' ? writeStandInOpencode(directory) : which(directory) };
}

export type TestBot = Awaited<ReturnType<typeof startTestBot>>;

/** Pids of all processes with these arguments, wherever they moved to: `sleep`, `61` finds a `sleep 61`. */
export function processesOf(...args: string[]): number[] {
  const wanted = `${args.join('\0')}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith(wanted);
      } catch {
        return false; // ended meanwhile
      }
    });
}
