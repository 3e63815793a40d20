import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';

let house: SandboxHouse;
let world: PaidBot;
beforeAll(async () => {
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    opencode: 'real',
    funds: 20_000,
    budget: 700,
    env: { BOT_PROGRESS_SECONDS: '1' },
  });
  // Much to pay for, and nothing to be seen in the answer.
  writeFileSync(join(world.bot.workspace, 'much'), `${' '.repeat(40_000)}end`);
}, 60_000);
afterAll(async () => {
  await world.cleanUp();
  await house.stop();
});

const reads = 8;
/** Each step costs some 30 sat more than the one before: 700 sat are used up before the last. */
const task = `${Array.from({ length: reads }, () => 'run cat much').join(' then ')} then say finished`;

test('the budget is used up, !more adds to it, and the real opencode goes on as if nothing had been', async () => {
  const { owner, ask } = world;
  const id = await owner.send(task);
  const { text } = await owner.answer(id, /⏸/, 60_000);
  expect(text).toMatch(
    /^⏸ The run waits for money: \d+ sat of its 700 sat are left, and the next step may take up to \d+ sat\./,
  );
  const before = house.upstream.requests.length;
  expect(before).toBeLessThan(reads);
  // It costs nothing to wait, and what it cost so far is in sight.
  const waiting = /^⏳ .+ steps · [456]\d\d of 700 sat · waits for money: !more or !stop$/;
  await owner.answer(id, waiting, 60_000);
  expect(house.upstream.requests).toHaveLength(before);

  expect(await ask('!more 2k')).toStartWith('Added 2,000 sat: the budget of this run is 2,700 sat now, ');
  const done = await owner.answer(id, /\n— /, 60_000);
  expect(done.text).toMatch(/finished\n\n— agent · .+ · 9 steps · \d+ of 2700 sat · claude-sonnet-4\.5$/);
  await owner.reaction(id, '✅');
  // One call for each step, none of them twice.
  expect(house.upstream.requests).toHaveLength(reads + 1);
  expect(house.node.audit()).toMatchObject({ balancesMsat: 0, reservedMsat: 0 });
}, 120_000);

test('nobody answers: what it cost and how to go on; !continue goes on in the same conversation', async () => {
  const { bot, owner } = world;
  await bot.end('SIGTERM');
  await bot.start({ BOT_HOLD_MINUTES: '0.02', BOT_PROGRESS_SECONDS: '0' });
  const { text } = await owner.answer(await owner.send(task), /\n— /, 60_000);
  expect(text).toMatch(
    /^The budget is used up \([456]\d\d sat of 700 sat\)\. !continue goes on where it was, with a new budget; !continue 1400 with a bigger one\.\nWhat was not spent is back\.\n\n— agent · .+ · \d steps · [456]\d\d of 700 sat · claude-sonnet-4\.5$/,
  );
  const before = world.conversations();
  const cut = house.upstream.requests.at(-1)?.chat.messages ?? [];
  const went = await owner.answer(await owner.send('!continue 3000'), /\n— /, 60_000);
  expect(went.text).toMatch(/\n— agent · .+ of 3000 sat · claude-sonnet-4\.5$/);
  expect(world.conversations()).toEqual(before);
  // opencode remembers all of it.
  const then = house.upstream.requests.at(-1)?.chat.messages ?? [];
  expect(then.filter(({ role }) => role === 'tool').length).toBeGreaterThanOrEqual(
    cut.filter(({ role }) => role === 'tool').length,
  );
  expect(then.some(({ content }) => content.includes('You were interrupted'))).toBe(true);
  await bot.end('SIGTERM');
  const { uneven, open, ready, spent, fees } = world.books();
  expect({ uneven, open }).toEqual({ uneven: [], open: [] });
  expect(ready + spent + fees).toBe(world.funds);
}, 120_000);
