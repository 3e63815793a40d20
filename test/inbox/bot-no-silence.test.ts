import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import {
  createParty,
  type Forgery,
  forge,
  forgeLegacy,
  nowSeconds,
} from '@nostr-dm-agent/nostr/testing/forge';
import { startTestBot, type TestBot } from '../support/bot.ts';

setDefaultTimeout(60_000);

describe('an owner never meets silence', () => {
  let bot: TestBot;
  beforeAll(async () => {
    bot = await startTestBot({ env: { BOT_CATCHUP_HOURS: '0' } });
    await bot.owner.heard(/^Ready/);
  });
  afterAll(() => bot.cleanUp());

  const owner = () => createParty(bot.owner.secretKey);
  /** Sends what a client makes that does not keep to NIP-17. */
  const send = (text: string, forgery: Forgery) =>
    bot.owner.publish(forge(owner(), bot.publicKey as PublicKey, text, forgery));
  const heard = (pattern: RegExp) => bot.owner.texts().filter((text) => pattern.test(text)).length;
  /** Everything sent before is dealt with. */
  const settled = async () => void (await bot.owner.answer(await bot.owner.send('!ping'), /pong/));
  const tags = () => [['p', bot.publicKey]];

  test('whose app leaves out the id, or writes the time in its own way', async () => {
    await send('no id', { rumor: { id: undefined } });
    await send('null id', { rumor: { id: null } });
    await send('milliseconds', { rumor: { created_at: Date.now() } });
    await send('a fraction', { rumor: { created_at: Date.now() / 1000 } });
    await send('a number in a tag', { rumor: { tags: [...tags(), ['x', 5]] } });
    for (const text of ['no id', 'null id', 'milliseconds', 'a fraction', 'a number in a tag'])
      await bot.owner.heard(new RegExp(`did: ${text}`));
    expect(bot.tasksDone()).toHaveLength(5);
  });

  test('whose clock is ahead: it is done, and they are told once', async () => {
    await send('from the future', { rumor: { created_at: nowSeconds() + 3_600 } });
    await send('!ping', { rumor: { created_at: nowSeconds() + 3_605 } });
    await bot.owner.heard(/did: from the future/);
    await bot.owner.heard(/clock is (1 h|59 min).* ahead of mine/);
    await settled();
    expect(heard(/ahead of mine/)).toBe(1);
  });

  test('whose message is not acted on: each is answered with its reason', async () => {
    const expired = [['expiration', '1700000000']];
    await send('gone', { rumor: { tags: [...tags(), ...expired] } });
    await bot.owner.heard(/had expired/);
    await send('gone too', { seal: { tags: expired } });
    await until(() => heard(/had expired/) === 2, 'the second one being answered');
    await send('a note', { rumor: { kind: 1 } });
    await send('another note', { rumor: { kind: 1 } });
    await bot.owner.heard(/do not know \(kind 1\)/);
    await send('to us', { rumor: { tags: [...tags(), ['p', createParty().publicKey]] } });
    await bot.owner.heard(/to me and others at once/);
    await send('forged', { rumor: { id: '00'.repeat(32) } });
    await bot.owner.heard(/its id is not that of its text/);
    await settled();
    expect(heard(/do not know \(kind 1\)/)).toBe(1);
    expect(bot.tasksDone().filter((task) => /gone|note|us|forged/.test(task))).toEqual([]);
  });

  test('whose message finds the disk full: they are told once, and it is done when there is room', async () => {
    const db = new Database(join(bot.home, 'bot.db'));
    db.exec('PRAGMA busy_timeout = 5000');
    db.exec(
      "CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
    );
    await bot.owner.send('while it is full');
    await bot.owner.heard(/disk of the machine I run on is full/);
    await bot.owner.send('!ping');
    db.exec('DROP TRIGGER full');
    db.close();
    await settled();
    await bot.owner.heard(/did: while it is full/);
    expect(heard(/disk of the machine/)).toBe(1);
    expect(heard(/somebody else|Another program/i)).toBe(0);
  });

  test('and `!status` counts what was turned away, strangers too', async () => {
    await bot.owner.publish(forge(createParty(), bot.publicKey as PublicKey, 'hello'));
    await settled();
    const status = await bot.owner.answer(await bot.owner.send('!status'), /Not acted on/);
    expect(status.text).toMatch(
      /Not acted on: 2 expired, 2 of an unknown kind, 1 to several at once, 1 with a wrong id, 1 from strangers/,
    );
    expect(status.text).toContain('Relays: 1 of 1 connected');
  });

  test('with no time to catch up: what was written since the start is done, what is older is told', async () => {
    await bot.owner.answer(await bot.owner.send('!ping', { createdAt: nowSeconds() - 10 }), /pong/);
    await send('long before', { rumor: { created_at: nowSeconds() - 7_200 } });
    await bot.owner.heard(/1 message reached me .* late.*\n#\d+ · 2 h ago · long before/);
    expect(bot.tasksDone()).not.toContain('long before');
  });

  test('whose phone wrote in the old way and was offline for 40 minutes, while the bot had its relay', async () => {
    await bot.owner.answer(await bot.owner.sendNip04('!ping'), /pong/);
    await bot.end('SIGTERM');
    using db = new Database(join(bot.home, 'bot.db'));
    db.run("UPDATE meta SET value = value - 86400000 WHERE key = 'created_at'");
    await bot.owner.publish(
      forgeLegacy(owner(), bot.publicKey as PublicKey, 'written long ago', {
        created_at: nowSeconds() - 2_400,
      }),
    );
    await bot.start({ BOT_CATCHUP_HOURS: '6' });
    await bot.owner.heard(/did: written long ago/);
  });
});
