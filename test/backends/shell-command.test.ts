import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NotStartedError } from '../../src/backends/not-started.ts';
import { runShellCommand } from '../../src/backends/shell-command.ts';
import { shellText } from '../../src/replies/shell-replies.ts';
import { makePlace } from '../support/backend.ts';

const place = makePlace();
afterAll(place.remove);
const { jail } = place.behind('auto');
const signal = () => AbortSignal.timeout(30_000);

const run = async (line: string, until = signal()) => {
  const wall = await jail.wall(until);
  if (wall.kind === 'refused') throw new Error('no wall');
  return runShellCommand(jail, wall, { workspace: place.workspace, line }, until);
};

test('a line of shell works in the workspace, and says how it ended', async () => {
  const ended = await run('echo one > made.txt; cat made.txt; echo two >&2; exit 3');
  expect(ended).toMatchObject({ output: 'one\ntwo', leftOut: 0, exit: { code: 3 }, stopped: false });
  expect(await Bun.file(join(place.workspace, 'made.txt')).text()).toBe('one\n');
  expect(shellText(ended, 1200)).toBe('one\ntwo\n— exit 3 · 1 s');
});

test('it is behind the wall: nothing of the bot’s, and nothing in its arguments', async () => {
  writeFileSync(join(place.settings.home, 'bot.db'), 'the books');
  const seen = await run(`cat ${place.settings.home}/bot.db; tr '\\0' '\\n' < /proc/$$/cmdline; env`);
  expect(seen.output).not.toContain('the books');
  expect(seen.output).not.toContain('bot.db; tr');
  expect(seen.output).not.toContain('BOT_KEY');
});

test('of much output the end is kept, and what it leaves behind ends with it', async () => {
  const ended = await run('seq 1 20000; setsid sleep 7377 & echo last');
  expect(ended.output.endsWith('last')).toBe(true);
  expect(ended.leftOut).toBeGreaterThan(50_000);
  expect(Bun.spawnSync(['pgrep', '-f', 'sleep 7377']).stdout.toString()).toBe('');
});

test('the time is up', async () => {
  const ended = await run('echo begun; sleep 7378', AbortSignal.timeout(1500));
  expect(ended).toMatchObject({ output: 'begun', stopped: true });
  expect(shellText(ended, 1500)).toContain('the time was up');
});

test('what keeps names for an agent at work is not for git to see', async () => {
  await run('git init -q .; echo {} > opencode.json; echo x > x.txt');
  expect((await run('git status --short')).output).toContain('x.txt');
  expect((await run('git status --short')).output).not.toContain('opencode');
});

test('a workspace that is gone is an answer', async () => {
  const wall = await jail.wall(signal());
  if (wall.kind === 'refused') throw new Error('no wall');
  const gone = runShellCommand(jail, wall, { workspace: join(place.root, 'gone'), line: 'ls' }, signal());
  expect(await gone.catch((error: unknown) => error)).toBeInstanceOf(NotStartedError);
});
