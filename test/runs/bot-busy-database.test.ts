import { Database } from 'bun:sqlite';
import { afterEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { holdDatabase } from '@nostr-dm-agent/kit/testing/hold-database';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startTestBot, type TestBot } from '../support/bot.ts';

let bot: TestBot;
afterEach(() => bot.cleanUp());

/** Until so many lines of the log have it. A write is given up after some 5 s. */
const logged = (text: string, times = 1) =>
  until(
    () =>
      bot
        .log()
        .split('\n')
        .filter((line) => line.includes(text)).length >= times,
    text,
    60_000,
  );

describe('while another program holds the database for longer than a write waits', () => {
  test('what a run says of its progress ends nothing, and goes on afterwards', async () => {
    bot = await startTestBot({ env: { BOT_PROGRESS_SECONDS: '1' } });
    const task = await bot.owner.send('sleep 47');
    await bot.owner.answer(task, /^⏳/);
    const other = await holdDatabase(join(bot.home, 'bot.db'));
    await logged('SQLITE_BUSY');
    await other.release();
    const before = bot.owner.said.length;
    await until(
      () => bot.owner.said.slice(before).some(({ text }) => text.startsWith('⏳')),
      'more progress',
    );
    await bot.owner.answer(await bot.owner.send('!ping'), /^pong/);
    expect(bot.hasEnded()).toBe(false);
  }, 120_000);

  test('a run comes to its end, and is answered afterwards', async () => {
    bot = await startTestBot({ env: { LOG_LEVEL: 'debug' } });
    const task = await bot.owner.send('sleep 2');
    await logged('agent started');
    const other = await holdDatabase(join(bot.home, 'bot.db'));
    // What it says, and what came of it.
    await logged('SQLITE_BUSY', 2);
    await other.release();
    await bot.owner.answer(task, /^did: sleep 2/);
    await bot.owner.reaction(task, '✅');
  }, 120_000);

  test('a command that was stored already is answered afterwards', async () => {
    bot = await startTestBot();
    const other = await holdDatabase(join(bot.home, 'bot.db'));
    const ping = await bot.owner.send('!ping');
    await logged('SQLITE_BUSY');
    await other.release();
    await bot.owner.answer(ping, /^pong/, 60_000);
  }, 120_000);
});

test('a run whose answer cannot be stored is settled and answered all the same, and the next one runs', async () => {
  bot = await startTestBot();
  const db = new Database(join(bot.home, 'bot.db'));
  db.exec(`PRAGMA busy_timeout = 5000; CREATE TRIGGER no_room BEFORE UPDATE OF answer ON runs WHEN NEW.answer LIKE '%no room%'
    BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
  db.close();
  const task = await bot.owner.send('say there is no room');
  await bot.owner.answer(task, /its answer could not be stored/);
  await bot.owner.answer(await bot.owner.send('say hello'), /^did: say hello/);
  expect(bot.hasEnded()).toBe(false);
}, 60_000);
