import { afterEach, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { git, put } from '../support/worktrees.ts';

let bot: TestBot;
afterEach(() => bot.cleanUp());

test('an owner has two sessions in one repository at once, merges one, and is told of a conflict in the other', async () => {
  bot = await startTestBot();
  const { owner, workspace } = bot;
  const answer = async (text: string, like?: RegExp) =>
    (await owner.answer(await owner.send(text), like)).text;
  expect(await answer('!new —worktree')).toMatch(
    /^A branch of its own needs git: workspace app is no git repository/,
  );
  git(workspace, 'init', '-q', '-b', 'main');
  put(workspace, { '.gitignore': 'keys.txt\n' });
  git(workspace, 'add', '-A');
  git(workspace, 'commit', '-qm', 'first');

  // The task is sent before the tree is made, and is for it; so is the file that it came with.
  await using files = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('a log') });
  const begun = owner.send('!new —worktree app');
  await begun;
  const task = await owner.send(`${files.url}x`, { kind: 15, tags: [['alt', 'say hello']] });
  expect((await owner.answer(await begun)).text).toMatch(
    /^New session (\w+) · app · branch session-\1 · opencode · agent\. It works beside the others/,
  );
  expect((await owner.answer(task)).text).toMatch(/^did: say hello\s.*\s- \.dm-inbox\/\w+\.txt/);
  expect(existsSync(join(workspace, '.dm-inbox'))).toBe(false);
  const [, first = ''] =
    /Session: (\w+) · app · agent · branch session-\1/.exec(await answer('!status')) ?? [];
  expect(first).not.toBe('');
  await answer('!new app --worktree');
  await answer('say goodbye', /^did/);
  expect(git(workspace, 'status', '--porcelain')).toBe('');
  expect(await answer('!sessions')).toContain(`${first} · app · branch session-${first} · `);

  expect(await answer(`!merge ${first}`)).toBe(
    [
      `Merged session-${first} into main: 1 file, +4 −0.`,
      'The session goes on on its branch; the next !new takes a merged one away.',
    ].join('\n'),
  );
  expect(readFileSync(join(workspace, 'tasks.txt'), 'utf8')).toStartWith('say hello\n');
  expect(git(workspace, 'log', '-1', '--format=%s')).toBe('say hello');
  const conflict = await answer('!merge');
  expect(conflict).toMatch(
    /^session-\w+ and main changed the same lines\. Nothing was merged, and nothing is lost/,
  );
  expect(conflict).toContain('\n· tasks.txt\n');
  expect(git(workspace, 'status', '--porcelain')).toBe('');

  // Back in the workspace: what is merged is taken away, what is not stays.
  expect(await answer('!new')).toStartWith('New session ');
  expect(await answer('!merge')).toMatch(/^This session has no branch of its own/);
  expect(await answer(`!resume ${first}`)).toContain(`branch session-${first}`);
  expect(await answer('go on', /^did/)).toStartWith('did: go on');
  expect(await answer('!merge')).toStartWith(`Merged session-${first} into main: 1 file, +1 −0.`);
});
