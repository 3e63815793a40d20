import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { pause } from '@nostr-dm-agent/kit/abort';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { openWalletSession } from '@nostr-dm-agent/routstr/remote';
import type { TestOwner } from '../support/owner.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';

/* The whole bot by DM: money kept at the node across runs, and single questions. One story, told in order. */
let house: SandboxHouse;
let world: PaidBot;
let member: TestOwner;

beforeAll(async () => {
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, { opencode: 'paying', funds: 8000, budget: 700 });
  member = await world.addMember();
}, 60_000);
afterAll(async () => {
  member.close();
  await world.cleanUp();
  await house.stop();
});

const ask = (text: string, pattern = /./): Promise<string> => world.ask(text, pattern);
const askAsMember = async (text: string, pattern = /./): Promise<string> =>
  (await member.answer(await member.send(text), pattern)).text;

test('a question is answered without an agent, with what it cost', async () => {
  expect(await ask('!quick')).toContain('The question is missing.');
  const answer = await ask('!quick answer with 3 words', /— quick/);
  expect(answer).toMatch(/^\S.*\n\n— quick · \d+ sat, \d+ sat of it the mint’s fees · claude-sonnet-4\.5$/s);
  // Members too; without a choice of their own that the node has, the bot's.
  expect(await askAsMember('!quick answer with 3 words', /— quick/)).toContain('claude-sonnet-4.5');
  expect(world.bot.tasksDone()).toEqual([]);
  expect(await ask('!wallet history')).toContain('answer with 3 words');
});

test('what is kept at the node pays for tasks until it is brought home', async () => {
  expect(await ask('!provider balance')).toContain('Nothing is kept at a node');
  expect(await askAsMember('!provider deposit 2000')).toContain('for admins');
  expect(await ask('!provider deposit 100k')).toMatch(/ready; this needs 100,000 sat\. !wallet topup/);
  expect(await ask('!provider deposit 2000')).toMatch(
    /^Deposited 2,000 sat at .+; 2,000 sat are kept there now\. Runs spend from it/,
  );
  const creates = house.node.requests.filter((line) => line.endsWith('/create')).length;
  expect(await ask('say hello', /\n— /)).toMatch(/· \d+ of 700 sat · claude-sonnet-4\.5$/);
  expect(house.node.requests.filter((line) => line.endsWith('/create')).length).toBe(creates);
  expect(await ask('!provider balance')).toMatch(/: 1,9\d\d sat\.$/);
  expect(await askAsMember('!provider balance')).toMatch(/: 1,9\d\d sat\.$/);
  expect(await ask('!provider status')).toMatch(/Kept at nodes.*1,9\d\d sat/);
  await ask('!provider set local');
  expect(await ask('!wallet balance')).toMatch(/Kept at nodes.*1,9\d\d sat/);
  expect(await askAsMember('!provider refund')).toContain('for admins');
  expect(await ask('!provider refund')).toMatch(
    /: 1,9\d\d sat are back in the wallet, \d+ sat of fees went to the mint\.\nBalance: /,
  );
  expect(await ask('!provider refund')).toContain('Nothing is kept at a node');
  expect(await ask('!wallet history all')).toMatch(/ · account at 127\.0\.0\.1:\d+ · budget/);
  expect(await ask('!wallet check')).toContain('add up');
  await ask('!provider set routstr');
});

test('a desk uses the same wallet: through the bot, by itself while there is none, and gives it to the bot that starts', async () => {
  const { bot, words } = world;
  const directory = join(bot.directory, 'user', '.cashu-wallet');
  const wallet = { mnemonic: words, mintUrl: house.mintUrl, mints: [], directory, maxBalance: sat(100_000) };
  const desk = openWalletSession({ home: bot.home, wallet }, quiet);
  try {
    const node = parseNodeUrl(house.nodeUrl);
    const made = await desk.makeKey({ from: 'wallet', amount: sat(500), node }, soon());
    if (made.state !== 'made') throw new Error(made.refusal.kind);
    expect(await ask('!wallet check')).toContain('add up');
    await bot.end('SIGTERM');
    const more = { from: 'wallet', amount: sat(100) } as const;
    expect(await desk.topUpKey(made.key.id, more, soon())).toMatchObject({ state: 'added' });
    // It has the wallet in use all the time while the bot starts.
    let isUp = false;
    const using = (async () => {
      while (!isUp) {
        expect((await desk.balance(soon())).ready).toBeGreaterThan(0);
        await pause(20, soon());
      }
    })();
    await bot.start();
    isUp = true;
    await using;
    expect(await desk.keyInfo(made.secret, soon())).toMatchObject({
      seen: { state: 'known', available: 600 },
    });
    expect(await desk.refundKey(made.key.id, soon())).toMatchObject({ state: 'returned' });
    expect(await desk.news(soon())).toEqual([]);
    expect(await ask('!wallet check')).toContain('add up');
  } finally {
    await desk.close();
  }
});

test('killed while it deposits and while it asks: each is answered once, and nothing is lost', async () => {
  const { bot, owner } = world;
  house.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'hold' } });
  const deposit = await owner.send('!provider deposit 1000');
  await until(() => house.node.faults.holding() === 1, 'the node has the deposit');
  house.node.faults.add({ endpoint: 'chat', when: 'after', effect: { kind: 'hold' } });
  const question = await owner.send('!quick answer with 3 words');
  await until(() => house.node.faults.holding() === 2, 'the node has the question');
  const calls = house.upstream.requests.length;
  await bot.end('SIGKILL');
  house.node.faults.release();
  await bot.start();
  expect((await owner.answer(deposit, /./)).text).toMatch(/^Deposited 1,000 sat .*1,000 sat are kept/);
  expect((await owner.answer(question, /./)).text).toMatch(
    /does not ask again by itself.*It cost \d+ sat; \d+ sat are back/,
  );
  expect(house.upstream.requests.length).toBe(calls);
  expect(await ask('!provider refund')).toContain('are back in the wallet');
  expect(await ask('!wallet check')).toContain('add up');

  await bot.end('SIGTERM');
  const books = world.books();
  expect(books.open).toEqual([]);
  expect(books.uneven).toEqual([]);
  expect<number>(books.ready).toBe(world.funds - books.spent - books.fees);
  const { balanced, balancesMsat } = house.node.audit();
  expect({ balanced, balancesMsat }).toEqual({ balanced: true, balancesMsat: 0 });
});
