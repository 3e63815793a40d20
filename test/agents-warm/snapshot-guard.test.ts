import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanSnapshots } from '../../src/backends/warm/snapshot-guard.ts';
import { makePlace } from '../support/backend.ts';

const place = makePlace();
afterAll(place.remove);
const folder = (...names: readonly string[]): string => {
  const path = join(place.root, ...names);
  mkdirSync(path, { recursive: true });
  return path;
};
const snapshots = folder('snapshots');
const repository = folder('snapshots', 'project', 'tree');
const outside = folder('outside', 'inner');
writeFileSync(join(outside, '..', 'kept.txt'), 'kept');
writeFileSync(join(outside, 'attributes'), 'kept');
const clean = () => cleanSnapshots(snapshots, '/work/a b', join(place.root, 'trash'));
const git = (...args: readonly string[]) =>
  Bun.spawnSync(['git', 'config', '-f', join(repository, 'config'), ...args])
    .stdout.toString()
    .trim();

test('settings, hooks and attributes that a run left are gone; what opencode keeps stays', async () => {
  git('core.fsmonitor', '/tmp/x.sh');
  git('filter.mine.clean', '/tmp/x.sh');
  for (const name of ['hooks', 'info', 'objects']) mkdirSync(join(repository, name));
  for (const name of [
    'hooks/post-index-change',
    'info/attributes',
    'info/exclude',
    'commondir',
    'objects/aa',
  ])
    writeFileSync(join(repository, name), 'x');
  await clean();
  expect(readdirSync(repository).toSorted()).toEqual(['config', 'info', 'objects']);
  expect(readdirSync(join(repository, 'info'))).toEqual(['exclude']);
  expect([git('core.worktree'), git('core.fsmonitor'), git('filter.mine.clean')]).toEqual([
    '/work/a b',
    'false',
    '',
  ]);
  const written = readFileSync(join(repository, 'config'), 'utf8');
  await clean();
  expect(readFileSync(join(repository, 'config'), 'utf8')).toBe(written);
});

test('no link is followed, wherever it stands', async () => {
  symlinkSync(join(outside, '..'), join(snapshots, 'linked'));
  symlinkSync(join(outside, '..'), join(snapshots, 'project', 'linked'));
  const odd = folder('snapshots', 'project', 'odd');
  symlinkSync(outside, join(odd, 'info'));
  symlinkSync(outside, join(odd, 'hooks'));
  symlinkSync(join(outside, 'attributes'), join(odd, 'config'));
  await clean();
  expect(readFileSync(join(outside, 'attributes'), 'utf8')).toBe('kept');
  expect(readFileSync(join(outside, '..', 'kept.txt'), 'utf8')).toBe('kept');
  expect(readdirSync(snapshots)).toEqual(['project']);
  expect(readdirSync(odd)).toEqual(['config']);
  expect(existsSync(join(snapshots, 'project', 'linked'))).toBe(false);
});
