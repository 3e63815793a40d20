import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startTestBot, type TestBot } from '../support/bot.ts';
import type { TestOwner } from '../support/owner.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';

/* The whole bot over real sockets, its wallet at a mint, its runs at a node; one agent call costs 16.5 sat. */
let house: SandboxHouse;
let world: PaidBot;
let member: TestOwner;

beforeAll(async () => {
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, { opencode: 'paying', funds: 8000, budget: 700 });
  member = await world.addMember();
});
afterAll(async () => {
  member.close();
  await world.cleanUp();
  await house.stop();
});

const ask = (text: string, pattern = /./): Promise<string> => world.ask(text, pattern);
const askAsMember = async (text: string, pattern = /./): Promise<string> =>
  (await member.answer(await member.send(text), pattern)).text;
/** The answer of a run, with its line of facts. */
const runOf = (text: string): Promise<string> => ask(text, /\n— /);

describe('who pays', () => {
  test('is shown with node, model, wallet, budget and limit', async () => {
    expect(await ask('!provider')).toBe(
      [
        'Provider: routstr – ecash from the wallet pays. Others: local (!provider set).',
        `Node: ${new URL(house.nodeUrl).host}`,
        'Model: claude-sonnet-4.5, at least 672 sat a run',
        'Wallet: 8,000 sat ready',
        'Budget: 700 sat a run',
        'Limit: none. Spent or at stake today: 0 sat.',
      ].join('\n'),
    );
    expect(await ask('!provider status')).toBe(await ask('!provider'));
  });

  test('is each owner’s own choice', async () => {
    expect(await askAsMember('!provider')).toStartWith('Provider: local');
    await askAsMember('!provider set routstr');
    expect(await ask('!provider set LOCAL')).toStartWith('Your provider is local: the backend’s own login');
    expect(await ask('!provider')).toStartWith('Provider: local');
    expect(await askAsMember('!provider')).toStartWith('Provider: routstr');
    expect(await ask('!provider set routstr')).toMatch(
      /at most 700 sat a run, and the change comes back\.\nNode: .+\. Wallet: 8,000 sat ready\.$/,
    );
    expect(await ask('!provider set routstr')).toStartWith('Your provider is routstr already');
  });

  test('has to be one that there is', async () => {
    expect(await ask('!provider set')).toStartWith(
      'Which provider? There are: local, routstr.\nExpected: !provider set <name>',
    );
    const unknown = await ask('!provider set groq');
    expect(unknown).toContain('“groq”');
    expect(unknown).toContain('There are: local, routstr.');
    expect(await ask('!provider stats')).toContain('Did you mean !provider status?');
    expect(await ask('!provider')).toStartWith('Provider: routstr');
  });
});

describe('the budget of a run', () => {
  test('is read as people write it, and held against the model and the wallet', async () => {
    expect(await ask('!provider budget <2k>')).toBe('Budget: 2,000 sat a run.');
    expect(await ask('!provider budget 100sat')).toBe(
      'Budget: 100 sat a run.\n⚠ As it is, no run begins. 100 sat is too little for claude-sonnet-4.5: it needs 672 sat to get anywhere. End the task with !!672, or use !provider budget 672, or a cheaper model (!provider models).',
    );
    expect(await ask('!provider budget 9000')).toContain(
      'The wallet has 8,000 sat ready; this run needs 9,000 sat. !wallet topup 1000 makes an invoice',
    );
    expect(await ask('!provider budget 700')).toBe('Budget: 700 sat a run.');
    expect(await ask('!provider budget')).toBe(
      'Budget: 700 sat a run. For one run only: end the task with !!500.',
    );
  });

  test('is an amount, and set by admins; members see it', async () => {
    for (const nonsense of ['x', '0', '-5', '1.5', '2000 dollars']) {
      expect(await ask(`!provider budget ${nonsense}`)).toContain('is not an amount in whole sat');
    }
    expect(await askAsMember('!provider budget 5000')).toStartWith('The budget is set by admins');
    expect(await askAsMember('!provider budget')).toStartWith('Budget: 700 sat a run.');
  });
});

describe('the limit of a day', () => {
  test('is set and taken back by admins, and stops runs', async () => {
    expect(await ask('!provider limit 10k/day')).toStartWith(
      'Limit: 10,000 sat a day, all runs together; 0 sat',
    );
    expect(await ask('!provider limit 500 per day')).toContain(
      '⚠ As it is, no run begins. The limit of 500 sat for one day is reached',
    );
    expect(await ask('do the work')).toContain('The limit of 500 sat for one day is reached');
    expect(await ask('!provider limit much')).toContain('“much” is not an amount');
    expect(await askAsMember('!provider limit off')).toStartWith('The limit is set by admins');
    expect(await askAsMember('!provider limit')).toStartWith('Limit: 500 sat a day');
    expect(await ask('!provider limit off')).toBe('Limit: none. Spent or at stake today: 0 sat.');
  });
});

