/*
 * The whole bot with a real opencode that is kept ready in the jail, paid at a node and a mint. The bot is killed at every
 * step of a run, while something is asked, while work is taken back and while a conversation is shortened; its agent server
 * at every moment of its life. Each time: the owner hears of the task once, no process is left, nothing that was asked is
 * done any more, and wallet, node, ledger and fees are what was put in, to the sat. `CRASH_MATRIX=full`: every moment;
 * without it those that differ most.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { balanceFromWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { processesOf } from '../support/bot.ts';
import { watchFamily } from '../support/family.ts';
import { bubblewrapHere } from '../support/jail.ts';
import { kill, type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';
import { auditEverything, oneBudgetEach } from '../support/paid-soak.ts';

const full = process.env.CRASH_MATRIX === 'full';
const checkpoints = [
  'task:preparing',
  'run:created',
  'run:token_issued',
  'run:credited',
  'run:deposited',
  'run:running',
  'task:running',
  'task:settling',
  'run:refund_due',
  'run:answered',
  'run:answer_kept',
  'run:change_held',
  'receive:prepared',
  'receive:done',
  'run:settled',
  'task:settled',
  'task:done',
  // Of the budget that is made ahead for the next run.
  'send:reserved',
  'send:prepared',
  'send:answered',
  'run:ahead',
];
const chosen = ['run:credited', 'run:answer_kept', 'run:ahead'];
const limit = 120_000;

const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());
const story = test.if(missing === undefined);
const fullStory = test.if(missing === undefined && full);

let house: SandboxHouse;
let world: PaidBot;
let family: ReturnType<typeof watchFamily>;
const killFile = (): string => join(world.bot.directory, 'kill-at');

beforeAll(async () => {
  if (missing !== undefined) return;
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    opencode: 'real',
    funds: 30_000,
    entry: [join(import.meta.dir, '../support/checkpoint-bot.ts')],
    env: { BOT_ISOLATION: 'bwrap', BOT_WARM_SERVERS: '1', BOT_APPROVALS: 'off' },
  });
  world.bot.env.TEST_KILL_FILE = killFile();
  Bun.spawnSync(['git', 'init', '-q'], { cwd: world.bot.workspace });
  await world.bot.end('SIGTERM');
  await begin();
}, 60_000);
afterAll(async () => {
  await world?.cleanUp();
  await house?.stop();
});

const inWorkspace = (name: string): string => join(world.bot.workspace, name);
const script = (name: string, text: string): string => {
  writeFileSync(inWorkspace(name), text);
  return `run sh ${name}`;
};
/** What a run leaves behind if nobody ends it; `begun` is there when it has. */
const leaving = [
  'setsid sleep 7291 >/dev/null 2>&1 &',
  '(setsid env -i /bin/sleep 7292 >/dev/null 2>&1 &)',
  'touch begun',
  'sleep 7293',
].join('\n');
const strays = (): number => ['7291', '7292', '7293'].flatMap((time) => processesOf('sleep', time)).length;

/** The bot is started; a server is ready, and a budget is made ahead. */
async function begin(): Promise<void> {
  const { bot, owner } = world;
  if (bot.hasEnded()) await bot.start();
  family = watchFamily(bot.pid());
  await owner.send('!ping');
  await until(() => family.servers().length > 0, 'a server is started');
  await until(() => world.budgetsAhead() > 0, 'a budget is being made ahead');
}

/** The bot is dead: nobody has more than its one budget, and one that is ready; nothing that it has started is left. */
async function countTheDead(): Promise<void> {
  const books = world.books();
  oneBudgetEach(world.funds, books);
  expect(books.open.filter(({ ticket }) => ticket.purpose === 'ahead').length).toBeLessThanOrEqual(1);
  await until(() => family.alive().length === 0 && strays() === 0, 'its server and its agents end with it');
}

/** What was said about a task, beside what was asked. */
const answersTo = (task: string): readonly string[] =>
  world.owner.said
    .filter(({ about, kind, text }) => about === task && kind !== 7 && !isAsk(text))
    .map(({ text }) => text);
const isAsk = (text: string): boolean => text.includes('May I run this?');

/** The task is answered once, its money is home. */
async function aftermath(task: string): Promise<string> {
  await until(() => answersTo(task).length > 0, 'the task is answered');
  await settled(world, 60_000);
  const [answer = '', ...more] = answersTo(task);
  expect(more).toEqual([]);
  return answer;
}

const died = (): Promise<void> =>
  until(
    () => {
      family.look();
      return world.bot.hasEnded();
    },
    'the bot ends itself',
    60_000,
  );

async function killBot(): Promise<void> {
  family.look();
  await world.bot.end('SIGKILL');
  await countTheDead();
}

/** Goes on working, be it with the server that is there or with a new one. */
async function works(): Promise<void> {
  const { owner } = world;
  const word = `word${owner.said.length}`;
  const task = await owner.send(`say ${word}`);
  await until(
    () => answersTo(task).length > 0,
    `an answer; the bot's log ends: ${world.bot.log().slice(-3000)}`,
    20_000,
  );
  expect(answersTo(task)[0]).toMatch(new RegExp(`^${word}`));
  await settled(world, 60_000);
}

