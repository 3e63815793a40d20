import { afterAll, beforeAll, expect, test } from 'bun:test';
import { bubblewrapHere } from '../support/jail.ts';
import { startObservedHouse } from '../support/observed-house.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';

// One bot with a server that is kept ready for all stories: only that says what it writes while it writes.
const limit = 90_000;
const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());
const story = test.if(missing === undefined);

const house = startObservedHouse();
let world: PaidBot;
beforeAll(async () => {
  if (missing !== undefined) return;
  world = await startPaidBot(house, {
    opencode: 'real',
    funds: 20_000,
    env: { BOT_ISOLATION: 'bwrap', BOT_WARM_SERVERS: '1' },
  });
}, limit);
afterAll(async () => {
  await world?.cleanUp();
  await house.stop();
});

const parts = (id: string): readonly string[] =>
  world.owner.said.filter(({ kind, about }) => kind !== 7 && about === id).map(({ text }) => text);
const inOrder = (count: number): string => Array.from({ length: count }, (_, n) => `word${n + 1}`).join(' ');

story(
  'a long answer begins to arrive while it is written, and the end brings the rest and the facts, nothing twice',
  async () => {
    const { owner, ask } = world;
    const id = await owner.send('stream 150 words a second then answer with 700 words');
    const { at: first } = await owner.answer(id, /^\(1\/…\)\nword1 /, 60_000);
    expect(owner.said.some(({ kind, text }) => kind === 7 && text === '✅')).toBe(false);
    const { at: last, text } = await owner.answer(id, /^— agent/m);
    expect(last).toBeGreaterThan(first);
    await owner.reaction(id, '✅');
    const said = parts(id);
    expect(said.length).toBeGreaterThan(1);
    expect(said.slice(0, -1).map((one) => one.split('\n')[0])).toEqual(
      said.slice(1).map((_, index) => `(${index + 1}/…)`),
    );
    expect(text).toStartWith(`(${said.length}/${said.length})\n`);
    const words = said.map((one) => one.replace(/^\(.*\)\n/, '').replace(/\n\n— agent[\s\S]*/, ''));
    expect(words.join(' ').split(/\s+/).join(' ')).toBe(inOrder(700));
    // In the session it is one answer.
    expect(await ask('!history 1')).toContain('Agent: word1 word2');
  },
  limit,
);

story(
  'an answer that is stopped after its beginning was read is not read again, and says that it ends there',
  async () => {
    const { owner } = world;
    const id = await owner.send('stream 150 words a second then answer with 5000 words');
    await owner.answer(id, /^\(1\/…\)/, 60_000);
    await owner.send('!stop');
    await owner.reaction(id, '⏹');
    const { text } = await owner.answer(id, /^— agent/m);
    expect(text).toMatch(/^\((\d+)\/\1\)\n/);
    expect(text).toContain('Stopped.');
    expect(text).not.toContain('word1 ');
    expect(parts(id).filter((one) => one.includes('word1 '))).toHaveLength(1);
  },
  limit,
);

story(
  'who does not want it, or writes in the old way, gets an answer in one',
  async () => {
    const { owner, ask } = world;
    const task = 'stream 150 words a second then answer with';
    const old = await owner.sendNip04(`${task} 330 words`);
    await owner.answer(old, /^word1 [\s\S]*— agent/, 60_000);
    expect(parts(old)).toHaveLength(1);
    expect(await ask('!stream off')).toStartWith('Stream: off');
    const whole = await owner.send(`${task} 331 words`);
    await owner.answer(whole, /^word1 [\s\S]*— agent/, 60_000);
    expect(parts(whole)).toHaveLength(1);
    expect(await ask('!stream on')).toStartWith('Stream: on');
  },
  limit,
);

story(
  'a bot that dies after the beginning was sent says so at its next start, and keeps what was read',
  async () => {
    const { owner, bot, ask } = world;
    const id = await owner.send('stream 150 words a second then answer with 5000 words');
    await owner.answer(id, /^\(1\/…\)/, 60_000);
    await bot.end('SIGKILL');
    await bot.start();
    const { text } = await owner.answer(id, /^— agent/m);
    expect(text).toMatch(/^\((\d+)\/\1\)\n/);
    expect(text).toContain('The answer above ends there');
    expect(text).toContain('Interrupted');
    expect(text).not.toContain('word1 ');
    expect(await ask('!history 1')).toContain('Agent: word1 word2');
  },
  limit,
);
