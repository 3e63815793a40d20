import { afterEach, describe, expect, test } from 'bun:test';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { processesOf, startTestBot, type TestBot } from '../support/bot.ts';
import { writeOddOpencode } from '../support/odd-opencode.ts';

let bot: TestBot;
afterEach(() => bot.cleanUp());

describe('a task is done', () => {
  test('👀 at once, the answer with its facts, then ✅', async () => {
    bot = await startTestBot();
    const id = await bot.owner.send('say hello');
    await bot.owner.reaction(id, '👀');
    const { text } = await bot.owner.answer(id);
    expect(text).toMatch(/^did: say hello\n\n— agent · .+ · 1 step$/);
    await bot.owner.reaction(id, '✅');
  });

  test('an answer without end comes in parts: the facts at once, the rest with !more lines', async () => {
    bot = await startTestBot();
    const id = await bot.owner.send('count to 12000');
    const { text } = await bot.owner.answer(id, /^…/);
    expect(text).toMatch(/^… [\d,]+ more characters\. !more lines sends the next part\.\n\n— agent · /);
    await bot.owner.reaction(id, '✅');
    const more = await bot.owner.send('!more lines');
    await bot.owner.answer(more, / 11999 12000$/);
    const last = await bot.owner.answer(await bot.owner.send('!more lines'));
    expect(last.text).toBe('Nothing is left: your last long reply was sent to its end.');
    const words = bot.owner.said
      .filter(({ about, text: said }) => (about === id || about === more) && /^\(\d+\/\d+\)\n/.test(said))
      .flatMap(({ text: said }) => said.replace(/^.*\n/, '').split(' '));
    expect(words).toEqual(['did:', ...Array.from({ length: 12_000 }, (_, index) => `${index + 1}`)]);
  });

  test('a failure is a sentence that says what to do, and ❌', async () => {
    bot = await startTestBot();
    const id = await bot.owner.send('fail 401');
    expect((await bot.owner.answer(id)).text).toContain('refused the credentials (401)');
    await bot.owner.reaction(id, '❌');
  });

  test('an agent that has lost its memory begins anew, and says so; what its program is comes with `!status`', async () => {
    let odd: ReturnType<typeof writeOddOpencode> | undefined;
    bot = await startTestBot({
      opencode: (directory) => {
        odd = writeOddOpencode(directory);
        return odd.path;
      },
    });
    const { owner } = bot;
    const answerTo = async (task: string) =>
      (await owner.answer(await owner.send(task), /\n— |failed|agent’s/)).text;
    expect(await answerTo('one')).toStartWith('did: one\n\n— ');
    odd?.set('forgets');
    expect(await answerTo('two')).toMatch(
      /^did: two\n\n⚠ The agent no longer had this conversation, so it began a new one/,
    );
    odd?.set('');
    expect(await answerTo('three')).toStartWith('did: three\n\n— ');
    odd?.set('damaged');
    const owners = join(bot.home, 'agent');
    const [mine = ''] = readdirSync(owners).filter((name) => name.startsWith('owner-'));
    writeFileSync(join(owners, mine, 'store', 'opencode.db'), 'garbage');
    expect(await answerTo('four')).toMatch(
      /^did: four\n\n⚠ The agent’s own memory .+ was moved aside \(.+\/damaged\/.+\)/,
    );
    odd?.remove();
    expect(await answerTo('five')).toStartWith('The agent’s program can’t be started: ');
    await until(
      async () => /Backend: .*(?:not|no) /.test((await owner.answer(await owner.send('!status'))).text),
      'it is seen to be missing',
    );
  });

  test('a long run reports its progress', async () => {
    bot = await startTestBot({ env: { BOT_PROGRESS_SECONDS: '1' } });
    const id = await bot.owner.send('sleep 60');
    await bot.owner.answer(id, /^⏳ \d+ s · running: sleep 60 · 1 step$/);
    await bot.owner.answer(await bot.owner.send('!stop'), /Stopping: sleep 60/);
    await bot.owner.answer(id, /^Stopped\./);
  });
});

