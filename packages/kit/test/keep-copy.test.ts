/** Before a database is migrated for the first time it is copied: whoever wants to go back to the version before can. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseTooNewError, KeepCopyError, type Migration, openDatabase } from '../src/sqlite/index.ts';
import { notes } from './support/notes.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keep-copy-'));
  path = join(folder, 'notes.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const third: Migration = (db) =>
  db.exec(`ALTER TABLE notes ADD COLUMN more TEXT; UPDATE notes SET more = 'new'`);
const broken: Migration = (db) => {
  db.exec('DELETE FROM notes');
  throw new Error('this migration is broken');
};

/** A database of version 2 with these notes, as a program that was killed leaves it: its rows in the log beside it. */
function written(...texts: readonly string[]): void {
  const db = openDatabase(path, notes);
  for (const text of texts) db.query('INSERT INTO notes (text) VALUES (?)').run(text);
  db.close();
}
const textsIn = (file: string): readonly string[] => {
  const db = new Database(file, { readonly: true });
  try {
    return db
      .query<{ text: string }, []>('SELECT text FROM notes ORDER BY id')
      .all()
      .map(({ text }) => text);
  } finally {
    db.close();
  }
};
const versionOf = (file: string): number => {
  const db = new Database(file, { readonly: true });
  try {
    return db.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? -1;
  } finally {
    db.close();
  }
};
const files = (): readonly string[] =>
  readdirSync(folder)
    .filter((name) => !/-(wal|shm)$/.test(name))
    .toSorted();
const migrated = (): void => openDatabase(path, [...notes, third]).close();

describe('a copy is kept', () => {
  test('of an older database, as it was, for its owner’s eyes only, and the program that wrote it opens it', () => {
    written('one', 'two');
    migrated();
    const copy = `${path}.before-v3`;
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3']);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect([versionOf(path), versionOf(copy)]).toEqual([3, 2]);
    expect(textsIn(copy)).toEqual(['one', 'two']);
    const before = openDatabase(copy, notes);
    before.query('INSERT INTO notes (text) VALUES (?)').run('three');
    before.close();
    expect(textsIn(copy)).toEqual(['one', 'two', 'three']);
  });

  test('with what is in the log still, because its last program was killed', () => {
    const db = openDatabase(path, notes);
    db.exec('PRAGMA wal_autocheckpoint=0');
    db.query('INSERT INTO notes (text) VALUES (?)').run('in the log');
    // The file alone has none of it.
    expect(readFileSync(path).includes('in the log')).toBe(false);
    migrated();
    expect(textsIn(`${path}.before-v3`)).toEqual(['in the log']);
    db.close();
  });

  test('with its application id, of a database that is empty too', () => {
    const db = openDatabase(path, notes);
    db.exec('PRAGMA application_id=77');
    db.close();
    migrated();
    const copy = new Database(`${path}.before-v3`, { readonly: true });
    expect(copy.query('PRAGMA application_id').get()).toEqual({ application_id: 77 });
    copy.close();
  });

  test('for each version once: the next one gets its own', () => {
    written('one');
    migrated();
    openDatabase(path, [...notes, third, (db) => db.exec('DROP INDEX notes_by_text')]).close();
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3', 'notes.db.before-v4']);
    expect([versionOf(`${path}.before-v3`), versionOf(`${path}.before-v4`)]).toEqual([2, 3]);
  });
});

describe('no copy is kept', () => {
  test('of a new database, of one that is as new as the program, of one that is too new, or of one in memory', () => {
    written('one');
    openDatabase(path, notes).close();
    expect(() => openDatabase(path, notes.slice(0, 1))).toThrow(DatabaseTooNewError);
    openDatabase(':memory:', [...notes, third]).close();
    expect(files()).toEqual(['notes.db']);
    expect(readdirSync('.').filter((name) => name.includes('memory'))).toEqual([]);
  });
});

