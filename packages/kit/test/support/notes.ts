import type { Migration } from '../../src/sqlite/index.ts';

/** A small database, version by version. */
export const notes: readonly Migration[] = [
  (db) => db.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT'),
  (db) => db.exec('CREATE INDEX notes_by_text ON notes (text)'),
];