describe('the queue', () => {
  test('tasks of one session wait for each other, other sessions run beside; drop and stop', async () => {
    bot = await startTestBot();
    const first = await bot.owner.send('sleep 61');
    await bot.owner.reaction(first, '👀');
    const second = await bot.owner.send('second');
    expect((await bot.owner.answer(second)).text).toStartWith('Queued behind 1 task');
    await bot.owner.reaction(second, '⏸');
    const third = await bot.owner.send('third');
    await bot.owner.answer(third, /Queued behind 2/);
    const ping = await bot.owner.answer(await bot.owner.send('!ping'));
    expect(ping.text).toStartWith('pong');
    const list = await bot.owner.answer(await bot.owner.send('!queue'));
    expect(list.text).toMatch(/Running.*: sleep 61\nWaiting, 2 tasks:\n1\. second\n2\. third/);
    await bot.owner.answer(await bot.owner.send('!queue drop 2'), /Dropped: third/);
    await bot.owner.reaction(third, '⏹');
    // As the page names it; nobody else's, and none that is not there.
    await bot.owner.answer(await bot.owner.send('!queue drop #99'), /begun already/);
    const fourth = await bot.owner.send('fourth');
    await bot.owner.answer(fourth, /Queued behind 2/);
    await bot.owner.answer(await bot.owner.send('!queue drop #4'), /Dropped: fourth\n1 task still waiting/);

    await bot.owner.answer(await bot.owner.send('!new'), /New session/);
    const beside = await bot.owner.send('beside');
    // Two sessions answer side by side: each answer says whose it is.
    const { text } = await bot.owner.answer(beside, /did: beside/);
    expect(text).toMatch(/^did: beside\n\nSession \w{5}: beside\n— agent · /);
    expect(bot.tasksDone()).toEqual(['sleep 61', 'beside']);

    // That of a number, or to whose message it answers; else that of the session that one is in.
    const also = await bot.owner.send('sleep 64');
    await until(() => bot.tasksDone().length === 3, 'it has begun');
    await bot.owner.answer(await bot.owner.send('!stop #99'), /^No task #99 of yours is running/);
    const answering = await bot.owner.send('!stop', { tags: [['e', first, '', 'reply']] });
    await bot.owner.answer(answering, /Stopping: sleep 61/);
    await bot.owner.answer(first, /^Stopped\..*!retry/);
    await bot.owner.reaction(first, '⏹');
    await bot.owner.answer(second, /did: second\n\nSession \w{5}: sleep 61\n— /);
    await bot.owner.reaction(second, '✅');
    await bot.owner.answer(await bot.owner.send('!stop #6'), /Stopping: sleep 64/);
    await bot.owner.answer(also, /^Stopped\./);
    expect(
      bot.owner.said
        .filter(({ kind, about }) => kind === 7 && about === second)
        .map(({ text: mark }) => mark),
    ).toEqual(['⏸', '👀', '✅']);
    expect(bot.tasksDone()).toEqual(['sleep 61', 'beside', 'sleep 64', 'second']);
  });

  test('a deleted message takes its task off the queue; !retry runs the last task again', async () => {
    bot = await startTestBot();
    const first = await bot.owner.send('sleep 62');
    await bot.owner.reaction(first, '👀');
    const second = await bot.owner.send('not wanted');
    await bot.owner.reaction(second, '⏸');
    await bot.owner.send('', { kind: 5, tags: [['e', second]] });
    await bot.owner.reaction(second, '⏹');
    await until(() => bot.tasksDone().length === 1, 'the agent has begun');
    await bot.owner.send('!stop');
    await bot.owner.answer(first, /^Stopped/);
    const again = await bot.owner.send('quick');
    await bot.owner.answer(again, /did: quick/);
    await bot.owner.answer(await bot.owner.send('!retry'), /did: quick/);
    expect(bot.tasksDone()).toEqual(['sleep 62', 'quick', 'quick']);
  });
});

describe('limits', () => {
  test('a silent agent is ended with all its children', async () => {
    bot = await startTestBot({ env: { BOT_RUN_IDLE_MINUTES: '0.02' } });
    const id = await bot.owner.send('sleep 63');
    expect((await bot.owner.answer(id)).text).toContain('silent for too long');
    await until(() => processesOf('sleep', '63').length === 0, 'no sleep is left');
  });

  test('a run that takes too long is ended', async () => {
    bot = await startTestBot({ env: { BOT_RUN_TIMEOUT_MINUTES: '0.02' } });
    const id = await bot.owner.send('sleep 64');
    expect((await bot.owner.answer(id)).text).toContain('time limit');
    await until(() => processesOf('sleep', '64').length === 0, 'no sleep is left');
  });
});
