import { expect, test } from 'bun:test';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { PathChangedError } from '../../src/backends/jail/pins.ts';
import { createReservedNames } from '../../src/backends/jail/reserved-names.ts';
import { cleanStore } from '../../src/backends/jail/store.ts';
import { hasWorkspaceCode } from '../../src/backends/jail/workspace-code.ts';
import { type JailPlace, makeJailPlace } from '../support/jail.ts';
import { asEverybody } from '../support/jail-stories.ts';

const fifo = (path: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  Bun.spawnSync(['mkfifo', path]);
};
const link = (to: string) => (path: string) => {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(to, path);
};

/** A workspace's own configuration in every disguise. None may have an effect, and none may hang the bot. */
const disguises: readonly (readonly [string, string, (place: JailPlace, path: string) => void])[] = [
  [
    'a link out of the workspace',
    'opencode.json',
    (place, path) => link(place.file('elsewhere.json', '{}'))(path),
  ],
  ['a link to nothing', 'opencode.jsonc', (_, path) => link('/nowhere')(path)],
  ['a link without end', 'opencode.json', (_, path) => link('/dev/zero')(path)],
  ['a pipe', 'opencode.json', (_, path) => fifo(path)],
  ['a folder’s link', '.opencode', (place, path) => link(place.folder('plugins'))(path)],
  ['a pipe for a folder', '.opencode', (_, path) => fifo(path)],
];

await asEverybody((who) => {
  for (const [name, entry, make] of disguises)
    test(`${entry} as ${name} is refused before anything starts`, async () => {
      const place = makeJailPlace(who);
      make(place, join(place.workspace, entry));
      const result = await place.tell({ script: 'touch started' });
      expect(result.problem).toBe(`WorkspaceCodeError: the workspace's ${entry} cannot be hidden`);
      expect(existsSync(join(place.workspace, 'started'))).toBe(false);
      expect((await place.tell({ script: 'echo fine', launch: { hideCode: false } })).stdout).toBe('fine\n');
      place.remove();
    }, 60_000);

  test('plain ones are empty to the agent, and as they were afterwards', async () => {
    const place = makeJailPlace(who);
    place.file('workspace/opencode.json', '{"plugin":["x"]}');
    place.file('workspace/opencode.jsonc', 'no json at all');
    place.file('workspace/.opencode/plugin/x.ts', 'evil()');
    const { stdout } = await place.tell({
      script: `cat opencode.json opencode.jsonc; ls -A .opencode; echo y > opencode.json || echo held; touch .opencode/z || echo held; rm -rf .opencode opencode.json || echo held`,
    });
    expect(stdout).toBe('{}{}held\nheld\nheld\n');
    expect(readFileSync(join(place.workspace, 'opencode.json'), 'utf8')).toBe('{"plugin":["x"]}');
    expect(readFileSync(join(place.workspace, '.opencode/plugin/x.ts'), 'utf8')).toBe('evil()');
    place.remove();
  }, 60_000);

  test('while an agent is at work their names are taken, in other workspaces below as well; afterwards they are free', async () => {
    const place = makeJailPlace(who);
    const below = place.folder('workspace/below');
    const { stdout } = await place.tell({
      settings: { workspaces: [place.workspace, below] },
      script: `git init -q . && mv below away 2>/dev/null || echo held
        for place in . below; do cd $place
          echo x > opencode.json || echo held; ln -sf /etc/passwd opencode.jsonc || echo held; rm -rf .opencode || echo held
          mv .opencode opencode.json . || echo held; mkdir .opencode/plugin || echo held; cd "$OLDPWD"
        done 2>/dev/null
        touch mine; git add -A && git commit -qm all && git show --name-only --format= `,
      launch: { identity: { name: 'A', email: 'a@b' } },
    });
    expect(stdout).toBe(`${'held\n'.repeat(11)}mine\n`);
    expect([readdirSync(place.workspace).sort(), readdirSync(below)]).toEqual([
      ['.git', 'below', 'mine'],
      [],
    ]);
    place.remove();
  }, 60_000);

  test('a workspace, store or shown path that has become a link is not followed', async () => {
    const place = makeJailPlace(who);
    const secret = place.folder('secret');
    place.file('secret/key', 'DECOY');
    for (const name of ['workspace', 'store', 'data'] as const) {
      const path = place.folder(name);
      rmSync(path, { recursive: true });
      symlinkSync(secret, path);
      const { problem, stdout } = await place.tell({
        settings: name === 'data' ? { paths: [{ path, writable: true }] } : {},
        script: 'cat key ../*/key /run/jail/store/key 2>/dev/null',
      });
      expect([name, stdout, problem]).toEqual([name, '', expect.stringContaining('PathChangedError')]);
      unlinkSync(path);
      mkdirSync(path);
    }
    // A link further up is one too.
    const moved = join(place.root, 'moved');
    mkdirSync(join(moved, 'ws'), { recursive: true });
    symlinkSync(moved, join(place.root, 'way'));
    const { problem } = await place.tell({ cell: { workspace: join(place.root, 'way/ws') } });
    expect(problem).toContain('PathChangedError');
    place.remove();
  }, 60_000);

  test('links and pipes in the place of what git runs are refused', async () => {
    for (const name of ['hooks', 'config', 'info/attributes', '.git'] as const) {
      const place = makeJailPlace(who);
      await place.tell({ script: 'git init -q . && mkdir -p .git/info && touch .git/info/attributes' });
      const path = name === '.git' ? join(place.workspace, '.git') : join(place.workspace, '.git', name);
      renameSync(path, join(place.root, 'real'));
      symlinkSync(join(place.root, 'real'), path);
      const { problem } = await place.tell({ script: 'touch started' });
      expect([name, problem]).toEqual([name, expect.stringContaining('PathChangedError')]);
      expect(existsSync(join(place.workspace, 'started'))).toBe(false);
      expect((await place.tell({ script: 'echo read', cell: { writable: false } })).stdout).toBe('read\n');
      place.remove();
    }
  }, 60_000);

  test('a home that its agent made a link leads nowhere: it is not there at the next run', async () => {
    const place = makeJailPlace(who);
    const first = await place.tell({
      script: 'rm -rf ~/* ~/.[a-z]*; rmdir ~ && ln -s / ~; ls -ld ~ | cut -c1',
    });
    expect(first.stdout).toBe('d\n');
    expect(existsSync(join(place.home, 'jail'))).toBe(true);
    place.remove();
  }, 60_000);
});

