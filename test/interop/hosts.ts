/*
 * Agents on other machines, with two sshd on loopback: the whole bot, a real opencode in the jail there, paid at a node and a
 * mint. `bun run test:hosts`; needs openssh-server and bubblewrap. See docs/agent-hosts.md.
 */
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { balanceFromWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { processesOf } from '../support/bot.ts';
import type { TestOwner } from '../support/owner.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';
import { auditEverything } from '../support/paid-soak.ts';
import { byteForms, filesBelow, processTexts, search, textForms } from '../support/secrets.ts';
import { type SshHost, startSshHost } from '../support/sshd.ts';

const limit = 180_000;
const funds = 40_000;
const budget = 3_000;
const require = createRequire(import.meta.url);
const opencode = realpathSync(join(dirname(require.resolve('opencode-ai/package.json')), 'bin/opencode.exe'));

let directory: string;
let alpha: SshHost;
let beta: SshHost;
let house: SandboxHouse;
let world: PaidBot;
let member: TestOwner;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'nda-hosts-'));
  [alpha, beta] = await Promise.all([
    startSshHost('alpha', directory, opencode),
    startSshHost('beta', directory, opencode),
  ]);
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    ...{ opencode: 'real', funds, budget },
    env: {
      ...{ BOT_ISOLATION: 'bwrap', BOT_WARM_SERVERS: '2', BOT_CONCURRENCY: '4', LOG_LEVEL: 'debug' },
      BOT_AGENT_HOSTS: `${alpha.entry},${beta.entry}`,
      BOT_WORKSPACE: `app=*:app,docs=alpha:${alpha.work}/docs`,
    },
  });
  member = await world.addMember();
  await member.answer(await member.send('!provider set routstr'), /./);
}, limit);
afterAll(async () => {
  if (process.env.SHOW) console.error(world.bot.log().split('\n').filter((line) => line.includes('"host"')).join('\n'));
  member?.close();
  await world?.cleanUp();
  await house?.stop();
  for (const host of [alpha, beta]) {
    await host?.stop();
    for (const pid of host?.processes() ?? []) process.kill(pid, 'SIGKILL');
  }
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const hosts = (): Promise<string> => world.ask('!hosts');
/** Until a line of `!hosts` is so. */
const untilHosts = async (pattern: RegExp, ms = 60_000): Promise<string> => {
  const end = performance.now() + ms;
  for (;;) {
    const text = await hosts();
    if (pattern.test(text)) return text;
    if (performance.now() > end) throw new Error(`${pattern}:\n${text}\n${world.bot.log().slice(-3000)}`);
    await Bun.sleep(300);
  }
};
/** Where a task was worked on: its last answer's workspace. */
const directoryOf = (session: string): string => {
  const db = new Database(join(world.bot.home, 'bot.db'), { readonly: true });
  try {
    return String(db.query('SELECT directory FROM sessions WHERE id = ?').values(session)[0]?.[0]);
  } finally {
    db.close();
  }
};
const sessions = (): readonly (readonly unknown[])[] => {
  const db = new Database(join(world.bot.home, 'bot.db'), { readonly: true });
  try {
    return db.query('SELECT id, owner, directory FROM sessions ORDER BY created_at').values();
  } finally {
    db.close();
  }
};
const give = async (owner: TestOwner, task: string, pattern = /— agent/): Promise<string> =>
  (await owner.answer(await owner.send(task), pattern, 90_000)).text;

describe('agents on two hosts', () => {
  test(
    'nobody is let in whose key was not compared, and the bot says what is missing',
    async () => {
      await untilHosts(/alpha: shows a key that nobody has confirmed[\s\S]*beta: shows a key/);
      const task = await member.send('say too early');
      expect((await member.answer(task, /waits for its agent host/)).text).toContain('alpha shows a key');
      const folder = join(world.bot.home, 'hosts');
      writeFileSync(join(folder, 'known_hosts'), alpha.knownKey + beta.knownKey, { mode: 0o600 });
      await world.ask('!hosts open alpha');
      await untilHosts(/alpha: does not let the bot in/);
      Bun.spawnSync(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'id_ed25519')]);
      const key = readFileSync(join(folder, 'id_ed25519.pub'), 'utf8');
      for (const host of [alpha, beta]) host.letIn(key);
      for (const { name } of [alpha, beta]) await world.ask(`!hosts open ${name}`);
      await untilHosts(/alpha: .*processor[\s\S]*beta: .*processor/);
      console.error(await hosts()); expect((await member.answer(task, /— agent/, 60_000)).text).toContain('too early');
    },
    limit,
  );
});
