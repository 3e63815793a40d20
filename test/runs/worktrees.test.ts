import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { git, openWorktreeHouse, patience, put, type WorktreeHouse } from '../support/worktrees.ts';

let house: WorktreeHouse | undefined;
const open = async (files?: Readonly<Record<string, string>>): Promise<WorktreeHouse> => {
  house = await openWorktreeHouse(files === undefined ? {} : { files });
  return house;
};
afterEach(() => {
  house?.close();
  house = undefined;
});
const read = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8');
const lines = (from: string, to = from): string => ['one', from, 'three', 'four', to, 'six', ''].join('\n');

test('two sessions work side by side in one repository, and both come back', async () => {
  const { begin, merge, agent, workspace, branch } = await open({ 'a.txt': 'a\n', 'b.txt': 'b\n' });
  const [one, two] = [await begin(), await begin()];
  put(one.directory, { 'a.txt': 'a of one\n', 'new/one.txt': '1\n' });
  put(two.directory, { 'b.txt': 'b of two\n' });
  // An agent's own git works there: it commits, and sees what others committed.
  const committed = await agent(
    one,
    'git add -A && git commit -qm "by the agent" && git log --oneline | wc -l',
  );
  expect(committed).toMatchObject({ output: '2', exit: { code: 0 } });
  put(one.directory, { 'a.txt': 'a of one, again\n' });
  expect(read(workspace, 'a.txt')).toBe('a\n');

  expect(await merge(one, 'Change a\n\n- Change a\n')).toMatchObject({
    ...{ state: 'target', on: 'main', files: 2, added: 2, removed: 1, left: [], kept: [] },
  });
  expect(await merge(two, 'Change b\n')).toMatchObject({ state: 'target', on: 'main', files: 1 });
  expect([read(workspace, 'a.txt'), read(workspace, 'b.txt')]).toEqual(['a of one, again\n', 'b of two\n']);
  expect(git(workspace, 'status', '--porcelain')).toBe('');
  expect(git(workspace, 'log', '--format=%s | %an', '--first-parent')).toBe(
    `Merge branch ${branch(two)} | The Owner\nChange a | The Owner\nby the agent | The Owner\nfirst | Eve`,
  );
  // It goes on from there, and there is nothing more to merge.
  expect(git(two.directory, 'rev-parse', 'HEAD')).toBe(git(workspace, 'rev-parse', 'HEAD'));
  expect((await merge(two)).state).toBe('nothing');
});

test('a conflict changes nothing and names its files; the session resolves it, and the next merge works', async () => {
  const { begin, merge, agent, workspace, branch } = await open({ 'a.txt': lines('two'), 'b.txt': 'b\n' });
  const session = await begin();
  put(session.directory, { 'a.txt': lines('TWO'), 'b.txt': 'b2\n' });
  put(workspace, { 'a.txt': lines('deux') });
  git(workspace, 'commit', '-qam', 'french');
  const before = git(workspace, 'rev-parse', 'HEAD');
  for (let tries = 0; tries < 2; tries++)
    expect(await merge(session)).toMatchObject({ state: 'conflict', on: 'main', files: ['a.txt'] });
  expect(git(workspace, 'rev-parse', 'HEAD')).toBe(before);
  expect(git(workspace, 'status', '--porcelain')).toBe('');
  expect(read(workspace, 'b.txt')).toBe('b\n');
  expect(git(workspace, 'show', `${branch(session)}:b.txt`)).toBe('b2');

  await agent(session, 'git merge main');
  expect(await merge(session)).toMatchObject({ state: 'unmerged', where: 'tree', files: ['a.txt'] });
  // As agents do: the file is mended, and git not told.
  put(session.directory, { 'a.txt': lines('zwei') });
  expect(await merge(session)).toMatchObject({ state: 'target', files: 2 });
  expect([read(workspace, 'a.txt'), read(workspace, 'b.txt')]).toEqual([lines('zwei'), 'b2\n']);
});

test('what is not committed in the workspace stays as it is; where it is in the way, nothing is merged', async () => {
  const { begin, merge, workspace } = await open({ 'a.txt': 'a\n', 'b.txt': 'b\n', 'c.txt': 'c\n' });
  const session = await begin();
  put(session.directory, { 'a.txt': 'a2\n', 'new.txt': 'theirs\n' });
  put(workspace, { 'a.txt': 'mine\n', 'b.txt': 'mine, too\n', 'new.txt': 'mine\n', 'c.txt': 'staged\n' });
  git(workspace, 'add', 'c.txt');
  expect(await merge(session)).toMatchObject({ state: 'target', blocked: ['a.txt', 'new.txt'] });
  expect(read(workspace, 'a.txt')).toBe('mine\n');
  git(workspace, 'checkout', 'a.txt');
  expect(await merge(session)).toMatchObject({ state: 'target', blocked: ['new.txt'] });
  expect(read(workspace, 'new.txt')).toBe('mine\n');
  rmSync(join(workspace, 'new.txt'));
  const merged = await merge(session);
  expect(merged).toMatchObject({ state: 'target' });
  expect(merged).not.toHaveProperty('blocked');
  expect(git(workspace, 'status', '--porcelain')).toBe('M b.txt\nM  c.txt');
  expect([read(workspace, 'a.txt'), read(workspace, 'b.txt')]).toEqual(['a2\n', 'mine, too\n']);
});

