// How quick the whole bot is, from socket to socket, against the shortest bot that one writes with nostr-tools
// (naive-bot.ts) and against another checkout of this repository: `bun bench/bot.ts /path/to/it`. All of them run at
// the same time and are asked in turns, so what else the machine does is in all figures alike: medians (and the least)
// in milliseconds, and the ratio. Needs an idle machine.
//   from an EVENT at the relay to the agent's process, from the agent's end to the reply's EVENT,
//   a command answered (also during a run), start to subscribed, memory at rest.
// The agent is a script, so it is the one way that both know: a process for each run, which asks nothing. The way by a server
// has a bench of its own (bench/warm.ts). `BENCH_ISOLATION=bwrap` starts ours with a jail; `BENCH_STARTS` and `BENCH_TASKS` change how often.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import * as nip59 from 'nostr-tools/nip59';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { writeTimingAgent } from './timing-agent.ts';

const commands = 25;
const starts = Number(process.env.BENCH_STARTS ?? 11);
// Fewer than 25 in a row: the bot takes more for a client that answers by itself.
const tasks = Number(process.env.BENCH_TASKS ?? 20);
const directory = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-bench-'));
const agent = writeTimingAgent(directory, 'case "$task" in long*) sleep 4 ;; *) sleep 0.2 ;; esac');

/** In the order in which they are asked. */
const figures = {
  toAgent: 'EVENT at the relay → agent’s process (ms)',
  fromAgent: 'agent’s end → reply’s EVENT (ms)',
  command: 'command answered (ms)',
  busy: 'command answered during a run (ms)',
  start: 'start → subscribed (ms)',
  rss: 'memory at rest (MiB)',
} as const;
type Figure = keyof typeof figures;

const nowMs = () => performance.timeOrigin + performance.now();
const ownerKey = generateSecretKey();
const owner = getPublicKey(ownerKey);

/** One of the bots that are compared. */
type Contestant = {
  readonly name: string;
  /** Where its source is; undefined: the naive one's. */
  readonly root: string | undefined;
  readonly key: Uint8Array;
  readonly workspace: string;
  readonly samples: Record<Figure, number[]>;
};

function contestant(name: string, root: string | undefined): Contestant {
  const workspace = join(directory, `work-${name}`);
  mkdirSync(workspace);
  const samples = { toAgent: [], fromAgent: [], command: [], busy: [], start: [], rss: [] };
  return { name, root, key: generateSecretKey(), workspace, samples };
}

function spawnBot({ name, root, key, workspace }: Contestant, relay: string): Bun.Subprocess {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    BOT_KEY: Buffer.from(key).toString('hex'),
    BOT_OWNERS: owner,
    BOT_RELAYS: relay,
    BOT_HOME: join(directory, `home-${name}`),
    BOT_WORKSPACE: workspace,
    ...(name === 'ours'
      ? { BOT_ISOLATION: process.env.BENCH_ISOLATION ?? 'none', BOT_WARM_SERVERS: '0', BOT_APPROVALS: 'off' }
      : {}),
    OPENCODE_BIN: agent,
    LOG_LEVEL: 'error',
  };
  const command =
    root === undefined
      ? [process.execPath, join(import.meta.dir, 'naive-bot.ts'), relay, env.BOT_KEY, agent, workspace]
      : [process.execPath, join(root, 'src/index.ts'), 'start'];
  return Bun.spawn(command, {
    cwd: directory,
    env,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'inherit',
  });
}

/** From the process to its first REQ, over and over: one start alone says more about the machine than about the bot. */
async function measureStarts(bots: readonly Contestant[]): Promise<void> {
  for (let round = 0; round < starts; round += 1) {
    for (const bot of bots) {
      const subscribed = Promise.withResolvers<number>();
      const relay = startSandboxRelay({
        onMessage: ([type]) => {
          if (type === 'REQ') subscribed.resolve(nowMs());
        },
      });
      const startedAt = nowMs();
      const child = spawnBot(bot, relay.url);
      const took = (await subscribed.promise) - startedAt;
      // The first one makes the database.
      if (round > 0) bot.samples.start.push(took);
      // What a start does behind its back would be in the next one's figure.
      await Bun.sleep(300);
      child.kill('SIGTERM');
      await child.exited;
      await relay.stop();
    }
  }
}