describe.each(full ? checkpoints : chosen)('the bot dies at %s', (checkpoint) => {
  story(
    'nothing is lost, and nothing is left',
    async () => {
      await begin();
      writeFileSync(killFile(), checkpoint);
      const task = await world.owner.send('write hello.txt with the text hi');
      await died();
      rmSync(killFile());
      await countTheDead();
      await world.bot.start();
      await aftermath(task);
    },
    limit,
  );
});

story(
  'the bot dies while its agent works, and while it asks: a late yes does nothing',
  async () => {
    const { bot, owner } = world;
    await begin();
    rmSync(inWorkspace('begun'), { force: true });
    const work = await owner.send(`${script('leave.sh', leaving)} and wait`);
    await until(() => existsSync(inWorkspace('begun')) && strays() === 3, 'the command runs');
    await killBot();
    await bot.start();
    expect(await aftermath(work)).toMatch(/^Interrupted/);

    await begin();
    await world.ask('!approvals commands');
    const task = await owner.send('run touch asked.txt');
    const asked = await owner.heard(/May I run this/);
    await killBot();
    await bot.start();
    await aftermath(task);
    await owner.send('!yes');
    await owner.send('👍', { kind: 7, tags: [['e', asked.id]] });
    await world.ask('!approvals off');
  },
  limit,
);

fullStory(
  'the bot dies while work is taken back, and while a conversation is shortened',
  async () => {
    const { bot, owner } = world;
    await owner.answer(await owner.send('write back.txt with the text back'), /wrote/);
    await settled(world, 60_000);
    await begin();
    const undo = await owner.send('!undo');
    await until(() => !existsSync(inWorkspace('back.txt')), 'the file is gone');
    await killBot();
    await bot.start();
    await owner.answer(undo, /./);
    expect(existsSync(inWorkspace('back.txt'))).toBe(false);
    await works();

    await begin();
    house.node.faults.add({ endpoint: 'chat', when: 'before', effect: { kind: 'hold' } });
    const compact = await owner.send('!compact');
    await until(() => house.node.faults.holding() > 0, 'the model is asked');
    await killBot();
    house.node.faults.release();
    await bot.start();
    await aftermath(compact);
    await works();
  },
  limit,
);

/** The server dies at a moment of a task: its owner hears of it, its money is home, and the next task has another one. */
async function serverDies(task: string, moment: () => boolean): Promise<void> {
  const before = family.servers();
  const sent = await world.owner.send(task);
  await until(moment, 'the moment');
  expect(family.servers().filter(kill).length).toBeGreaterThan(0);
  expect(await aftermath(sent)).toContain('server');
  await until(() => strays() === 0, 'nothing of the run is left');
  await works();
  expect(family.servers().some((pid) => !before.includes(pid))).toBe(true);
}
const asksForMoney = (): boolean => house.node.audit().reservedMsat > 0;
const slow = 'stream slowly then answer with 12 words';

story(
  'a server dies in mid-answer and between tasks',
  async () => {
    await begin();
    await serverDies(slow, asksForMoney);
    expect(family.servers().filter(kill).length).toBeGreaterThan(0);
    await works();
  },
  limit,
);

fullStory(
  'a server dies in the middle of a command, and while it asks',
  async () => {
    const { bot, owner } = world;
    await bot.end('SIGTERM');
    await begin();
    rmSync(inWorkspace('begun'), { force: true });
    await serverDies(`${script('leave.sh', leaving)} and wait`, () => existsSync(inWorkspace('begun')));
    await bot.end('SIGTERM');
    await begin();
    await world.ask('!approvals commands');
    const asks = (): number => owner.said.filter(({ text }) => isAsk(text)).length;
    const before = asks();
    await serverDies('run touch asked2.txt', () => asks() > before);
    await owner.send('!yes');
    await world.ask('!approvals off');
    await works();
  },
  limit,
);

fullStory(
  'a server dies while it starts, and the task that waits for it is done',
  async () => {
    const { bot, owner } = world;
    await bot.end('SIGTERM');
    await bot.start();
    family = watchFamily(bot.pid());
    const task = await owner.send('write started.txt with the text yes');
    await until(() => family.servers().filter(kill).length > 0, 'a server starts');
    await aftermath(task);
    expect(readFileSync(inWorkspace('started.txt'), 'utf8')).toContain('yes');
    await works();
  },
  limit,
);

story(
  'in the end everything adds up, to the sat',
  async () => {
    const { problems, ...accounts } = await auditEverything(house, world, {
      fromWords: () => balanceFromWords(house.mint, world.words, 600),
      mostCredit: 2000,
    });
    expect(problems).toEqual([]);
    expect(accounts.lost).toBe(0);
    // Nothing that was asked before a death was done after it.
    expect(['asked.txt', 'asked2.txt'].filter((name) => existsSync(inWorkspace(name)))).toEqual([]);
    expect(house.node.audit().balanced).toBe(true);
    expect(world.bot.log()).not.toMatch(/cashu[AB]\w{8}/);
    expect(family.alive()).toEqual([]);
  },
  limit,
);