test('names are kept for as long as there is a run, also those that a killed bot left, and nothing of the user’s is touched', () => {
  const place = makeJailPlace({ name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
  const { workspace } = place;
  const there = () => readdirSync(workspace).sort();
  const names = createReservedNames();
  const [first, second] = [names.reserve(workspace), names.reserve(workspace)];
  expect(there()).toEqual(['.opencode', 'opencode.json', 'opencode.jsonc']);
  first();
  first();
  expect(there()).toHaveLength(3);
  // A bot that was killed does not give them back: the next one does.
  createReservedNames().reserve(workspace)();
  expect(there()).toEqual([]);
  second();

  place.file('workspace/opencode.json', '{"model":"mine"}');
  place.file('workspace/.opencode/agent/mine.md', 'mine');
  const third = names.reserve(workspace);
  expect(there()).toEqual(['.opencode', 'opencode.json', 'opencode.jsonc']);
  place.file('workspace/opencode.jsonc', '{} // changed by its owner meanwhile');
  third();
  expect(there()).toEqual(['.opencode', 'opencode.json', 'opencode.jsonc']);

  symlinkSync(place.folder('elsewhere'), join(place.root, 'way'));
  expect(() => names.reserve(join(place.root, 'way'))).toThrow(PathChangedError);
  expect(readdirSync(join(place.root, 'elsewhere'))).toEqual([]);
  place.remove();
});

test('a configuration that is nested without end is no harmless one, and is looked past by nobody', async () => {
  const place = makeJailPlace({ name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
  place.file('workspace/opencode.jsonc', '{}');
  expect(await hasWorkspaceCode(place.workspace)).toBe(false);
  place.file('workspace/opencode.json', `{"x":${'['.repeat(400_000)}`);
  expect(await hasWorkspaceCode(place.workspace)).toBe(true);
  place.remove();
});

test('cleaning a store deletes nothing outside of it, whatever lies in it', async () => {
  const place = makeJailPlace({ name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
  const { store } = place;
  const outside = place.file('outside/precious', 'mine');
  place.file('store/opencode.db', 'kept');
  place.file('store/opencode.db-shm', 'kept too');
  link(dirname(outside))(join(store, 'link'));
  link('/dev/zero')(join(store, 'opencode.db-wal'));
  place.file('store/folder/deep/file', 'x');
  link(dirname(outside))(join(store, 'folder/link'));
  fifo(join(store, 'pipe'));
  linkSync(outside, join(store, 'second-name'));
  const trash = join(place.root, 'trash');

  await cleanStore(store, trash, true);
  expect(readdirSync(store).sort()).toEqual(
    ['folder', 'link', 'opencode.db', 'opencode.db-shm', 'pipe', 'second-name'].sort(),
  );
  await cleanStore(store, trash, false);
  expect(readdirSync(store).sort()).toEqual(['opencode.db', 'opencode.db-shm']);
  expect(readdirSync(trash)).toEqual([]);
  expect(readFileSync(outside, 'utf8')).toBe('mine');

  unlinkSync(join(store, 'opencode.db'));
  linkSync(outside, join(store, 'opencode.db'));
  mkdirSync(join(store, 'opencode.db-wal'));
  await cleanStore(store, trash, true);
  expect(readdirSync(store)).toEqual(['opencode.db-shm']);
  expect(lstatSync(outside).nlink).toBe(1);
  place.remove();
});
