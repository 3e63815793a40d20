import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesOf } from '../support/bot.ts';
import { bubblewrapHere } from '../support/jail.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';
import { git, put } from '../support/worktrees.ts';

// An owner on the phone, a paid bot with the real opencode kept ready in its jail, and what its agents ask. One bot for all
// stories: it takes seconds to start.
const limit = 240_000;
const wait = 100_000;
const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());
const story = test.if(missing === undefined);

const house = startSandboxHouse({ feePpk: 0 });
const shims = mkdtempSync(join(tmpdir(), 'shims-'));
let world: PaidBot;
beforeAll(async () => {
  if (missing !== undefined) return;
  // git of the bot's own would be this one; in the jail it is not seen.
  const shim = join(shims, 'git');
  writeFileSync(shim, `#!/bin/sh\necho "$*" >> ${shim}.log\nexec /usr/bin/git "$@"\n`, { mode: 0o755 });
  world = await startPaidBot(house, {
    ...{ opencode: 'real', funds: 20_000 },
    env: {
      ...{ BOT_ISOLATION: 'bwrap', BOT_APPROVALS: 'commands', BOT_WARM_SERVERS: '2' },
      PATH: `${shims}:${process.env.PATH}`,
    },
  });
  Bun.spawnSync(['git', 'init', '-q', '-b', 'main'], { cwd: world.bot.workspace });
}, limit);
afterAll(async () => {
  await world?.cleanUp();
  await house.stop();
  rmSync(shims, { recursive: true, force: true });
});

const there = (...names: readonly string[]): readonly boolean[] =>
  names.map((name) => existsSync(join(world.bot.workspace, name)));
const done = /^— /m;

/** A task whose agent asks: `asked` waits for a message of it, `say` answers in words, `thumb` on the message. */
async function task(text: string) {
  const id = await world.owner.send(text);
  return {
    id,
    asked: (pattern: RegExp) => world.owner.answer(id, pattern, wait),
    answer: async () => (await world.owner.answer(id, done, wait)).text,
  };
}
const react = (sign: string, to: string) => world.owner.send(sign, { kind: 7, tags: [['e', to]] });

story(
  'a sub-agent’s calls are the run’s to the sat, and what it asks is answered as the agent’s own is',
  async () => {
    const before = { spent: house.books().node.spentMsat, calls: house.modelCalls() };
    const yes = await task('delegate "run touch sub1 then say made it" then say bye');
    expect((await yes.asked(/🔐.*sub-agent/)).text).toContain('touch sub1');
    await world.ask('!yes');
    const answer = await yes.answer();
    expect(answer).toContain('made it\nbye');
    expect(answer).toContain('1 file, +0 −0');
    const spent = Number(/(\d+) of 2000 sat/.exec(answer)?.[1]);
    expect(house.modelCalls() - before.calls).toBe(4);
    expect(spent).toBe(Math.ceil((house.books().node.spentMsat - before.spent) / 1000));

    const no = await task('delegate "run touch sub2 then say went on" then say bye');
    await no.asked(/🔐.*sub-agent/);
    await world.ask('!no use the other one');
    expect(await no.answer()).toContain('use the other one\nwent on\nbye');

    const always = await task('delegate "run touch sub3 then run touch sub4" then run touch own5');
    await always.asked(/🔐/);
    await world.ask('!always');
    await always.answer();
    expect(
      world.owner.said.filter(({ about, text }) => about === always.id && text.includes('🔐')),
    ).toHaveLength(1);
    expect(there('sub1', 'sub2', 'sub3', 'sub4', 'own5')).toEqual([true, false, true, true, true]);
    // The next run asks again.
    const next = await task('run touch own6');
    await react('👎', (await next.asked(/🔐/)).id);
    await next.answer();
    expect(there('own6')).toEqual([false]);
  },
  limit,
);

story(
  'of what is asked at once each gets its own answer, and a no to one is none to the others',
  async () => {
    const both = await task('at once: run touch one1; run touch one2; run touch one3');
    await both.asked(/touch one1/);
    await world.ask('!no not the first');
    const second = await both.asked(/touch one2/);
    await react('👍', second.id);
    await both.asked(/touch one3/);
    await world.ask('no, nor this');
    const answer = await both.answer();
    expect(there('one1', 'one2', 'one3')).toEqual([false, true, false]);
    // The model goes on, and knows why.
    expect(answer).toContain('not the first');
    expect(answer).toContain('nor this');
    expect(answer).not.toContain('stopped');
  },
  limit,
);

