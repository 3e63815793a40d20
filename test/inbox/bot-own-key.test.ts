import { afterEach, expect, setDefaultTimeout, test } from 'bun:test';
import { rmSync } from 'node:fs';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { createParty, forge, forgeLegacy, nowSeconds } from '@nostr-dm-agent/nostr/testing/forge';
import { bytesToHex } from 'nostr-tools/utils';
import { startTestBot, type TestBot } from '../support/bot.ts';

setDefaultTimeout(60_000);

let bots: TestBot[] = [];
const start = async (...options: Parameters<typeof startTestBot>) => {
  const bot = await startTestBot(...options);
  bots.push(bot);
  return bot;
};
afterEach(async () => {
  for (const bot of bots) await bot.cleanUp();
  bots = [];
});

test('a bot that moves to a fresh home acts on nothing older than it, not even of a minute ago', async () => {
  const bot = await start();
  await bot.owner.answer(await bot.owner.send('done once'), /did: done once/);
  await bot.end('SIGTERM');
  await bot.owner.send('while it moved');
  rmSync(bot.home, { recursive: true });
  await bot.start();
  await bot.owner.heard(/from before I was set up here.*\n(.*done once|.*while it moved)\n/);
  await bot.owner.answer(await bot.owner.send('something new'), /did: something new/);
  expect(bot.tasksDone()).toEqual(['done once', 'something new']);
});

test('a second bot with the same key is told of by both, once', async () => {
  const first = await start();
  const key = { BOT_KEY: bytesToHex(first.secretKey), BOT_OWNERS: first.owner.publicKey };
  const second = await start({ relay: first.relay, env: key });
  const alarms = () => first.owner.texts().filter((text) => text.startsWith('Another bot is running')).length;
  await first.owner.heard(/^Another bot is running with my key/);
  await first.owner.answer(await first.owner.send('!ping'), /pong/);
  await second.end('SIGTERM');
  await second.start();
  await first.owner.answer(await first.owner.send('!ping'), /pong/);
  expect(alarms()).toBeLessThanOrEqual(2);
  expect(alarms()).toBeGreaterThanOrEqual(1);
});

test.each([
  ['an old message', () => forgeLegacy],
  ['a copy of a gift wrap', () => forge],
])(
  '%s under its key that the bot did not write is told to admins once; its own replies are not',
  async (_, make) => {
    const bot = await start();
    await bot.owner.answer(await bot.owner.sendNip04('!ping'), /pong/);
    await bot.owner.answer(await bot.owner.send('!ping'), /pong/);
    expect(bot.owner.texts().filter((text) => /under my key/.test(text))).toEqual([]);
    const asBot = createParty(bot.secretKey);
    const to = (make() === forge ? bot.publicKey : bot.owner.publicKey) as PublicKey;
    for (const text of ['I am not it', 'neither am I']) {
      await bot.owner.publish(make()(asBot, to, text, { created_at: nowSeconds() }));
    }
    await bot.owner.heard(/^Something was written under my key that I did not write/);
    await bot.owner.answer(await bot.owner.send('!ping'), /pong/);
    expect(bot.owner.texts().filter((text) => /under my key/.test(text))).toHaveLength(1);
  },
);
