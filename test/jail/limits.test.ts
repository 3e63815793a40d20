import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { findParents, openGroup } from '../../src/backends/jail/cgroups.ts';
import { entering } from '../../src/backends/jail/launch.ts';
import { limits } from '../../src/backends/jail/limits.ts';
import { makeJailPlace } from '../support/jail.ts';
import { asEverybody } from '../support/jail-stories.ts';

/** Of one process: other bots are at work meanwhile. */
const groupsOf = (pid: number | undefined): readonly string[] =>
  ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/memory', '/sys/fs/cgroup/pids'].flatMap(
    (folder) => {
      try {
        return readdirSync(folder).filter((name) => name.startsWith(`nostr-dm-agent-${pid}-`));
      } catch {
        return [];
      }
    },
  );

await asEverybody((who) => {
  test('a program that forks without end gets no further than its bound, and its owner hears of it', async () => {
    const place = makeJailPlace(who);
    const { stdout, end } = await place.tell({
      script: `exec python3 -c '
import os, time
n = 0
try:
  while n < ${limits.processes + 500}:
    if os.fork() == 0: time.sleep(60)
    n += 1
except OSError: pass
print(n, flush=True)
time.sleep(${who.uid === 0 ? 1 : 20})'`,
      timeoutMs: 50_000,
    });
    const forked = Number(stdout.trim() || '0');
    expect(forked).toBeLessThanOrEqual(limits.processes);
    expect(end?.limits).toEqual(['processes']);
    place.remove();
  }, 90_000);

  test('a full /tmp is noticed, and is no more than its share of memory', async () => {
    const place = makeJailPlace(who);
    const { stdout, end } = await place.tell({
      script: 'head -c 64G /dev/zero > /tmp/big 2>/dev/null; stat -c %s /tmp/big; sleep 1.5',
      timeoutMs: 50_000,
    });
    expect(Number(stdout)).toBeLessThanOrEqual(limits.scratchBytes);
    expect(Number(stdout)).toBeGreaterThan(limits.scratchBytes / 2);
    expect(end?.limits).toEqual(['scratch']);
    place.remove();
  }, 90_000);

  test('no group is left behind', async () => {
    const place = makeJailPlace(who);
    const { pid } = await place.tell({ script: '(setsid sleep 100 &) ; true' });
    expect(pid).toBeGreaterThan(0);
    expect(groupsOf(pid)).toEqual([]);
    place.remove();
  }, 60_000);
});

test('where no control groups can be made there is none', async () => {
  expect(await openGroup([], 'x', limits)).toBeUndefined();
  const parent = { folder: '/proc/self', version: 2, bounds: [] } as const;
  expect(await openGroup([parent], 'x', limits)).toBeUndefined();
});

const parents = await findParents();
const holding = parents.flatMap(({ bounds }) => bounds);
test.if(holding.includes('memoryBytes'))(
  'a group ends what takes too much memory, and says so',
  async () => {
    const group = await openGroup(parents, `test-${crypto.randomUUID()}`, {
      memoryBytes: 64 * 2 ** 20,
      processes: 50,
    });
    if (group === undefined) throw new Error('no group');
    const launch = entering(
      { file: 'python3', args: ['-c', 'bytearray(256 * 2**20)'], cwd: '/', environment: {}, fds: [] },
      group,
    );
    const hog = Bun.spawn([launch.file, ...launch.args], { stdio: ['ignore', 'ignore', 'ignore'] });
    await hog.exited;
    expect(hog.signalCode).toBe('SIGKILL');
    expect(await group.met()).toEqual(['memoryBytes']);
    await group.end();
    const left = parents.flatMap(({ folder }) => readdirSync(folder));
    expect(left.filter((name) => name.startsWith('nostr-dm-agent-test-'))).toEqual([]);
  },
  30_000,
);