describe('when it goes wrong', () => {
  test('a migration that fails leaves the database as it was, and no copies, however often it is tried', () => {
    written('one');
    for (let times = 0; times < 3; times += 1) {
      expect(() => openDatabase(path, [...notes, broken])).toThrow('this migration is broken');
      written(`written meanwhile by the version before, ${times}`);
    }
    expect(files()).toEqual(['notes.db']);
    expect({ version: versionOf(path), notes: textsIn(path).length }).toEqual({ version: 2, notes: 4 });
    migrated();
    expect(textsIn(`${path}.before-v3`)).toEqual(textsIn(path));
  });

  test('a copy that an earlier try has left stays when the next one fails', async () => {
    written('one');
    migrated();
    writeFileSync(path, readFileSync(`${path}.before-v3`));
    rmSync(`${path}-wal`, { force: true });
    expect(() => openDatabase(path, [...notes, broken])).toThrow('this migration is broken');
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3']);
    expect(textsIn(`${path}.before-v3`)).toEqual(['one']);
  });

  test('a copy that is there is never overwritten: who went back and came again has both', () => {
    written('one');
    migrated();
    // Back to the version before, by hand, and on from there.
    rmSync(path);
    writeFileSync(path, readFileSync(`${path}.before-v3`));
    written('written after going back');
    migrated();
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3', 'notes.db.before-v3.2']);
    expect(textsIn(`${path}.before-v3`)).toEqual(['one']);
    expect(textsIn(`${path}.before-v3.2`)).toEqual(['one', 'written after going back']);
  });

  test('a file that somebody put there is left alone', () => {
    written('one');
    writeFileSync(`${path}.before-v3`, 'mine');
    migrated();
    expect(readFileSync(`${path}.before-v3`, 'utf8')).toBe('mine');
    expect(textsIn(`${path}.before-v3.2`)).toEqual(['one']);
  });

  test('half a copy that a kill has left is no copy, and is made anew', () => {
    written('one');
    writeFileSync(`${path}.before-v3.part`, 'half', { mode: 0o600 });
    migrated();
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3']);
    expect(textsIn(`${path}.before-v3`)).toEqual(['one']);
  });

  test('without a copy nothing is migrated, and the error says of which file', () => {
    written('one');
    // Nothing can be put there, not even by root.
    mkdirSync(join(`${path}.before-v3.part`, 'in the way'), { recursive: true });
    let failure: unknown;
    try {
      migrated();
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(KeepCopyError);
    expect(failure).toMatchObject({ path, copy: `${path}.before-v3` });
    expect({ version: versionOf(path), texts: textsIn(path) }).toEqual({ version: 2, texts: ['one'] });
    expect(openDatabase(path, notes).close()).toBeUndefined();
  });
});

describe('by processes', () => {
  const spawn = (how: 'die' | 'wait') =>
    Bun.spawn([process.execPath, join(import.meta.dir, 'support', 'migrating-process.ts'), path, how], {
      ...{ stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
    });

  test('one that is killed in the middle of a migration has its copy, and the next one goes on', async () => {
    written('one');
    const child = spawn('die');
    await child.exited;
    expect(child.signalCode).toBe('SIGKILL');
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3']);
    expect({ version: versionOf(path), texts: textsIn(path) }).toEqual({ version: 2, texts: ['one'] });
    migrated();
    expect(versionOf(path)).toBe(3);
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3']);
    expect(textsIn(`${path}.before-v3`)).toEqual(['one']);
  });

  test('of several that start at once one migrates, all open it, and there is one copy', async () => {
    written('one');
    const children = ['a', 'b', 'c'].map(() => spawn('wait'));
    const decoder = new TextDecoder();
    for (const { stdout } of children) {
      const reader = stdout.getReader();
      expect(decoder.decode((await reader.read()).value)).toBe('ready\n');
      reader.releaseLock();
    }
    for (const { stdin } of children) {
      stdin.write('go\n');
      await stdin.end();
    }
    for (const child of children) {
      expect({ code: await child.exited, said: await new Response(child.stderr).text() }).toEqual({
        code: 0,
        said: '',
      });
    }
    expect(versionOf(path)).toBe(3);
    expect(files()).toEqual(['notes.db', 'notes.db.before-v3']);
    expect(textsIn(`${path}.before-v3`)).toEqual(['one']);
  });
});
