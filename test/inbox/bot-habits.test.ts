import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import {
  createParty,
  type Forgery,
  forge,
  forgeLegacy,
  nowSeconds,
} from '@nostr-dm-agent/nostr/testing/forge';
import { finalizeEvent } from 'nostr-tools/pure';
import { processesOf, startTestBot, type TestBot } from '../support/bot.ts';

setDefaultTimeout(60_000);

/** What clients do beyond sending a text, through a real relay. */
describe('an owner’s client', () => {
  let bot: TestBot;
  beforeAll(async () => {
    bot = await startTestBot();
    await bot.owner.heard(/^Ready/);
  });
  afterAll(() => bot.cleanUp());

  const botKey = () => bot.publicKey as PublicKey;
  const phone = () => createParty(bot.owner.secretKey);
  const react = (about: string, text: string) =>
    bot.owner.send(text, {
      kind: 7,
      tags: [
        ['e', about],
        ['k', '14'],
      ],
    });
  const sleeping = async (seconds: number) => {
    const id = await bot.owner.send(`sleep ${seconds}`);
    await until(() => processesOf('sleep', `${seconds}`).length > 0, 'the agent sleeps');
    return { id, gone: () => until(() => processesOf('sleep', `${seconds}`).length === 0, 'its end') };
  };
  const done = (text: string) => bot.tasksDone().filter((task) => task === text).length;

  test('that sends by both protocols has one task, answered by NIP-17', async () => {
    for (const [text, oldFirst] of [
      ['both ways', false],
      ['old way first', true],
    ] as const) {
      const old = forgeLegacy(phone(), botKey(), text);
      const wrap = forge(phone(), botKey(), text);
      for (const event of oldFirst ? [old, wrap] : [wrap, old]) await bot.owner.publish(event);
      const answer = await bot.owner.heard(new RegExp(`did: ${text}`));
      expect(answer.kind).toBe(14);
    }
    // The same again, on purpose, is a second task.
    await bot.owner.answer(await bot.owner.send('both ways'), /did: both ways/);
    expect([done('both ways'), done('old way first')]).toEqual([2, 1]);
  });

  test('that deletes a task ends it while it runs, and drops it while it waits', async () => {
    const { id, gone } = await sleeping(171);
    const waiting = await bot.owner.send('never to be done');
    await bot.owner.reaction(waiting, '⏸');
    await bot.owner.send('', {
      kind: 5,
      tags: [
        ['e', waiting],
        ['k', '14'],
      ],
    });
    await bot.owner.reaction(waiting, '⏹');
    await bot.owner.send('', {
      kind: 5,
      tags: [
        ['e', id],
        ['k', '14'],
      ],
    });
    await gone();
    await bot.owner.answer(id, /^Stopped/);
    expect(done('never to be done')).toBe(0);
  });

  test('that deletes in public what it sent in the old way, or one of both: the task ends, by its author’s word alone', async () => {
    const by = ({ secretKey }: { readonly secretKey: Uint8Array }, id: string, tags: string[][] = []) =>
      bot.owner.publish(
        finalizeEvent(
          { kind: 5, created_at: nowSeconds(), tags: [['e', id], ...tags], content: '' },
          secretKey,
        ),
      );
    const old = forgeLegacy(phone(), botKey(), 'sleep 174');
    const wrap = forge(phone(), botKey(), 'sleep 174');
    for (const event of [wrap, old]) await bot.owner.publish(event);
    const isAsleep = () => processesOf('sleep', '174').length > 0;
    await until(isAsleep, 'the agent sleeps');
    await by(createParty(), old.id);
    await by(phone(), old.id, [['k', '1']]);
    await bot.owner.answer(await bot.owner.send('!ping'), /pong/);
    expect(isAsleep()).toBe(true);
    await by(phone(), old.id, [['k', '4']]);
    await until(() => !isAsleep(), 'its end');
  });

  test('that edits a task, as clients do (deleted and sent anew with its time), has the new one done alone', async () => {
    const createdAt = nowSeconds();
    const id = await bot.owner.send('sleep 172', { createdAt });
    await until(() => processesOf('sleep', '172').length > 0, 'the agent sleeps');
    await bot.owner.send('', {
      kind: 5,
      tags: [
        ['e', id],
        ['k', '14'],
      ],
    });
    const edited = await bot.owner.send('the edited task', { createdAt });
    await bot.owner.answer(edited, /did: the edited task/);
    expect(processesOf('sleep', '172')).toEqual([]);
  });

  test('that reacts with ❌ to its task, or to what the bot said of it, ends it', async () => {
    const first = await sleeping(173);
    await react(first.id, '❌');
    await first.gone();
    const second = await sleeping(174);
    const waiting = await bot.owner.send('and then this');
    const ack = await bot.owner.answer(waiting, /^Queued behind/);
    await react(ack.id, '❌️');
    await bot.owner.reaction(waiting, '⏹');
    await react(second.id, '🛑');
    await second.gone();
    await bot.owner.answer(second.id, /^Stopped/);
    expect(done('and then this')).toBe(0);
    const late = await react(second.id, '❌');
    await until(
      async () =>
        bot.owner.said.some(
          ({ about, text }) => about === late && text.startsWith('There is nothing to stop'),
        ),
      'an answer',
    );
  });

  test('that likes an answer is left in peace, and a like is no task', async () => {
    const id = await bot.owner.send('be liked');
    const answer = await bot.owner.answer(id, /did: be liked/);
    const before = bot.owner.texts().length;
    for (const sign of ['+', '👍', '❤️', '👎']) await react(answer.id, sign);
    await bot.owner.answer(await bot.owner.send('!ping'), /pong/);
    expect(bot.owner.texts().length).toBe(before + 1);
  });

  test('that sends forty tasks at once gets one word on all that wait', async () => {
    const { id, gone } = await sleeping(175);
    const ids = await Promise.all(Array.from({ length: 40 }, (_, n) => bot.owner.send(`task ${n}`)));
    await bot.owner.heard(/^Queued 40 tasks/);
    expect(
      bot.owner.said.filter(({ about }) => ids.includes(about ?? '')).filter(({ kind }) => kind === 14),
    ).toHaveLength(1);
    await bot.owner.answer(await bot.owner.send('!stop all'), /40 tasks/);
    await gone();
    await bot.owner.answer(id, /^Stopped/);
  });

  test('that answers by itself is braked, and told once', async () => {
    const robot = createParty(bot.owner.secretKey);
    let answered = bot.owner.said.length;
    let sent = 0;
    const answerAll = async () => {
      while (answered < bot.owner.said.length) {
        if (bot.owner.said[answered++]?.kind !== 14 || sent >= 40) continue;
        sent += 1;
        const rumor = {
          tags: [
            ['p', bot.publicKey],
            ['n', `${sent}`],
          ],
        };
        await bot.owner.publish(
          forge(robot, botKey(), 'I am away, back on Monday', { rumor } satisfies Forgery),
        );
      }
    };
    await bot.owner.send('go');
    await until(
      async () => {
        await answerAll();
        return bot.owner.texts().some((text) => text.startsWith('Your app seems to answer'));
      },
      'the brake',
      40_000,
    );
    await answerAll();
    await bot.owner.answer(await bot.owner.send('!ping'), /pong/);
    expect(done('I am away, back on Monday')).toBeLessThanOrEqual(8);
    expect(bot.owner.texts().filter((text) => text.startsWith('Your app seems to answer'))).toHaveLength(1);
  });
});
