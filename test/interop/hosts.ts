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
import { readAgentHosts } from '../../src/config/agent-hosts.ts';
import { checkHosts } from '../../src/doctor/check-hosts.ts';
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
/** Which host the owner's last session is on. */
const placeOf = (owner: TestOwner): string => {
  const db = new Database(join(world.bot.home, 'bot.db'), { readonly: true });
  try {
    const sql = 'SELECT directory FROM sessions WHERE owner = ? ORDER BY used_at DESC, rowid DESC LIMIT 1';
    return String(db.query(sql).values(owner.publicKey)[0]?.[0]);
  } finally {
    db.close();
  }
};
/** What `doctor` has of the bot's configuration. */
const doctored = () => {
  const refuse = (problem: string): never => {
    throw new Error(problem);
  };
  const agentHosts = readAgentHosts(`${alpha.entry},${beta.entry}`, refuse);
  return { agentHosts, home: world.bot.home, ambient: { PATH: process.env.PATH ?? '' } };
};
const hostOf = (owner: TestOwner): SshHost => (placeOf(owner) === 'alpha:app' ? alpha : beta);
const give = async (owner: TestOwner, task: string, pattern = /— agent/): Promise<string> =>
  (await owner.answer(await owner.send(task), pattern, 90_000)).text;

describe('agents on two hosts', () => {
  test(
    'nobody is let in whose key was not compared, and the bot says what is missing',
    async () => {
      await untilHosts(/alpha: shows a key that nobody has confirmed[\s\S]*beta: shows a key/);
      const task = await member.send('say too early');
      expect((await member.answer(task, /waits for its agent host/)).text).toContain('alpha shows a key');
      const look = async (): Promise<readonly string[]> =>
        (await checkHosts(doctored(), AbortSignal.timeout(60_000))).map(
          ({ state, fact }) => `${state}: ${fact}`,
        );
      expect(await look()).toEqual(Array(2).fill(expect.stringMatching(/^broken: it shows a key/)));
      const folder = join(world.bot.home, 'hosts');
      writeFileSync(join(folder, 'known_hosts'), alpha.knownKey + beta.knownKey, { mode: 0o600 });
      await world.ask('!hosts open alpha');
      await untilHosts(/alpha: does not let the bot in/);
      expect(await look()).toEqual(
        Array(2).fill(expect.stringMatching(/^broken: it does not let the bot in/)),
      );
      Bun.spawnSync(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'id_ed25519')]);
      const key = readFileSync(join(folder, 'id_ed25519.pub'), 'utf8');
      for (const host of [alpha, beta]) host.letIn(key);
      for (const { name } of [alpha, beta]) await world.ask(`!hosts open ${name}`);
      await untilHosts(/alpha: .*processor[\s\S]*beta: .*processor/);
      expect(await look()).toEqual(
        Array(2).fill(expect.stringMatching(/^(ok|warning): it lets the bot in, opencode .* GB free at /)),
      );
      expect((await member.answer(task, /— agent/, 60_000)).text).toContain('too early');
    },
    limit,
  );

  test(
    'tasks of two owners that come together go to both, and what follows stays where it began',
    async () => {
      for (const owner of [world.owner, member])
        await owner.answer(await owner.send('!new app'), /New session/);
      for (const host of [alpha, beta]) {
        const cwd = join(host.work, 'app');
        mkdirSync(cwd, { recursive: true });
        Bun.spawnSync(['git', 'init', '-q'], { cwd });
      }
      const [mine, theirs] = await Promise.all([
        give(world.owner, 'take 4 seconds then write mine.txt with the text of the admin'),
        give(member, 'take 4 seconds then write theirs.txt with the text of the member'),
      ]);
      expect([mine, theirs].join()).not.toContain('failed');
      expect([mine, theirs].filter((text) => !/1 step|2 steps|3 steps/.test(text))).toEqual([]);
      const [here, there] = [hostOf(world.owner), hostOf(member)];
      expect(here.name).not.toBe(there.name);
      expect(readFileSync(join(here.work, 'app/mine.txt'), 'utf8')).toContain('of the admin');
      expect(readFileSync(join(there.work, 'app/theirs.txt'), 'utf8')).toContain('of the member');
      expect(existsSync(join(here.work, 'app/theirs.txt'))).toBe(false);
      // What was said is remembered there.
      await give(world.owner, 'remember the colour teal');
      expect(await give(world.owner, 'what did I say')).toContain('teal');
      expect(hostOf(world.owner).name).toBe(here.name);
      expect(await world.ask('!status')).toMatch(/Agent hosts: 2 of 2 there/);
    },
    limit,
  );

  test(
    'what the agent asks is asked, and what it did is shown and taken back',
    async () => {
      const { owner } = world;
      const here = hostOf(owner);
      await world.ask('!approvals commands');
      const task = await owner.send('run echo asked > asked.txt');
      expect((await owner.answer(task, /May I run this/, 60_000)).text).toContain('echo asked');
      expect(existsSync(join(here.work, 'app/asked.txt'))).toBe(false);
      await owner.send('!yes');
      await owner.answer(task, /— agent/, 60_000);
      expect(readFileSync(join(here.work, 'app/asked.txt'), 'utf8')).toBe('asked\n');
      await world.ask('!approvals off');
      expect(await world.ask('!diff', /asked/)).toContain('+asked');
      await world.ask('!undo', /asked\.txt/);
      expect(existsSync(join(here.work, 'app/asked.txt'))).toBe(false);
      const shown = await world.ask('!sh pwd; cat mine.txt; ls -A / /home/agent; cat /proc/1/comm');
      expect(shown).toContain('of the admin');
      // The jail of the bot's own machine: the host's home and the bot's folder there are not in it.
      expect(shown).not.toContain('.nostr-dm-agent');
    },
    limit,
  );

  test(
    'a host that dies in mid-run: the run ends, its money is back, and the host comes back',
    async () => {
      const there = hostOf(member);
      const task = await member.send('run setsid sleep 7391 & sleep 7392 and wait');
      await until(() => processesOf('sleep', '7392').length > 0, 'it is at work there', 60_000);
      const second = await member.send('say after the break');
      await there.kill();
      const said = (await member.answer(task, /connection to the agent host/, 60_000)).text;
      expect(said).toContain(there.name);
      expect(said).toMatch(/\d+ of 3000 sat/);
      await until(
        () => ['7391', '7392'].every((time) => processesOf('sleep', time).length === 0),
        'nothing of it is left',
        20_000,
      );
      await untilHosts(new RegExp(`${there.name}: (?:was lost|can’t be reached)`));
      // What follows in that session waits; a new one goes elsewhere.
      await member.answer(await member.send('!new app'), /New session/);
      expect(await give(member, 'say elsewhere')).toContain('elsewhere');
      expect(hostOf(member).name).not.toBe(there.name);
      await there.start();
      await untilHosts(new RegExp(`${there.name}: .*processor`));
      expect((await member.answer(second, /— agent/, 90_000)).text).toContain('after the break');
    },
    limit,
  );

  test(
    'a drained host is left alone until it is opened',
    async () => {
      const { owner } = world;
      const here = hostOf(owner);
      expect(await world.ask(`!hosts drain ${here.name}`)).toContain(`Nothing more begins on ${here.name}`);
      await untilHosts(new RegExp(`${here.name}: nothing under way.* can be switched off`));
      const waiting = await owner.send('say it waited');
      expect((await owner.answer(waiting, /waits for its agent host/)).text).toContain('is drained');
      await owner.answer(await owner.send('!new app'), /New session/);
      expect(await give(owner, 'say on the other one')).toContain('on the other one');
      expect(hostOf(owner).name).not.toBe(here.name);
      await world.ask(`!hosts open ${here.name}`);
      expect((await owner.answer(waiting, /— agent/, 60_000)).text).toContain('it waited');
    },
    limit,
  );

  test(
    'only the wallet pays there',
    async () => {
      await member.answer(await member.send('!provider set local'), /./);
      await member.answer(await member.send('!new app'), /New session/);
      expect(
        (await member.answer(await member.send('say nothing here'), /only the wallet pays/)).text,
      ).toContain('routstr');
      await member.answer(await member.send('!provider set routstr'), /./);
    },
    limit,
  );

  test(
    'a bot that is killed leaves nothing at work there, and its money comes home',
    async () => {
      const { owner } = world;
      const task = await owner.send('run setsid sleep 7393 & sleep 7394 and wait');
      await until(() => processesOf('sleep', '7394').length > 0, 'it is at work there', 60_000);
      await world.bot.end('SIGKILL');
      const began = performance.now();
      await until(
        () => ['7393', '7394'].every((time) => processesOf('sleep', time).length === 0),
        'the agents end',
        20_000,
      );
      await until(() => alpha.driver() + beta.driver() === 0, 'so do the programs there', 20_000);
      process.stderr.write(
        `after a SIGKILL of the bot nothing was left there in ${Math.round(performance.now() - began)} ms\n`,
      );
      await world.bot.start();
      await owner.answer(task, /interrupted/i, 60_000);
      await settled(world, 60_000);
      await untilHosts(/alpha: .*processor[\s\S]*beta: .*processor/);
      expect(await give(owner, 'say there again')).toContain('there again');
    },
    limit,
  );

  test(
    'no secret of the bot is on a host, and all money is where the books say',
    async () => {
      const secrets = [
        { name: 'key', needles: byteForms(world.bot.secretKey) },
        { name: 'words', needles: textForms(world.words) },
        // Tokens of every version, and what a node gives for one.
        { name: 'token', needles: ['cashuA', 'cashuB'] },
      ];
      const onHosts = [alpha, beta].flatMap(({ place, name }) =>
        filesBelow(place).map((file) => ({ ...file, name: `${name} ${file.name}` })),
      );
      expect(onHosts.length).toBeGreaterThan(20);
      expect(search(secrets, onHosts)).toEqual([]);
      const there = [...alpha.processes(), ...beta.processes()];
      expect(there.length).toBeGreaterThan(1);
      const running = (['cmdline', 'environ'] as const).flatMap((file) =>
        processTexts(file).filter(({ name }) => there.some((pid) => name === `${file} of ${pid}`)),
      );
      expect(search(secrets, running)).toEqual([]);
      const accounts = await auditEverything(house, world, {
        fromWords: () => balanceFromWords(house.mint, world.words, 60),
        mostCredit: budget,
      });
      process.stderr.write(`${JSON.stringify(accounts)}\n`);
      expect(accounts.funds).toBe(accounts.ready + accounts.spent + accounts.fees);
    },
    limit,
  );
});
