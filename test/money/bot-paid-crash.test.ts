/*
 * The whole bot with the real opencode, paid at a node and a mint, killed at every step of a run; the agent killed in
 * mid-answer; node and mint killed and restarted. Each time the bot starts again, the owner hears of the task, and
 * everything is counted: wallet, node, ledger and fees are what was put in, to the sat, and no run ever had more than
 * one budget at stake. `CRASH_MATRIX=full`: every moment; without it those that differ most.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { balanceFromWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { watchFamily } from '../support/family.ts';
import { kill, type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';
import { auditEverything, oneBudgetEach } from '../support/paid-soak.ts';

const full = process.env.CRASH_MATRIX === 'full';
const checkpoints = [
  'task:preparing',
  'run:created',
  'send:reserved',
  'send:prepared',
  'send:answered',
  'send:done',
  'run:sent',
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
  'receive:reserved',
  'receive:prepared',
  'receive:answered',
  'receive:done',
  'run:settled',
  'task:settled',
  'task:done',
];
const chosen = ['run:credited', 'task:running', 'run:answer_kept'];

let house: SandboxHouse;
let world: PaidBot;
beforeAll(async () => {
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    opencode: 'real',
    funds: 20_000,
    entry: [join(import.meta.dir, '../support/checkpoint-bot.ts')],
    env: { TEST_KILL_AT: '' },
  });
}, 60_000);
afterAll(async () => {
  await world.cleanUp();
  await house.stop();
});

const write = 'write hello.txt with the text hi';
/** Two seconds and a half of words. */
const slow = 'stream slowly then answer with 12 words';
const isStreaming = (): boolean => house.node.audit().reservedMsat > 0;

/** The bot is dead: nobody has more than one budget of it. */
const countTheDead = (): number => oneBudgetEach(world.funds, world.books());

/** The task is answered once, its money is home, and the bot's books are the same before and after a restart. */
async function aftermath(task: string): Promise<void> {
  const { bot, owner } = world;
  await until(
    () => owner.said.some(({ about, kind }) => about === task && kind !== 7),
    'the task is answered',
  );
  await settled(world, 60_000);
  await bot.end('SIGKILL');
  expect(countTheDead()).toBe(0);
  expect(owner.said.filter(({ about, kind }) => about === task && kind !== 7)).toHaveLength(1);
}

async function killedAt(checkpoint: string): Promise<void> {
  const { bot, owner } = world;
  await bot.end('SIGKILL');
  await bot.start({ TEST_KILL_AT: checkpoint });
  const task = await owner.send(write);
  await until(bot.hasEnded, `the bot ends itself at ${checkpoint}`, 60_000);
  countTheDead();
  await bot.start({ TEST_KILL_AT: '' });
  await aftermath(task);
}

/** `work` is done while the agent has half an answer; the bot lives, or is started again by it. */
async function inMidAnswer(work: () => Promise<unknown>, text = slow): Promise<void> {
  const { bot, owner } = world;
  await bot.end('SIGKILL');
  await bot.start({ TEST_KILL_AT: '' });
  const task = await owner.send(text);
  await until(isStreaming, 'the model answers', 60_000);
  await work();
  await aftermath(task);
}

const restartBot = async (): Promise<void> => {
  await world.bot.end('SIGKILL');
  countTheDead();
  await world.bot.start();
};

describe.each(full ? checkpoints : chosen)('the bot dies at %s', (checkpoint) => {
  test('nothing is lost', () => killedAt(checkpoint), 120_000);
});

test.if(full)('the bot dies in mid-answer', () => inMidAnswer(restartBot), 120_000);

test('the agent dies in mid-answer', async () => {
  await inMidAnswer(async () => expect(world.agents().filter(kill).length).toBeGreaterThan(0));
}, 120_000);

test('the bot dies while its agent asks: without a wall the server outlives it, and ends when it comes back', async () => {
  const { bot, owner } = world;
  await bot.end('SIGKILL');
  await bot.start({ TEST_KILL_AT: '' });
  await world.ask('!approvals commands');
  const family = watchFamily(bot.pid());
  const task = await owner.send('run touch asked.txt');
  await owner.heard(/May I run this/, 60_000);
  expect(family.servers().length).toBeGreaterThan(0);
  await bot.end('SIGKILL');
  countTheDead();
  expect(family.alive().length).toBeGreaterThan(0);
  await bot.start();
  expect(family.alive()).toEqual([]);
  await owner.send('!yes');
  await world.ask('!approvals off');
  await until(
    () => owner.said.some(({ about, text }) => about === task && text.startsWith('Interrupted')),
    'told',
  );
  await settled(world, 60_000);
  await bot.end('SIGKILL');
  expect(countTheDead()).toBe(0);
  expect(existsSync(join(bot.workspace, 'asked.txt'))).toBe(false);
}, 120_000);

describe.each(full ? (['kept', 'lost'] as const) : (['lost'] as const))('its memory is %s', (memory) => {
  test.if(full)(
    'the node dies in mid-answer and comes back',
    async () => {
      await inMidAnswer(async () => {
        await house.killNode(memory);
        await house.startNode();
      });
    },
    120_000,
  );

  test('the node has made the change, bot and node die before it arrives', async () => {
    const { bot, owner } = world;
    await bot.end('SIGKILL');
    await bot.start({ TEST_KILL_AT: '' });
    house.node.faults.add({ endpoint: 'refund', when: 'after', effect: { kind: 'hold' } });
    const task = await owner.send(write);
    await until(() => house.node.faults.holding() > 0, 'the refund is made', 60_000);
    await bot.end('SIGKILL');
    countTheDead();
    await house.killNode(memory);
    await house.startNode();
    await bot.start();
    await aftermath(task);
  }, 120_000);
});

test('the mint dies before the change is redeemed, the bot as well, and both come back', async () => {
  await inMidAnswer(async () => {
    await house.killMint();
    await restartBot();
    await house.startMint();
  });
}, 120_000);

test('in the end everything adds up, to the sat', async () => {
  await world.bot.start({ TEST_KILL_AT: '' });
  const { problems, ...accounts } = await auditEverything(house, world, {
    fromWords: () => balanceFromWords(house.mint, world.words, 300),
    mostCredit: 2000,
  });
  expect(problems).toEqual([]);
  expect(accounts.lost).toBe(0);
  expect(house.node.audit().balanced).toBe(true);
  expect(world.bot.log()).not.toMatch(/cashu[AB]\w{8}/);
}, 120_000);