story(
  'a stop while a sub-agent works or asks ends everything at once; a late yes does nothing',
  async () => {
    const asking = await task('delegate "run touch late1 then say x"');
    const ask = await asking.asked(/🔐/);
    await world.owner.send('!stop');
    await world.owner.reaction(asking.id, '⏹');
    const stopped = await asking.answer();
    expect(stopped).toContain('Stopped');
    expect(await world.ask('!yes')).toContain('Nothing waits for a yes');
    await react('👍', ask.id);
    expect(
      (await world.owner.answer(await world.owner.send('!yes', { tags: [['e', ask.id]] }))).text,
    ).toContain('over');

    await world.ask('!approvals off');
    writeFileSync(join(world.bot.workspace, 'long.sh'), 'touch begun\nsetsid sleep 7291 &\nsleep 7292\n');
    const working = await task('delegate "run sh long.sh and wait"');
    while (!there('begun')[0]) await Bun.sleep(20);
    await world.owner.send('!stop');
    await world.owner.reaction(working.id, '⏹');
    // Its ⏹ comes when all of it is gone: what it waited for would have taken two hours.
    expect([...processesOf('sleep', '7291'), ...processesOf('sleep', '7292')]).toEqual([]);
    await world.ask('!approvals commands');
    // The next task is asked about on its own.
    const after = await task('run touch after1');
    await after.asked(/touch after1/);
    await world.ask('!yes');
    await after.answer();
    expect(there('late1', 'after1')).toEqual([false, true]);
  },
  limit,
);

story(
  'a question is answered by number, name, words, thumb or figure, or left to the agent; also in an older chat',
  async () => {
    const ways: readonly (readonly [string, (ask: string) => Promise<unknown>, string])[] = [
      ['ask Colour one? Red, Blue', () => world.ask('2'), '"Colour one?"="Blue"'],
      ['ask Colour two? Red, Blue (recommended)', () => world.ask('blue'), '="Blue (recommended)"'],
      ['ask Colour three? Red, Blue', () => world.ask('neither, take green'), '="neither, take green"'],
      ['ask Sizes four? any of S, M, L', () => world.ask('s and 3'), '="S, L"'],
      ['ask Really five? "Yes, delete it", No', (ask) => react('👍', ask), '="Yes, delete it"'],
      ['ask Colour six? Red, Blue', (ask) => react('2️⃣', ask), '="Blue"'],
      ['ask Colour seven? Red, Blue', () => world.ask('!no'), 'Decide it yourself'],
    ];
    for (const [text, answer, heard] of ways) {
      const asking = await task(text);
      const ask = await asking.asked(/❓/);
      await answer(ask.id);
      expect([text, await asking.answer()]).toEqual([text, expect.stringContaining(heard)]);
    }
    const several = await task('ask First? A, B and ask Second? any of C, D and ask Third?');
    await several.asked(/First\? \(1 of 3\)/);
    await world.ask('1');
    await several.asked(/Second\? \(2 of 3\)/);
    await world.ask('!answer 1, 2');
    await several.asked(/Third\? \(3 of 3\)/);
    await world.ask('whatever');
    expect(await several.answer()).toContain('"First?"="A", "Second?"="C, D", "Third?"="whatever"');

    const { owner } = world;
    const old = await owner.sendNip04('ask Old? Red, Blue');
    expect((await owner.answer(old, /❓/, wait)).kind).toBe(4);
    // Not the words of an answer that was sent the other way just now: the same in both is one message.
    await owner.sendNip04('red');
    expect((await owner.answer(old, done, wait)).text).toContain('="Red"');
  },
  limit,
);

story(
  'an edit is asked about with what changes in it, and what was done is taken back and put back with all that came after',
  async () => {
    await world.ask('!approvals all');
    writeFileSync(join(world.bot.workspace, 'poem.txt'), 'one\ntwo\n');
    const edit = await task('edit poem.txt replace two by three');
    const ask = await edit.asked(/🔐 May I edit poem\.txt/);
    expect(ask.text).toContain('-two\n+three');
    await react('👍', ask.id);
    await edit.answer();
    await world.ask('!approvals off');
    const poem = () => readFileSync(join(world.bot.workspace, 'poem.txt'), 'utf8');
    await (await task('say nothing was changed')).answer();
    expect(await world.ask('!diff')).toContain('changed nothing');
    expect(await world.ask('!undo')).toContain('forgets the task after it');
    expect(poem()).toBe('one\ntwo\n');
    expect(await world.ask('!redo')).toContain('back');
    expect(poem()).toBe('one\nthree\n');
    expect(await world.ask('!redo')).toContain('Nothing was taken back');
    await world.ask('!compact', /shortened/);
    expect(await world.ask('!undo')).toContain('Taken back: edit poem.txt');
    expect(poem()).toBe('one\ntwo\n');
    await world.ask('!approvals commands');
  },
  limit,
);

