// How quick the whole bot is, from socket to socket, against the shortest bot that one writes with nostr-tools
// (naive-bot.ts), in the same run: medians in milliseconds, and the ratio. Needs an idle machine.
//   from an EVENT at the relay to the agent's process, from the agent's end to the reply's EVENT,
//   a command answered (also during a run), start to subscribed, memory at rest.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import * as nip59 from 'nostr-tools/nip59';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';

const rounds = 25;
const root = resolve(import.meta.dir, '..');
const directory = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-bench-'));
const workspace = join(directory, 'work');
mkdirSync(workspace);
const agent = join(directory, 'agent');
// Says when it began and when it ended, in nanoseconds; the pause lets the bot become idle in between.
writeFileSync(
  agent,
  `#!/bin/sh
case "$1" in --version) echo 1.18.33; exit 0 ;; esac
begun=$(date +%s%N)
task=$(cat)
case "$task" in long*) sleep 3 ;; *) sleep 0.2 ;; esac
base='"id":"prt_1","messageID":"msg_1","sessionID":"ses_1"'
step() { printf '{"type":"%s","timestamp":1,"sessionID":"ses_1","part":%s}\\n' "$1" "$2"; }
step step_start "{$base,\\"type\\":\\"step-start\\"}"
step text "{$base,\\"type\\":\\"text\\",\\"text\\":\\"done\\",\\"time\\":{\\"start\\":1,\\"end\\":2}}"
step step_finish "{$base,\\"reason\\":\\"stop\\",\\"type\\":\\"step-finish\\",\\"tokens\\":{\\"total\\":3,\\"input\\":2,\\"output\\":1,\\"reasoning\\":0,\\"cache\\":{\\"write\\":0,\\"read\\":0}},\\"cost\\":0}"
while [ $# -gt 0 ]; do [ "$1" = --dir ] && cd "$2"; shift; done
echo "$begun $(date +%s%N)" >> times
`,
);
chmodSync(agent, 0o755);

type Figures = {
  toAgent: number;
  fromAgent: number;
  command: number;
  busy: number;
  start: number;
  rss: number;
};
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const nowMs = () => performance.timeOrigin + performance.now();

type Kind = 'ours' | 'naive';
const ownerKey = generateSecretKey();
const owner = getPublicKey(ownerKey);
const botKeys = { ours: generateSecretKey(), naive: generateSecretKey() };

function spawnBot(kind: Kind, relay: string): Bun.Subprocess {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    BOT_KEY: Buffer.from(botKeys[kind]).toString('hex'),
    BOT_OWNERS: owner,
    BOT_RELAYS: relay,
    BOT_HOME: join(directory, kind),
    BOT_WORKSPACE: workspace,
    BOT_ISOLATION: process.env.BENCH_ISOLATION ?? 'none',
    OPENCODE_BIN: agent,
    LOG_LEVEL: 'warn',
  };
  const command =
    kind === 'ours'
      ? [process.execPath, join(root, 'src/index.ts'), 'start']
      : [process.execPath, join(import.meta.dir, 'naive-bot.ts'), relay, env.BOT_KEY, agent, workspace];
  return Bun.spawn(command, {
    cwd: directory,
    env,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'inherit',
  });
}

/** From the process to its first REQ, over and over: one start alone says more about the machine than about the bot. */
async function measureStarts(): Promise<Record<Kind, number>> {
  const times: Record<Kind, number[]> = { ours: [], naive: [] };
  for (let round = 0; round < 11; round += 1) {
    for (const kind of ['ours', 'naive'] as const) {
      const subscribed = Promise.withResolvers<number>();
      const relay = startSandboxRelay({
        onMessage: ([type]) => {
          if (type === 'REQ') subscribed.resolve(nowMs());
        },
      });
      const startedAt = nowMs();
      const child = spawnBot(kind, relay.url);
      times[kind].push((await subscribed.promise) - startedAt);
      child.kill('SIGTERM');
      await child.exited;
      await relay.stop();
    }
  }
  // The first one makes the database.
  return { ours: median(times.ours.slice(1)), naive: median(times.naive.slice(1)) };
}

async function measure(kind: Kind, start: number): Promise<Figures> {
  const bot = getPublicKey(botKeys[kind]);
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
  const child = spawnBot(kind, relay.url);
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => {
    child.kill('SIGTERM');
    await child.exited;
    await relay.stop();
  });
  const until = async (condition: () => boolean) => {
    const deadline = nowMs() + 30_000;
    while (!condition()) {
      if (nowMs() > deadline) throw new Error(`${kind}: nothing came`);
      await Bun.sleep(0.5);
    }
  };
  await until(() => subscribed);
  await Bun.sleep(2500);

  const send = (text: string) => {
    const rumor = nip59.createRumor(
      {
        kind: 14,
        content: text,
        tags: [
          ['p', bot],
          ['client', crypto.randomUUID()],
        ],
      },
      ownerKey,
    );
    const wrap = nip59.createWrap(nip59.createSeal(rumor, ownerKey, bot), bot);
    const at = nowMs();
    relay.inject(wrap);
    return at;
  };
  const exchange = async (text: string) => {
    const before = arrived.length;
    const sentAt = send(text);
    await until(() => arrived.length > before);
    return { sentAt, arrivedAt: arrived[before]?.at ?? Number.NaN };
  };
  const pings = async () => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { sentAt, arrivedAt } = await exchange('!ping');
      times.push(arrivedAt - sentAt);
      await Bun.sleep(20);
    }
    return median(times.slice(3));
  };
  const quiet = await pings();
  await Bun.sleep(Number(process.env.REST ?? 3000));
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;

  writeFileSync(join(workspace, 'times'), '');
  const tasks: { sentAt: number; arrivedAt: number }[] = [];
  // Each in other words and fewer than 25 in a row: the bot takes more for a client that answers by itself.
  for (let round = 0; round < 20; round += 1) {
    tasks.push(await exchange(`work ${round}`));
    await Bun.sleep(50);
  }
  const agentTimes = readFileSync(join(workspace, 'times'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map((nanoseconds) => Number(nanoseconds) / 1e6));
  const toAgent = median(tasks.map(({ sentAt }, index) => (agentTimes[index]?.[0] ?? Number.NaN) - sentAt));
  const fromAgent = median(
    tasks.map(({ arrivedAt }, index) => arrivedAt - (agentTimes[index]?.[1] ?? Number.NaN)),
  );

  const before = arrived.length;
  send('long work');
  await Bun.sleep(300);
  const busy = await pings();
  await until(() => arrived.slice(before).some(({ text }) => text.includes('d')));
  return { toAgent, fromAgent, command: quiet, busy, start, rss };
}

const names: Readonly<Record<keyof Figures, string>> = {
  toAgent: 'EVENT at the relay → agent’s process (ms)',
  fromAgent: 'agent’s end → reply’s EVENT (ms)',
  command: 'command answered (ms)',
  busy: 'command answered during a run (ms)',
  start: 'start → subscribed (ms)',
  rss: 'memory at rest (MiB)',
};
try {
  const starts = await measureStarts();
  const ours = await measure('ours', starts.ours);
  const naive = await measure('naive', starts.naive);
  for (const key of Object.keys(names) as (keyof Figures)[]) {
    const ratio = (ours[key] / naive[key]).toFixed(2);
    console.log(
      `${names[key].padEnd(46)} ours ${ours[key].toFixed(1).padStart(7)}   naive ${naive[key].toFixed(1).padStart(7)}   ratio ${ratio}`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
