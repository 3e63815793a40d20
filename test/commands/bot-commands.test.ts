import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { nip19 } from 'nostr-tools';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { createOwner } from '../support/owner.ts';

/** The last text that answers this command. */
const ask = async (bot: TestBot, command: string, pattern = /./) =>
  (await bot.owner.answer(await bot.owner.send(command), pattern)).text;

describe('an owner commands the bot from a phone', () => {
  let bot: TestBot;
  beforeAll(async () => {
    bot = await startTestBot();
  });
  afterAll(() => bot.cleanUp());

  test('is told that it is ready', async () => {
    expect((await bot.owner.heard(/^Ready/)).text).toContain('!help');
  });

  test('!ping is answered', async () => {
    expect(await ask(bot, '!ping')).toMatch(/^pong · up .+ · 1 of 1 relays$/);
  });

  test('!help lists every command, and one in detail', async () => {
    const short = await ask(bot, '!help');
    expect(short.split('\n').length).toBeLessThanOrEqual(12);
    expect(short).toContain('Queue: !queue (drop), !stop');
    const all = await ask(bot, '!help all');
    for (const name of ['!new [workspace]', '!queue drop <n|all>']) expect(all).toContain(name);
    await bot.owner.heard(/^\(\d\/\d\)[\s\S]*!wallet receive <token>/);
    const one = await ask(bot, '!help queue drop');
    expect(one).toStartWith('!queue drop <n|all>');
    expect(one).toContain('Examples:');
    const about = await ask(bot, '!help files');
    expect(about).toContain('!get <path> – send a file of the workspace');
    expect(about).not.toContain('!stop');
    expect(await ask(bot, '!help xyzzyplugh')).toStartWith('There is no command !xyzzyplugh.');
  });

  test('a mistyped command is answered with the nearest one, and nothing is run', async () => {
    expect(await ask(bot, '!stauts')).toContain('Did you mean !status?');
    expect(await ask(bot, '!xyzzyplugh')).toBe(
      'There is no command !xyzzyplugh. !help lists all. A task is sent without “!”.',
    );
    expect(bot.tasksDone()).toEqual([]);
  });

  test('a phone’s capital letter and space do no harm', async () => {
    expect(await ask(bot, '! Ping')).toStartWith('pong');
  });

  test('bad input gets one line that says what is expected, and an example', async () => {
    const answer = await ask(bot, '!mode fast');
    expect(answer).toContain('“fast” is not a mode. There are: ask, plan, agent.');
    expect(answer).toContain('Expected: !mode [ask|plan|agent]. Example: !mode plan');
    expect(await ask(bot, '!history many')).toContain('whole number from 1 to 20');
    expect(await ask(bot, '!resume')).toContain('!sessions lists them');
    expect(await ask(bot, '!queue drop 1')).toContain('Nothing waits');
  });

  test('the mode is shown and set', async () => {
    expect(await ask(bot, '!mode')).toStartWith('Mode: agent');
    expect(await ask(bot, '!mode plan')).toStartWith('Mode: plan');
    expect(await ask(bot, '!mode')).toStartWith('Mode: plan');
    expect(await ask(bot, '!agent')).toStartWith('Mode: agent');
  });

  test('the model is shown, set and reset; !models lists and filters', async () => {
    expect(await ask(bot, '!model')).toContain('the default of opencode');
    expect(await ask(bot, '!model stand-in/large')).toContain('Model: stand-in/large');
    expect(await ask(bot, '!model')).toContain('stand-in/large');
    expect(await ask(bot, '!model reset')).toContain('the default of opencode');
    expect(await ask(bot, '!models large')).toBe('2. stand-in/large\n1 model. !model <number> sets one.');
    expect(await ask(bot, '!models nosuch')).toContain('No model');
    expect(await ask(bot, '!model two words')).toContain('No model of opencode has “two words” in its name');
    expect(await ask(bot, '!model LARGE')).toContain('Model: stand-in/large');
    expect(await ask(bot, '!model 1')).toContain('Model: stand-in/');
    expect(await ask(bot, '!model stand')).toMatch(/is a part of several; .*\n1\. stand-in\//);
    expect(await ask(bot, '!model reset')).toContain('the default of opencode');
  });

  test('!status names relay, session, backend, model, provider, queue and the last error', async () => {
    const status = await ask(bot, '!status');
    for (const part of [
      'Relays: 1 of 1',
      'Session:',
      'Backend: opencode',
      'Model:',
      'Provider: local',
      'Queue: 0 running',
      'Last error:',
    ]) {
      expect(status).toContain(part);
    }
  });

  test('sessions are begun, listed, resumed and read', async () => {
    await bot.owner.answer(await bot.owner.send('first task'), /did: first task/);
    const before = await ask(bot, '!sessions');
    expect(before).toMatch(/^1\. \w{5} · app · opencode · agent · just now ← current\n {3}first task/);
    const begun = await ask(bot, '!new docs');
    expect(begun).toMatch(/^New session \w{5} · docs · opencode · agent/);
    await bot.owner.answer(await bot.owner.send('second task'), /did: second task/);
    expect(bot.tasksDone(`${bot.directory}/docs`)).toEqual(['second task']);
    const both = await ask(bot, '!sessions');
    expect(both).toContain('2. ');
    expect(await ask(bot, '!resume 2')).toContain('It began with: first task');
    expect(await ask(bot, '!history')).toMatch(/You, just now: first task\nAgent: did: first task/);
    const id = /(\w{5}) · docs/.exec(both)?.[1] ?? '';
    expect(await ask(bot, `!resume ${id}`)).toContain('second task');
    expect(await ask(bot, '!workspace')).toContain('docs: ');
    expect(await ask(bot, '!workspace app')).toContain('Workspace: app. New session');
    expect(await ask(bot, '!backend cursor')).toContain('Backend: cursor. New session');
    expect(await ask(bot, '!backend opencode')).toContain('Backend: opencode');
    expect(await ask(bot, '!resume 99')).toContain('Expected: !resume');
  });

  test('a word that means what was said before is a task where something was; a number, right behind an answer', async () => {
    await ask(bot, '!new');
    for (const line of ['why?', '2']) expect(await ask(bot, line)).toContain('Send a task in a sentence');
    await ask(bot, 'which file is the largest', /did: which/);
    expect(await ask(bot, '2', /did/)).toContain('did: 2');
    expect(await ask(bot, '!ping')).toStartWith('pong');
    expect(await ask(bot, '2')).toContain('Send a task in a sentence');
    expect(await ask(bot, 'why?', /did/)).toContain('did: why?');
  });

  test('what a task without a server of its own did is neither shown nor taken back', async () => {
    for (const command of ['!diff', '!undo'])
      expect(await ask(bot, command)).toContain('“why?” ran where nothing remembers what was there');
  });

  test('a file is answered with a sentence', async () => {
    const id = await bot.owner.send('https://files.example/x', { kind: 15 });
    expect((await bot.owner.answer(id)).text).toContain('could not open that file');
  });

  test('owners are listed, added, changed and removed; a member may not', async () => {
    const memberKey = generateSecretKey();
    const npub = nip19.npubEncode(getPublicKey(memberKey));
    expect(await ask(bot, '!owners')).toContain('admin, from BOT_OWNERS');
    expect(await ask(bot, `!owners add ${npub}`)).toBe(`${npub} is a member now.`);

    const member = await createOwner(bot.relay.url, bot.publicKey, memberKey);
    const tried = await member.send(`!owners remove ${nip19.npubEncode(bot.owner.publicKey)}`);
    expect((await member.answer(tried)).text).toContain('is for admins');
    const sessions = await member.send('!sessions');
    expect((await member.answer(sessions)).text).toBe('No session yet. Send a task to begin one.');

    expect(await ask(bot, `!owners add ${npub} admin`)).toBe(`${npub} is an admin now.`);
    expect(await ask(bot, `!owners remove ${nip19.npubEncode(bot.owner.publicKey)}`)).toContain('BOT_OWNERS');
    expect(await ask(bot, `!owners remove ${npub}`)).toContain('is not an owner any more');
    const said = member.said.length;
    await member.send('!ping');
    expect(await ask(bot, '!ping')).toStartWith('pong'); // sent later, so the member's was passed over
    expect(member.said.length).toBe(said);
    expect(await ask(bot, '!owners add nonsense')).toContain('is not an npub');
    member.close();
  });

  test('NIP-04 is answered in NIP-04', async () => {
    const id = await bot.owner.sendNip04('!ping');
    const answer = await bot.owner.answer(id);
    expect(answer.kind).toBe(4);
    expect(answer.text).toStartWith('pong');
  });

  test('a stranger gets silence', async () => {
    const stranger = await createOwner(bot.relay.url, bot.publicKey);
    await stranger.send('!ping');
    await stranger.sendNip04('!ping');
    await stranger.send('delete everything');
    expect(await ask(bot, '!ping')).toStartWith('pong');
    await until(() => !bot.tasksDone().includes('delete everything'), 'nothing is run');
    expect(stranger.said).toEqual([]);
    stranger.close();
  });
});
