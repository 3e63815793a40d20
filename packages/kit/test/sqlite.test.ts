import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseTooNewError, isBusy, openDatabase, whenFree } from '../src/sqlite/index.ts';
import { holdDatabase } from './support/hold-database.ts';

const folders: string[] = [];
const newPath = () => {
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-'));
  folders.push(folder);
  return join(folder, 'home', 'some.db');
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const notes = 'CREATE TABLE notes (text TEXT NOT NULL) STRICT';
const open = (path: string) => openDatabase(path, [(db) => db.exec(notes)]);

test('a new database is its owner’s alone and knows what was done to it', () => {
  const path = newPath();
  const db = open(path);
  db.query('INSERT INTO notes VALUES (?)').run('kept');
  db.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  const second = (db: ReturnType<typeof open>) => db.exec("INSERT INTO notes VALUES ('of the second')");
  const again = openDatabase(path, [() => expect.unreachable(), second]);
  expect(again.query('SELECT text FROM notes').values()).toEqual([['kept'], ['of the second']]);
  again.close();
  expect(() => open(path)).toThrow(DatabaseTooNewError);
});

test('a migration that fails leaves the database as it was', () => {
  const path = newPath();
  open(path).close();
  const failing = (db: ReturnType<typeof open>) => {
    db.exec('DROP TABLE notes');
    throw new Error('no');
  };
  expect(() => openDatabase(path, [() => undefined, failing])).toThrow('no');
  const db = open(path);
  expect(db.query('SELECT * FROM notes').all()).toEqual([]);
  db.close();
});

test('what must not be lost is written as soon as nobody else holds the database', async () => {
  const path = newPath();
  const db = open(path);
  db.exec('PRAGMA busy_timeout=20');
  const add = (text: string) => () => db.query('INSERT INTO notes VALUES (?)').run(text);
  const soon = AbortSignal.timeout(20_000);
  const other = await holdDatabase(path);
  const written = whenFree(add('late'), soon);
  const given = whenFree(add('never'), AbortSignal.timeout(400));
  expect(isBusy(await given.catch((error: unknown) => error))).toBe(true);
  await other.release();
  await written;
  await whenFree(add('at once'), soon);
  expect(db.query('SELECT text FROM notes').all()).toEqual([{ text: 'late' }, { text: 'at once' }]);
  const broken = () => db.exec('no SQL');
  await expect(whenFree(broken, soon)).rejects.toThrow('syntax error');
  db.close();
});