test('where there is nothing to branch from, or into, that is said', async () => {
  const { trees, owner, workspace, home, begin, merge, busy } = await open();
  const make = () => trees.make(trees.begin(owner, {}).directory, patience);
  expect(await make()).toEqual({ state: 'no_git' });
  git(workspace, 'init', '-q', '-b', 'main');
  expect(await make()).toEqual({ state: 'unborn' });
  expect(readdirSync(join(home, 'worktrees'))).toEqual([]);
  put(workspace, { a: 'a\n' });
  git(workspace, 'add', '-A');
  git(workspace, 'commit', '-qm', 'first');
  const session = await begin();
  put(session.directory, { b: 'b\n' });
  busy.add(session.directory);
  expect(await merge(session)).toEqual({ state: 'running', where: 'tree' });
  busy.clear();
  busy.add(workspace);
  expect(await merge(session)).toEqual({ state: 'running', where: 'workspace' });
  busy.clear();
  git(workspace, 'checkout', '-q', '--detach');
  expect((await merge(session)).state).toBe('detached');
  git(workspace, 'checkout', '-q', 'main');
  writeFileSync(join(workspace, '.git/MERGE_HEAD'), `${git(workspace, 'rev-parse', 'HEAD')}\n`);
  expect(await merge(session)).toMatchObject({ state: 'busy', where: 'workspace' });
  rmSync(join(workspace, '.git/MERGE_HEAD'));
  expect((await merge(session)).state).toBe('target');
});

test('a bot that was killed while it made a tree, or while it merged, does it whole the next time', async () => {
  const { trees, owner, stores, workspace, merge, branch } = await open({
    'a.txt': lines('two'),
    'b.txt': 'b\n',
  });
  const session = trees.begin(owner, {});
  // Half of a tree: its folder, git's folder of it with a lock, its branch.
  put(session.directory, { 'a.txt': 'ha' });
  git(workspace, 'branch', branch(session));
  put(join(workspace, '.git/worktrees', session.id), {
    'index.lock': '',
    HEAD: `ref: refs/heads/${branch(session)}`,
  });
  expect(await trees.make(session.directory, patience)).toEqual({ state: 'ready' });
  expect(git(session.directory, 'status', '--porcelain', '-b')).toBe(`## ${branch(session)}`);

  put(session.directory, { 'a.txt': lines('TWO', 'FIVE'), 'new.txt': 'new\n' });
  rmSync(join(session.directory, 'b.txt'));
  put(workspace, { 'mine.txt': 'mine\n' });
  const head = git(workspace, 'rev-parse', 'HEAD');
  git(session.directory, 'add', '-A');
  git(session.directory, 'commit', '-qm', 'work');
  const target = git(session.directory, 'rev-parse', 'HEAD');
  // In the middle of writing: one file half, one whole, one taken away, the index locked.
  stores.worktrees.merging(session.directory, head, target);
  put(workspace, { 'a.txt': lines('TWO', 'FIVE').slice(0, 9), 'new.txt': 'new\n', '.git/index.lock': '' });
  rmSync(join(workspace, 'b.txt'));
  expect(await merge(session)).toEqual({ state: 'finished' });
  expect(git(workspace, 'rev-parse', 'HEAD')).toBe(target);
  expect(git(workspace, 'status', '--porcelain')).toBe('?? mine.txt');
  expect(read(workspace, 'a.txt')).toBe(lines('TWO', 'FIVE'));
  expect(stores.worktrees.at(session.directory)).toMatchObject({ mergeTo: undefined, state: 'ready' });
  expect((await merge(session)).state).toBe('nothing');
});

test('a tree that is merged is taken away with its branch, one with work of its own stays; its next task makes it anew', async () => {
  const { trees, owner, begin, merge, workspace, branch, home } = await open({
    'a.txt': 'a\n',
    '.gitignore': 'out\n',
  });
  const [merged, working, current] = [await begin(), await begin(), await begin()];
  put(merged.directory, { 'a.txt': 'a2\n', 'out/x': 'built\n' });
  await merge(merged);
  put(working.directory, { 'notes.txt': 'not done\n' });
  await trees.tidy(owner, patience);
  expect(readdirSync(join(home, 'worktrees')).sort()).toEqual([working.id, current.id].sort());
  expect(git(workspace, 'branch', '--format=%(refname:short)').split('\n')).not.toContain(branch(merged));
  expect(git(workspace, 'worktree', 'list')).not.toContain(merged.id);
  expect(read(working.directory, 'notes.txt')).toBe('not done\n');
  expect(await trees.ready(merged.directory, patience)).toBeUndefined();
  expect(read(merged.directory, 'a.txt')).toBe('a2\n');
});