story(
  'what the operator’s configuration has asked is asked, and mode and model are new, from the next task on',
  async () => {
    const file = join(world.bot.home, 'opencode.json');
    const asked = readFileSync(file, 'utf8')
      .replaceAll('"*.env": "deny"', '"*.env": "ask"')
      .replaceAll(/("(?:external_directory": \{\s*"\*|doom_loop)"): "deny"/g, '$1: "ask"');
    writeFileSync(file, asked);
    writeFileSync(join(world.bot.workspace, '.env'), 'COLOUR=mauve\n');
    const reading = await task('read .env then read /etc/hostname');
    expect((await reading.asked(/May I read this/)).text).toContain('.env');
    await world.ask('!yes');
    expect((await reading.asked(/outside the workspace/)).text).toContain('/etc');
    await world.ask('!no stay inside');
    const read = await reading.answer();
    expect(read).toContain('COLOUR=mauve');
    expect(read).toContain('stay inside');
    const looping = await task(`at once: ${Array.from({ length: 4 }, () => 'read .env.example').join('; ')}`);
    await looping.asked(/again and again/);
    await world.ask('!always');
    await looping.answer();

    await world.ask('!mode ask');
    expect(await (await task('run touch mode1')).answer()).toContain('cannot run commands');
    await world.ask('!mode agent');
    await world.ask('!model qwen3-coder');
    expect(await (await task('say another model')).answer()).toContain('qwen3-coder');
    await world.ask('!model reset');
    expect(await (await task('say the first model')).answer()).toContain('claude-sonnet-4.5');
  },
  limit,
);

story(
  'a task that could not be paid for costs nothing and is not in the conversation; the next one works',
  async () => {
    await house.killNode('kept');
    const refused = await world.owner.send('say rhubarb');
    const { text } = await world.owner.answer(refused, /node/i, wait);
    expect(text).not.toContain('rhubarb');
    await world.owner.reaction(refused, '❌');
    await house.startNode();
    const next = await (await task('what did I say')).answer();
    expect(next).toContain('the first model');
    expect(next).not.toContain('rhubarb');
  },
  limit,
);

story(
  'two sessions ask at once, and each answer reaches the one that it is meant for',
  async () => {
    const first = await task('run touch left1');
    const left = await first.asked(/touch left1/);
    await world.ask('!new');
    const second = await task('run touch right1');
    await second.asked(/touch right1/);
    expect(await world.ask('yes')).toContain('2. touch right1');
    expect(await world.ask('!yes 2')).toContain('yes');
    await second.answer();
    await world.owner.send('no, leave it', { tags: [['e', left.id]] });
    expect(await first.answer()).toContain('leave it');
    expect(there('left1', 'right1')).toEqual([false, true]);
    expect(await world.ask('!wallet check')).not.toContain('⚠');
  },
  limit,
);

story(
  'a session on a branch of its own: what its agent does is seen, undone, put back and merged there, and in a copy of it',
  async () => {
    const { workspace } = world.bot;
    put(workspace, { 'README.md': 'hello\n' });
    git(workspace, 'add', 'README.md');
    git(workspace, 'commit', '-qm', 'first');
    const files = () => git(workspace, 'ls-files').split('\n');
    await world.ask('!approvals off');
    const begun = await world.ask('!new --worktree');
    const branch = /branch (session-\w+)/.exec(begun)?.[1] ?? '';
    const tree = join(world.bot.home, 'worktrees', branch.slice('session-'.length));
    const answer = await (
      await task('write side.txt with the text from the side then run git status --short')
    ).answer();
    expect(answer).toContain('1 file, +1 −0');
    // Of the names that are kept taken for the server, git in the jail sees nothing.
    expect(answer).toContain('?? side.txt');
    expect(answer).not.toContain('opencode.json');
    expect([existsSync(join(tree, 'opencode.json')), ...there('side.txt')]).toEqual([true, false]);
    expect(await world.ask('!diff')).toContain('+from the side');
    expect(await world.ask('!undo')).toContain('Taken back: write side.txt');
    expect(existsSync(join(tree, 'side.txt'))).toBe(false);
    expect(await world.ask('!redo')).toBe('It is all back.');
    expect(await world.ask('!merge')).toContain(`Merged ${branch} into main: 1 file, +1 −0.`);
    expect(files()).toEqual(['README.md', 'side.txt']);

    expect(await world.ask('!fork')).toContain('Both work on one branch');
    await (
      await task('run git commit -q --allow-empty -m "by the agent" then write more.txt with the text more')
    ).answer();
    expect(await world.ask('!merge')).toContain(`Merged ${branch} into main: 1 file, +1 −0.`);
    expect(files()).toEqual(['README.md', 'more.txt', 'side.txt']);
    expect(git(workspace, 'log', '--format=%s')).toContain('by the agent');
    // The server of the workspace itself is none of it; its tasks see what came.
    await world.ask('!new');
    expect(await (await task('run cat side.txt more.txt')).answer()).toContain('from the side\nmore');
    // All of that by git in the jail.
    expect(existsSync(join(shims, 'git.log'))).toBe(false);
  },
  limit,
);
