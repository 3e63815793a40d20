// Agents that are not ours, by the Agent Client Protocol: real programs in the real jail, paid run by run through the meter.
// AGENTS=qwen,codex,vibe for others than those of npm; AGENTS_DIR=… for a folder in which they stay installed. See docs/interop.md.
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import { processesOf } from '../support/bot.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';
import { agentNames, agentsFolder, installAgent, npmAgentNames } from './agents-install.ts';

const wanted = agentNames.filter((name) =>
  (process.env.AGENTS ?? npmAgentNames.join()).split(',').includes(name),
);
const folder = agentsFolder();
let house: SandboxHouse;
let world: PaidBot;

beforeAll(async () => {
  expect(wanted).not.toEqual([]);
  const began = performance.now();
  const bins = await Promise.all(wanted.map((name) => installAgent(name, folder.path)));
  process.stderr.write(`${wanted.join(', ')} installed in ${((performance.now() - began) / 1000).toFixed(1)} s
`);
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    opencode: 'paying',
    funds: 90_000,
    budget: 3_000,
    env: {
      BOT_ISOLATION: 'bwrap',
      BOT_AGENTS: wanted.join(','),
      PATH: [...bins, process.env.PATH].join(':'),
    },
  });
  writeFileSync(join(world.bot.workspace, 'much'), `${'a word or two '.repeat(3_000)}end`);
}, 400_000);
afterAll(async () => {
  try {
    await world?.cleanUp();
    await house?.stop();
  } finally {
    folder.remove();
  }
}, 60_000);

const run = z.object({
  id: z.string(),
  backend_session: z.string().nullable(),
});
/** The last run, and the conversation of the agent's own that it was in. */
const lastRun = () => {
  const db = new Database(join(world.bot.home, 'bot.db'), { readonly: true });
  try {
    const sql = `SELECT runs.id, sessions.backend_session FROM runs JOIN sessions ON sessions.id = runs.session
      ORDER BY runs.seq DESC LIMIT 1`;
    return run.parse(db.query(sql).get());
  } finally {
    db.close();
  }
};
/** Living processes of a run, whoever their parent is by now. */
const processesOfRun = (id: string): readonly string[] =>
  readdirSync('/proc').filter((name) => {
    try {
      return readFileSync(`/proc/${name}/environ`, 'utf8').includes(`NOSTR_DM_AGENT_RUN=${id}`);
    } catch {
      return false; // no process, or one that ended meanwhile
    }
  });

const footer = /\n— agent · .+ sat · claude-sonnet-4\.5$/;
const there = (name: string) => existsSync(join(world.bot.workspace, name));
const task = async (text: string, pattern = footer) => {
  const id = await world.owner.send(text);
  return { id, text: (await world.owner.answer(id, pattern, 90_000)).text };
};
/** Until the agent asks, then what its owner says to it, then the end. */
const asked = async (text: string, verdict: string) => {
  const { id, text: question } = await task(text, /May I/);
  await world.ask(verdict, /^Told the agent/);
  return { question, answer: (await world.owner.answer(id, footer, 90_000)).text };
};

for (const name of wanted) {
  describe(name, () => {
    test('finishes a task, which costs what the node says, to the sat', async () => {
      await world.ask(`!backend ${name}`, /New session/);
      await world.ask('!new', /New session/);
      const before = house.node.audit();
      const { text } = await task('run echo made > made.txt then say finished');
      expect(text).toMatch(/^finished$/m);
      expect(there('made.txt')).toBe(true);
      await settled(world, 20_000);
      const { spentMsat, forfeitedMsat, creditedMsat, refundedMsat } = house.node.audit();
      const node = spentMsat + forfeitedMsat - before.spentMsat - before.forfeitedMsat;
      expect(creditedMsat - refundedMsat - (before.creditedMsat - before.refundedMsat)).toBe(node);
      const footnote = /· (\d+) of 3000 sat · /.exec(text)?.[1];
      expect(Number(footnote) * 1000).toBe(node);
    });

    test('goes on in its conversation with the next task', async () => {
      const before = lastRun();
      const { text } = await task('what did I say');
      expect(text).toContain('run echo made > made.txt');
      const after = lastRun();
      expect(after.id).not.toBe(before.id);
      expect(after.backend_session).toBe(before.backend_session);
    });

    test('asks before it runs a command: yes does it, no does not', async () => {
      await world.ask('!approvals commands', /^Approvals: commands/);
      const yes = await asked('run echo yes > yes.txt then say went on', '!yes');
      expect(yes.question).toContain('echo yes > yes.txt');
      expect(yes.answer).toMatch(/^went on$/m);
      expect(there('yes.txt')).toBe(true);
      const no = await asked('run echo no > no.txt then say went on', '!no');
      expect(no.question).toContain('echo no > no.txt');
      expect(there('no.txt')).toBe(false);
      await world.ask('!approvals off', /^Approvals: off/);
    });

    test('is held when its budget is used up, and goes on with !more', async () => {
      const { owner, ask } = world;
      const held = (id: string) =>
        owner.said.filter(({ about, text }) => about === id && text.startsWith('⏸ The run waits for money'));
      const calls = house.upstream.requests.length;
      const reading = Array.from({ length: 8 }, () => 'run cat much then ').join('');
      const { id, text } = await task(`${reading}say finished !!680`, /⏸ The run/);
      if (house.upstream.requests.length === calls) {
        // What its first step may take, and not what the next ones do.
        const needed = /may take up to ([\d,]+) sat/.exec(text)?.[1]?.replaceAll(',', '');
        await ask(`!more ${Number(needed) - 680 + 20}`, /^Added/);
        await until(() => held(id).length > 1, 'it is held in the middle', 60_000);
      }
      expect(house.upstream.requests.length).toBeGreaterThan(calls);
      await ask('!more 4000', /^Added/);
      expect((await owner.answer(id, footer, 60_000)).text).toMatch(/^finished$/m);
    });

    test('is stopped in the middle, and nothing of it is left', async () => {
      const { owner } = world;
      // Not `sleep`: some refuse to wait for it.
      const id = await owner.send('run tail -f much');
      const commands = () => processesOf('tail', '-f', 'much');
      await until(() => commands().length > 0, 'its command runs', 60_000);
      expect(processesOfRun(lastRun().id)).not.toEqual([]);
      await owner.send('!stop');
      await owner.reaction(id, '⏹', 20_000);
      expect(commands()).toEqual([]);
      expect(processesOfRun(lastRun().id)).toEqual([]);
      await settled(world, 20_000);
    });
  });
}

test('all of the money is accounted for, at the bot and at the node', async () => {
  await settled(world, 30_000);
  await world.bot.end('SIGTERM');
  const { ready, spent, fees, uneven, open } = world.books();
  expect({ uneven, open }).toEqual({ uneven: [], open: [] });
  expect(ready + spent + fees).toBe(world.funds);
  const { spentMsat, forfeitedMsat, balancesMsat, reservedMsat, balanced } = house.node.audit();
  expect({ balancesMsat, reservedMsat, balanced }).toEqual({
    balancesMsat: 0,
    reservedMsat: 0,
    balanced: true,
  });
  expect(spentMsat + forfeitedMsat).toBe(spent * 1000);
}, 60_000);