test('what stands in a folder for an agent server, and a repository within, are not committed', async () => {
  const { begin, merge, agent, workspace } = await open({ 'a.txt': 'a\n', '.opencode/agent.md': 'mine\n' });
  const session = await begin();
  put(session.directory, { 'opencode.json': '{} // kept\n', 'opencode.jsonc': '{}', 'a.txt': 'a2\n' });
  put(workspace, { 'opencode.json': '{} // kept\n' });
  // What an agent sees of the repository's own settings is an empty folder; so it commits.
  rmSync(join(session.directory, '.opencode'), { recursive: true });
  await agent(
    session,
    'git commit -qam all; git init -q sub; cd sub; git commit -q --allow-empty -m x; git init -q ../empty',
  );
  expect(await merge(session)).toMatchObject({
    ...{ state: 'target', files: 1, kept: ['.opencode'], left: ['empty/', 'sub/'] },
  });
  expect(git(workspace, 'ls-files')).toBe('.opencode/agent.md\na.txt');
  expect(existsSync(join(session.directory, 'sub/.git'))).toBe(true);
});

test('what a repository would run stays in the jail, and no agent reaches what others’ trees read', async () => {
  const { begin, merge, agent, workspace, root, trees, owner } = await open({
    'a.txt': lines('two'),
    '.gitattributes': '* filter=evil diff=evil merge=evil\n',
  });
  const canary = join(root, 'canary');
  const evil = `sh -c 'touch ${canary}; touch ${workspace}/ran; cat'`;
  for (const [key, value] of [
    ...['filter.evil.clean', 'filter.evil.smudge', 'diff.evil.textconv', 'core.fsmonitor', 'core.pager'].map(
      (name) => [name, evil],
    ),
    ...[
      ['merge.evil.driver', `touch ${canary}; true`],
      ['core.hooksPath', join(workspace, 'hooks')],
      ['diff.external', evil],
    ],
    ['gpg.program', evil],
    ['commit.gpgSign', 'true'],
    ['core.editor', evil],
    ['core.sshCommand', evil],
  ] as const)
    git(workspace, 'config', key ?? '', value ?? '');
  for (const hook of [
    'post-checkout',
    'pre-commit',
    'post-merge',
    'pre-merge-commit',
    'reference-transaction',
    'post-index-change',
  ])
    put(workspace, { [`hooks/${hook}`]: `#!/bin/sh\ntouch ${canary} ${workspace}/hooked\n` });
  Bun.spawnSync(['chmod', '-R', '+x', join(workspace, 'hooks')]);
  const [session, other] = [await begin(), await begin()];
  put(session.directory, { 'a.txt': lines('TWO') });
  expect((await merge(session)).state).toBe('target');
  expect([existsSync(canary), existsSync(join(workspace, 'hooked'))]).toEqual([false, false]);
  // The filter ran, where an agent's would have.
  expect(existsSync(join(workspace, 'ran'))).toBe(true);

  const folder = join(workspace, '.git/worktrees');
  const attempts = [
    `echo /evil > ${folder}/${session.id}/commondir`,
    `mv ${folder}/${session.id} ${folder}/x`,
    `echo /evil > ${folder}/${other.id}/commondir`,
    `mv ${folder}/${other.id} ${folder}/x`,
    `mv ${folder} ${folder}2`,
    `rm ${other.directory}/.git`,
    `echo x >> ${workspace}/.git/config`,
    `mkdir -p ${workspace}/.git/hooks && echo x > ${workspace}/.git/hooks/post-checkout`,
    `cat ${workspace}/a.txt`,
    `ls ${session.directory}`,
  ];
  const tried = await agent(
    other,
    attempts.map((line, n) => `(${line}) 2>&- >&- && echo open ${n}`).join('\n'),
  );
  expect(tried.output).toBe('');
  // The same shell finds what is open.
  expect((await agent(other, `(echo x > ${other.directory}/y) 2>&- && echo open`)).output).toBe('open');
  mkdirSync(join(root, 'elsewhere'));
  rmSync(other.directory, { recursive: true });
  Bun.spawnSync(['ln', '-s', join(root, 'elsewhere'), other.directory]);
  expect((await trees.merge(other, 'x', patience)).state).toBe('failed');
  await trees.tidy(owner, patience);
  expect(readdirSync(join(root, 'elsewhere'))).toEqual([]);
});
