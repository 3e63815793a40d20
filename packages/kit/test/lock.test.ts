import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireLock, LockHeldError } from '../src/lock.ts';

const folders: string[] = [];
const newPath = () => {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'));
  folders.push(folder);
  return join(folder, 'home', 'only.lock');
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Another process that takes the lock, says what came of it, and waits to be ended. */
const takeElsewhere = async (path: string) => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'support/take-lock.ts'), path], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const { value } = await child.stdout.getReader().read();
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await child.exited;
  };
  return { said: new TextDecoder().decode(value).trim(), pid: child.pid, end };
};

test('one process has it; another is refused and told who has it and since when', async () => {
  const path = newPath();
  const before = Date.now();
  const lock = acquireLock(path);
  const other = await takeElsewhere(path);
  await other.end('SIGKILL');
  const { pid, host, since } = JSON.parse(other.said);
  expect([pid, host]).toEqual([process.pid, hostname()]);
  expect(since).toBeWithin(before, Date.now() + 1);
  expect(() => acquireLock(path)).toThrow(`${path} is held by process ${process.pid} on ${hostname()}`);
  for (const file of [path, `${path}.json`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  lock.release();
  acquireLock(path).release();
});

test('a process that is killed leaves nothing in the way', async () => {
  const path = newPath();
  const other = await takeElsewhere(path);
  expect(other.said).toBe('taken');
  expect(() => acquireLock(path)).toThrow(`process ${other.pid} on`);
  await other.end('SIGKILL');
  acquireLock(path).release();
});

test('is held though nobody keeps what would give it back', () => {
  const path = newPath();
  acquireLock(path);
  Bun.gc(true);
  expect(() => acquireLock(path)).toThrow(LockHeldError);
});

test('giving it back twice does not touch what the next holder wrote', () => {
  const path = newPath();
  const first = acquireLock(path);
  first.release();
  const second = acquireLock(path);
  first.release();
  expect(JSON.parse(readFileSync(`${path}.json`, 'utf8'))).toMatchObject({ pid: process.pid });
  second.release();
});

test('a holder that wrote nothing, or nonsense, is unknown, and holds it all the same', () => {
  const path = newPath();
  const lock = acquireLock(path);
  for (const change of [() => writeFileSync(`${path}.json`, '{"pid":'), () => rmSync(`${path}.json`)]) {
    change();
    try {
      acquireLock(path);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error;
      expect(error.holder).toBeUndefined();
      expect(error.message).toBe(`${path} is held by another process`);
    }
  }
  lock.release();
});

test('a file that can’t be a lock is not taken for one that is held', () => {
  const path = newPath();
  const folder = join(path, '..');
  acquireLock(path).release();
  rmSync(path);
  writeFileSync(path, 'this is no database, but long enough to be looked at as one'.repeat(20));
  expect(() => acquireLock(path)).toThrow(/not a database/);
  expect(() => acquireLock(folder)).not.toThrow(LockHeldError);
});