describe('the models of the node', () => {
  test('are listed with what a task costs, the least budget and the context; the one in use is marked', async () => {
    expect((await ask('!provider models')).split('\n')).toEqual([
      'Model · a typical task, sat · least budget, sat · context',
      'qwen3-coder · 50 · 29 · 262k',
      'deepseek-v3.2 · 57 · 23 · 164k',
      'minimax-m2.5 · 68 · 58 · 197k',
      'claude-sonnet-4.5 · 259 · 672 · 200k ← current',
      'claude-opus-4.1 · 3,451 · 3,358 · 200k',
      '5 models, the cheapest first. Choose one with !model routstr/qwen3-coder',
    ]);
    expect(await ask('!provider models OPUS 4.1')).toContain('1 model, the cheapest first.');
    expect(await ask('!provider models llama')).toStartWith('No model of ');
    expect(await askAsMember('!provider models opus')).toContain('claude-opus-4.1');
  });

  test('are fetched into opencode.json by admins', async () => {
    expect(await askAsMember('!provider sync-models')).toContain('is for admins');
    expect(await ask('!provider sync-models')).toMatch(
      /^5 models of \S+ an agent can use \(2 others it cannot\)\.\nopencode\.json has them already\.\nTitles are written by routstr\/\S+\.$/,
    );
  });

  test('a model of another name is shown with the one that is used for it', async () => {
    await ask('!model anthropic/claude-opus-4.1');
    expect(await ask('!provider')).toContain(
      '\nModel: claude-opus-4.1 (for anthropic/claude-opus-4.1), at least 3,358 sat a run\n',
    );
    expect(await ask('!provider')).toContain('700 sat is too little for claude-opus-4.1: it needs 3,358 sat');
    expect(await ask('!status')).toContain('\nModel: claude-opus-4.1 (for anthropic/claude-opus-4.1)\n');
    expect(await ask('!model acme/nonsense')).toContain('\nThe node serves claude-sonnet-4.5 for it;');
    expect(await ask('!model nonsense')).toContain('has “nonsense” in its name');
    expect(await ask('!models opus')).toMatch(/^\d+\. routstr\/claude-opus-4\.1\n1 model\./);
    expect(await ask('!provider budget 999k')).toContain('more than this wallet may hold at all');
    await ask('!provider budget 700');
    await ask('!model reset');
  });
});

describe('a budget at the end of a task', () => {
  test('is this run’s, and no part of the task', async () => {
    expect(await runOf('say hello !!800')).toMatch(
      /^did: say hello\n\n— agent · .+ · 1 step · 17 of 800 sat · claude-sonnet-4\.5$/,
    );
    expect(await runOf('!ask say why !!1k')).toMatch(/^did: say why\n\n— ask · .+ · 17 of 1000 sat/);
    expect(await runOf('!retry !!900')).toMatch(/^did: say why\n\n— ask · .+ · 17 of 900 sat/);
    expect(await runOf('!retry')).toMatch(/^did: say why\n\n— ask · .+ · 17 of 900 sat/);
    expect(await runOf('is that so!! what !!')).toMatch(
      /^did: is that so!! what !!\n\n— agent · .+ · 17 of 700 sat/,
    );
  });

  test('that is none is told, and nothing is run', async () => {
    const before = await ask('!wallet history 50');
    expect(await ask('say hello !!much')).toStartWith('“!!much” is not a budget, so nothing was run.');
    expect(await ask('!retry !!0')).toStartWith('“!!0” is not a budget, so nothing was run.');
    expect(await ask('!!500 say hello')).toStartWith(
      'The task is missing, so nothing was run. Write it before its budget',
    );
    expect(await ask('!plan !!500')).toStartWith('The task is missing');
    expect(await ask('say hello !!100')).toBe(
      '100 sat is too little for claude-sonnet-4.5: it needs 672 sat to get anywhere. End the task with !!672, or use !provider budget 672, or a cheaper model (!provider models).',
    );
    expect(await ask('!wallet history 50')).toBe(before);
  });

  test('of a member may not be more than the budget of everybody', async () => {
    expect(await askAsMember('say hello !!701')).toStartWith(
      '701 sat is more than a member may give one run: at most 700 sat',
    );
    expect(await askAsMember('!continue 701')).toStartWith('There is nothing to continue');
    expect(await askAsMember('say hello !!690', /\n— /)).toContain('17 of 690 sat');
  });
});

