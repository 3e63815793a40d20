import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { bytesToHex } from 'nostr-tools/utils';
import type { RelayUrl } from '../../src/nostr/types.ts';
import { startSandboxRelay } from '../../src/sandbox/relay.ts';
import { createOwner, type TestOwner } from './owner.ts';
import { writeStandInOpencode } from './stand-in-opencode.ts';
import { until } from './until.ts';

const root = resolve(import.meta.dir, '../..');

export type TestBotOptions = {
  /** Added to the environment, or taken out of it (undefined). */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the stand-in. `real`: the opencode of package.json. */
  readonly opencode?: 'stand-in' | 'real';
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
    BOT_KEY: bytesToHex(secretKey),
    BOT_OWNERS: getPublicKey(ownerKey),
    BOT_RELAYS: relay.url,
    BOT_HOME: home,
    BOT_WORKSPACE: `app=${workspace},docs=${other}`,
    BOT_PROGRESS_SECONDS: '0',
    BOT_ISOLATION: 'none',
    LOG_LEVEL: 'info',
    LOG_FORMAT: 'json',
    ...(options.opencode === 'real' ? {} : { OPENCODE_BIN: writeStandInOpencode(directory) }),
    ...options.env,
  };
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) env[name] = value;

  let child: Bun.Subprocess<'ignore', 'inherit', 'pipe'> | undefined;
  let log = '';
  const start = async () => {
    const begun = log.length;
    const started = Bun.spawn([process.execPath, join(root, 'src/index.ts'), 'start'], {
      cwd: directory,
      env,
      stdin: 'ignore',
      stdout: 'inherit',
      stderr: 'pipe',
    });
    child = started;
    void (async () => {
      for await (const chunk of started.stderr) log += new TextDecoder().decode(chunk);
    })();
    await until(
      () => log.slice(begun).includes('"ready"') || started.exitCode !== null,
      `the bot is ready; its log:\n${log}`,
    );
    if (started.exitCode !== null) throw new Error(`the bot ended with ${started.exitCode}:\n${log}`);
  };
  const end = async (signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<number | null> => {
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
