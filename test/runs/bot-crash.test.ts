import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { processesOf, startTestBot, type TestBot } from '../support/bot.ts';

let bot: TestBot;
afterEach(() => bot.cleanUp());

describe('the bot is killed and started again', () => {
  test('in the middle of a run: the agent is ended, the owner told, the task not run again', async () => {
    bot = await startTestBot();
    const id = await bot.owner.send('sleep 71');
    await until(() => processesOf('sleep', '71').length > 0, 'the agent sleeps');
    const waiting = await bot.owner.send('after it');
    await bot.owner.answer(waiting, /Queued/);
    await bot.end('SIGKILL');
    expect(processesOf('sleep', '71').length).toBeGreaterThan(0);

    await bot.start();
    expect(processesOf('sleep', '71')).toEqual([]);
    const told = await bot.owner.answer(id);
    expect(told.text).toContain('Interrupted: the bot was stopped while this ran: “sleep 71”');
    expect(told.text).toContain('!retry');
    await bot.owner.reaction(id, '❌');
    await bot.owner.answer(waiting, /did: after it/);
    expect((await bot.owner.heard(/1 run had been cut off/)).text).toStartWith('Ready');
    expect(bot.tasksDone()).toEqual(['sleep 71', 'after it']);
  });

  test('at random moments while messages come in: each is acted on once and answered once', async () => {
    bot = await startTestBot({ env: { BOT_CONCURRENCY: '3' } });
    const texts = Array.from({ length: 40 }, (_, index) =>
      index % 7 === 3 ? '!ping' : index % 11 === 5 ? '!new' : `task ${index}`,
    );
    const random = seededRandom(1);
    const ids: string[] = [];
    const send = async () => {
      for (const text of texts) {
        ids.push(await bot.owner.send(text));
        await Bun.sleep(random() * 200);
      }
    };
    const sent = send();
    const isSent = () => ids.length === texts.length;
    let kills = 0;
    while (!isSent()) {
      await Bun.sleep(50 + random() * 500);
      await bot.end('SIGKILL');
      kills += 1;
      await bot.start();
    }
    await sent;
    const final = /^did: |^Interrupted: |^pong|^New session/;
    for (const id of ids) await bot.owner.answer(id, final, 60_000);
    const done = bot.tasksDone();
    expect(kills).toBeGreaterThan(2);
    expect(new Set(done).size).toBe(done.length); // none twice
    const answers = (id: string) =>
      bot.owner.said.filter((said) => said.about === id && said.kind === 14 && final.test(said.text));
    expect(ids.map((id) => answers(id).length)).toEqual(texts.map(() => 1));
  }, 180_000);

  test('messages that came while it was down run if they are young enough, else they are listed', async () => {
    bot = await startTestBot({ env: { BOT_CATCHUP_HOURS: '0.05' } }); // 3 minutes
    await bot.owner.heard(/^Ready/);
    await bot.end('SIGKILL');
    const minutesAgo = (minutes: number) => ({ createdAt: Math.floor(Date.now() / 1000) - minutes * 60 });
    await bot.owner.send('too old', minutesAgo(8));
    await bot.owner.send('!status', minutesAgo(7));
    const young = await bot.owner.send('young enough', minutesAgo(1));
    await bot.start();
    await bot.owner.answer(young, /did: young enough/);
    const list = await bot.owner.heard(/reached me more than/);
    expect(list.text).toMatch(
      /^2 messages .*\n#\d+ · 8 min ago · too old\n#\d+ · 7 min ago · !status\n!retry \d+/,
    );
    const number = /#(\d+) · 8 min ago/.exec(list.text)?.[1];
    await bot.owner.answer(await bot.owner.send(`!retry ${number}`), /did: too old/);
    expect(bot.tasksDone()).toEqual(['young enough', 'too old']);
  });

  test('a fresh database replays nothing of what was said before it', async () => {
    bot = await startTestBot();
    const past = await bot.owner.send('from before', { createdAt: Math.floor(Date.now() / 1000) - 3600 });
    await bot.owner.answer(await bot.owner.send('!ping'), /^pong/);
    expect(bot.owner.said.filter(({ about }) => about === past)).toEqual([]);
    expect(bot.tasksDone()).toEqual([]);
  });

  test('one rumor in several wraps, before and after a restart, is one task', async () => {
    bot = await startTestBot();
    const { id, wraps } = bot.owner.wraps('only once', 4);
    for (const wrap of wraps.slice(0, 2)) await bot.owner.publish(wrap);
    await bot.owner.answer(id, /did: only once/);
    await bot.end('SIGKILL');
    const [, , third, fourth] = wraps;
    if (third !== undefined) await bot.owner.publish(third);
    await bot.start();
    if (fourth !== undefined) await bot.owner.publish(fourth);
    await bot.owner.answer(await bot.owner.send('!ping'), /^pong/);
    expect(bot.tasksDone()).toEqual(['only once']);
  });

  test('a second process in the same home refuses to start and says who holds it', async () => {
    bot = await startTestBot();
    const second = Bun.spawn([process.execPath, join(import.meta.dir, '../../src/index.ts'), 'start'], {
      cwd: bot.directory,
      env: bot.env,
      stdin: 'ignore',
      stderr: 'pipe',
    });
    const text = await new Response(second.stderr).text();
    expect(await second.exited).toBe(1);
    expect(text).toContain(String(bot.pid()));
    expect(text).toContain(bot.home);
  });
});

describe('the bot is stopped', () => {
  for (const [signal, seconds] of [
    ['SIGTERM', '72'],
    ['SIGINT', '73'],
    ['SIGHUP', '74'],
  ] as const) {
    test(`${signal}: the run is ended and answered, children gone, exit code 0`, async () => {
      bot = await startTestBot();
      const id = await bot.owner.send(`sleep ${seconds}`);
      await until(() => processesOf('sleep', seconds).length > 0, 'the agent sleeps');
      expect(await bot.end(signal)).toBe(0);
      expect(processesOf('sleep', seconds)).toEqual([]);
      await bot.owner.answer(id, /^Interrupted/);
      // The database was closed: no write-ahead log is left.
      expect(existsSync(join(bot.home, 'bot.db-wal'))).toBe(false);
      expect(readdirSync(bot.home)).toContain('bot.db');
      await bot.start();
      expect(bot.tasksDone()).toEqual([`sleep ${seconds}`]);
    });
  }
});