describe('a run that waits for money', () => {
  test('asks its owner, shows where the money is, and goes on with !more as if nothing had been', async () => {
    const id = await world.owner.send('do 60 calls');
    const { text } = await world.owner.answer(id, /⏸/);
    expect(text).toMatch(
      /^⏸ The run waits for money: \d+ sat of its 700 sat are left, and the next step may take up to 83 sat\.\n!more 700 lets it go on, !stop ends it\. Without an answer it ends in 4 min\.$/,
    );
    expect(await ask('!provider')).toMatch(
      /\nAt nodes, for 1 run under way: 700 sat\n {2}700 sat at \S+, under way · “do 60 calls”/,
    );
    expect(await askAsMember('!provider')).not.toContain('do 60 calls');
    expect(await ask('!wallet balance')).toEndWith('\nAt nodes, for 1 run under way: 700 sat');
    expect(await ask('!wallet pending')).toMatch(/^Paid runs:\n700 sat at /);
    expect(await ask('!queue')).toMatch(/^Waits for money, .+: do 60 calls\n!more <sats> lets it go on\. /);
    expect(await ask('!continue')).toStartWith('1 task of this session is not done yet');
    expect(await askAsMember('!more 100')).toStartWith('Nothing is running, so nothing was added.');
    expect(await ask('!more')).toContain(
      'The amount is missing.\nExpected: !more <sats>. Example: !more 1000',
    );
    expect(await ask('!more 50k')).toContain('The wallet has');

    expect(await ask('!more 1k')).toMatch(
      /^Added 1,000 sat: the budget of this run is 1,700 sat now, \d+ sat spent so far\.$/,
    );
    const done = await world.owner.answer(id, /\n— /);
    expect(done.text).toMatch(/^did: do 60 calls\n\n— agent · .+ · 99\d of 1700 sat/);
    expect(await ask('!more 100')).toStartWith('Nothing is running, so nothing was added.');
  });

  test('!more goes to the run that waits, not to the one of this session; a member adds a budget at most', async () => {
    const held = await member.send('do 60 calls');
    await member.answer(held, /⏸/);
    await askAsMember('!new');
    expect(await askAsMember('!more 701')).toBe(
      '701 sat is more than a member may add at a time: 700 sat. Nothing was added.',
    );
    expect(await askAsMember('!more 700')).toStartWith('Added 700 sat');
    expect((await member.answer(held, /\n— /)).text).toContain('of 1400 sat');
  });

  test('is stopped, and !continue goes on in the same conversation with a new budget', async () => {
    const id = await world.owner.send('do 50 calls');
    await world.owner.answer(id, /⏸/);
    // What was taken off the queue is not what is continued.
    await ask('another task', /^Queued behind/);
    await ask('!queue drop 1');
    await ask('!stop');
    expect((await world.owner.answer(id, /^Stopped/)).text).toMatch(
      /What was not spent is back\.\n\n— agent · .+ · \d+ of 700 sat/,
    );
    const before = world.conversations();
    expect(await runOf('!continue 900')).toMatch(
      /^did: Go on with “do 50 calls”\. You were interrupted: .+\n\n— agent · .+ · \d+ of 900 sat/,
    );
    expect(world.conversations()).toEqual(before);
    expect(await ask('!continue')).toStartWith('Your last task was answered. Say what comes next');
  });
});

test('the ledger: a line for each run that adds up to the sat, sums without budgets, and the rest of the wallet', async () => {
  const history = await ask('!wallet history all 50');
  const lines = history.split('\n').filter((line) => line.includes(' · budget '));
  expect(lines.length).toBe(10);
  let gone = 0;
  for (const line of lines) {
    const match =
      /^just now · .+ · claude-sonnet-4\.5 · budget ([\d,]+) sat = ([\d,]+) spent(?: \+ ([\d,]+) change)?(?: \+ (\d+) fees)?$/.exec(
        line.replace(/^\d+ min ago/, 'just now'),
      );
    const [budget = -1, spent = 0, change = 0, fees = 0] = (match ?? [])
      .slice(1)
      .map((part) => Number((part ?? '0').replaceAll(',', '')));
    expect([line, spent + change + fees]).toEqual([line, budget]);
    gone += spent + fees;
  }
  const sum = gone.toLocaleString('en-US');
  expect(history).toContain(`today ${sum} sat, in all ${sum} sat, fees included.\n\nThe wallet itself:\n`);
  expect(history.match(/topped up/g)).toHaveLength(1);
  expect(history).not.toMatch(/received|token over/);
  expect(await ask('!wallet balance')).toBe(`${(8000 - gone).toLocaleString('en-US')} sat ready`);
  expect(await ask('!wallet history 1')).toMatch(/^[^\n]+ · Go on with “do 50 calls”[^\n]+\nSpent today/);
});

