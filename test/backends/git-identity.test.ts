import { afterAll, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGitIdentity } from '../../src/backends/opencode-login.ts';

const root = mkdtempSync(join(tmpdir(), 'git-identity-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A user with a real git that is counted. */
const user = (name: string) => {
  const home = join(root, name);
  mkdirSync(join(home, 'bin'), { recursive: true });
  const count = join(home, 'count');
  writeFileSync(join(home, 'bin/git'), `#!/bin/sh\necho x >> '${count}'\nexec '${Bun.which('git')}' "$@"\n`);
  chmodSync(join(home, 'bin/git'), 0o755);
  return {
    ask: createGitIdentity({ PATH: `${join(home, 'bin')}:/usr/bin:/bin`, HOME: home }),
    calls: () => (existsSync(count) ? readFileSync(count, 'utf8').length / 2 : 0),
    write: (file: string, text: string) => {
      mkdirSync(join(home, file, '..'), { recursive: true });
      writeFileSync(join(home, file), text);
    },
  };
};

test('git is asked who the user is once, and again when their settings say something else', async () => {
  const { ask, calls, write } = user('plain');
  expect(await ask()).toBeUndefined();
  expect(calls()).toBe(0);
  write('.gitconfig', '[user]\nname = Ada\nemail = ada@example.org\n');
  expect([await ask(), await ask()]).toEqual([
    { name: 'Ada', email: 'ada@example.org' },
    { name: 'Ada', email: 'ada@example.org' },
  ]);
  expect(calls()).toBe(2);
  write('.gitconfig', '[user]\nname = Eva\nemail = ada@example.org\n');
  expect((await ask())?.name).toBe('Eva');
  expect(calls()).toBe(4);
});

test('an identity that the settings take from another file is looked up each time', async () => {
  const { ask, write } = user('including');
  write('.config/git/config', '[Include]\npath = ~/me\n');
  write('me', '[user]\nname = Ada\nemail = ada@example.org\n');
  expect((await ask())?.name).toBe('Ada');
  write('me', '[user]\nname = Eva\nemail = ada@example.org\n');
  expect((await ask())?.name).toBe('Eva');
});