/** A bot that runs at a relay of its own, and its owner. */
async function openBot(bot: Contestant, open: AsyncDisposableStack) {
  const publicKey = getPublicKey(bot.key);
  /** Texts that arrived at the relay for the owner, with when. */
  const arrived: { readonly text: string; readonly at: number }[] = [];
  let subscribed = false;
  const relay = startSandboxRelay({
    onMessage: ([type, event]) => {
      const at = nowMs();
      subscribed ||= type === 'REQ';
      if (type !== 'EVENT' || event.kind !== 1059) return;
      if (!event.tags.some(([name, key]) => name === 'p' && key === owner)) return;
      const rumor = nip59.unwrapEvent(event, ownerKey);
      if (rumor.kind === 14) arrived.push({ text: rumor.content, at });
    },
  });
  const child = spawnBot(bot, relay.url);
  open.defer(async () => {
    child.kill('SIGTERM');
    await child.exited;
    await relay.stop();
  });
  const until = async (condition: () => boolean) => {
    const deadline = nowMs() + 30_000;
    while (!condition()) {
      if (nowMs() > deadline) throw new Error(`${bot.name}: nothing came`);
      await Bun.sleep(0.5);
    }
  };
  await until(() => subscribed);

  const send = (text: string) => {
    const tags = [
      ['p', publicKey],
      ['client', crypto.randomUUID()],
    ];
    const rumor = nip59.createRumor({ kind: 14, content: text, tags }, ownerKey);
    const wrap = nip59.createWrap(nip59.createSeal(rumor, ownerKey, publicKey), publicKey);
    const at = nowMs();
    relay.inject(wrap);
    return at;
  };
  /** Ours may say more than the answer. */
  const answered = async (before: number, begins = /^/) => {
    const answer = () => arrived.slice(before).find(({ text }) => begins.test(text));
    await until(() => answer() !== undefined);
    return answer()?.at ?? Number.NaN;
  };
  return {
    ...bot,
    send,
    count: () => arrived.length,
    answered,
    exchange: async (text: string, begins: RegExp) => {
      const before = arrived.length;
      const sentAt = send(text);
      return { sentAt, arrivedAt: await answered(before, begins) };
    },
    memory: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
  };
}
type Open = Awaited<ReturnType<typeof openBot>>;

/** Asked in turns; the first three only warm up. */
async function measureCommands(bots: readonly Open[], figure: 'command' | 'busy', rounds: number) {
  for (let round = 0; round < rounds; round += 1) {
    for (const { exchange, samples } of bots) {
      const { sentAt, arrivedAt } = await exchange('!ping', /^pong/i);
      if (round >= 3) samples[figure].push(arrivedAt - sentAt);
    }
    await Bun.sleep(20);
  }
}

async function measureTasks(bots: readonly Open[]): Promise<void> {
  for (let round = 0; round < tasks; round += 1) {
    for (const { exchange, workspace, samples } of bots) {
      const times = join(workspace, 'times');
      rmSync(times, { force: true });
      // Each in other words: the same ones again are taken for a client that repeats itself.
      const { sentAt, arrivedAt } = await exchange(`work ${round}`, /^d(?:one|id)/);
      const [began = Number.NaN, ended = Number.NaN] = readFileSync(times, 'utf8')
        .trim()
        .split(' ')
        .map((nanoseconds) => Number(nanoseconds) / 1e6);
      // What is loaded with the first task comes only once.
      if (round > 0) {
        samples.toAgent.push(began - sentAt);
        samples.fromAgent.push(arrivedAt - ended);
      }
      await Bun.sleep(50);
    }
  }
}

async function measure(contestants: readonly Contestant[]): Promise<void> {
  await using open = new AsyncDisposableStack();
  const bots: Open[] = [];
  for (const bot of contestants) bots.push(await openBot(bot, open));
  await Bun.sleep(2500);
  await measureCommands(bots, 'command', commands);
  await Bun.sleep(Number(process.env.REST ?? 3000));
  for (const { memory, samples } of bots) samples.rss.push(memory());
  await measureTasks(bots);

  const before = bots.map(({ count, send }) => {
    send('long work');
    return count();
  });
  await Bun.sleep(500);
  await measureCommands(bots, 'busy', 15);
  const answers = before.map((count) => count + 15);
  for (const [index, { answered }] of bots.entries()) await answered(answers[index] ?? 0);
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const least = (values: readonly number[]) => Math.min(...values);

function report([ours, ...others]: readonly Contestant[]): void {
  for (const [figure, name] of Object.entries(figures) as [Figure, string][]) {
    const mine = ours?.samples[figure] ?? [];
    const of = (values: readonly number[]) =>
      `${median(values).toFixed(1).padStart(6)} (${least(values).toFixed(1)})`;
    const compared = others.map(({ name: other, samples }) => {
      const theirs = samples[figure];
      const ratio = (median(mine) / median(theirs)).toFixed(2);
      return `${other} ${of(theirs)}, ratio ${ratio} (${(least(mine) / least(theirs)).toFixed(2)})`;
    });
    console.log(`${name.padEnd(42)} ours ${of(mine)}   ${compared.join('   ')}`);
  }
}

const before = process.argv[2];
try {
  const bots = [
    contestant('ours', resolve(import.meta.dir, '..')),
    ...(before === undefined ? [] : [contestant('before', resolve(before))]),
    contestant('naive', undefined),
  ];
  await measureStarts(bots);
  await measure(bots);
  report(bots);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