test('what the bot’s own death cut off is continued, the task told whole', async () => {
  await askAsMember('!new');
  const task = `do 60 calls ${'and then some '.repeat(8)}`.trim();
  await member.answer(await member.send(task), /⏸/);
  await world.bot.end('SIGKILL');
  await world.bot.start();
  expect((await member.heard(/^Interrupted/)).text).toContain('!continue goes on where it was');
  const id = await member.send('!continue');
  await member.answer(id, /⏸/);
  expect(await askAsMember('!history 1')).toContain(`: Go on with “${task}”.`);
  await askAsMember('!stop');
  expect((await member.answer(id, /^Stopped/)).text).toContain('!continue');
});

describe('nobody pays, and mint and node are away', () => {
  test('the answer so far, what it cost, and the way on', async () => {
    await world.bot.end('SIGTERM');
    await world.bot.start({ BOT_HOLD_MINUTES: '0.01' });
    const text = await runOf('do 50 calls !!680');
    expect(text).toMatch(
      /^The budget is used up \(6\d\d sat of 680 sat\)\. !continue goes on where it was, with a new budget; !continue 1360 with a bigger one\.\nWhat was not spent is back\.\n\n— agent · .+ · 6\d\d of 680 sat/,
    );
  });

  test('what the node owes stays in sight and comes home when it is back', async () => {
    const calls = house.upstream.requests.length;
    const id = await world.owner.send('do 55 calls');
    await until(() => house.upstream.requests.length > calls, 'the agent is at it');
    await house.killNode();
    const { text } = await world.owner.answer(id, /\n— /, 60_000);
    expect(text).toMatch(/sat still owed by the node; it is asked for\)/);
    expect(await ask('!provider')).toMatch(
      /\nOwed by nodes: up to \d+ sat, 1 run\n {2}up to \d+ sat from \S+, asked for .+, again (?:now|in .+) · “do 55 calls”/,
    );
    expect(await ask('!wallet balance')).toMatch(/\nOwed by nodes: up to \d+ sat, 1 run$/);
    expect(await ask('!wallet pending')).toMatch(/^Paid runs:\nup to \d+ sat from /);
    expect(await ask('!wallet history 1')).toMatch(/ · budget \d+ sat, change asked for\n/);
  });

  test('every command answers at once from the disk', async () => {
    await house.killMint();
    for (const [command, answer] of [
      ['!provider', /Owed by nodes/],
      ['!provider budget 800', /^Budget: 800 sat/],
      ['!provider limit', /^Limit: none/],
      ['!provider set local', /^Your provider is local/],
      ['!provider set routstr', /^Your provider is routstr/],
      ['!provider models', /5 models/],
      ['!wallet balance', /ready/],
      ['!wallet history', /Spent today/],
      ['!wallet pending', /Paid runs/],
      ['!more 100', /Nothing is running/],
    ] as const) {
      const begun = performance.now();
      expect(await ask(command)).toMatch(answer);
      // Far below any timeout of a request.
      expect(performance.now() - begun).toBeLessThan(10_000);
    }
    expect(await ask('!provider sync-models')).toContain('The node is away; these are its prices of');
    // The mint is needed to make a budget: it is said, and nothing begins.
    expect(await ask('say hello')).toContain('can’t be used right now');
    expect(await ask('!continue')).toStartWith(
      'Your last task never started, so there is nothing to continue. !retry runs it.',
    );
    await house.startMint();
    await house.startNode();
    await world.owner.heard(/^Change is back: \d+ sat of the run “do 55 calls”/, 60_000);
    expect(await ask('!wallet pending')).toBe('Nothing is open.');
  });
});

describe('without a wallet', () => {
  let poor: TestBot;
  beforeAll(async () => {
    poor = await startTestBot();
  });
  afterAll(() => poor.cleanUp());

  test('routstr cannot be chosen, and whatever needs a wallet says how to get one', async () => {
    const say = async (text: string): Promise<string> =>
      (await poor.owner.answer(await poor.owner.send(text))).text;
    for (const command of [
      '!provider set routstr',
      '!provider budget',
      '!provider budget 500',
      '!provider limit 500',
      '!provider models',
      '!provider sync-models',
      '!more 100',
    ]) {
      const reply = await say(command);
      expect(reply).toContain('CASHU_MNEMONIC is not set');
      expect(reply).toContain('bun run setup');
    }
    expect(await say('!provider')).toBe(
      'Provider: local – the backend’s own login pays. Others: routstr (!provider set).\nWallet: none.',
    );
    expect(await say('!provider set local')).toStartWith('Your provider is local already');
    expect((await poor.owner.answer(await poor.owner.send('say hello !!500'), /did/)).text).toStartWith(
      'did: say hello\n\n— agent',
    );
  });
});
