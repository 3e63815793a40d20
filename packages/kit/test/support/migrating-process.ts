/*
 * Opens a database with one more version than it has, in a process of its own: `bun migrating-process.ts <path> <how>`.
 * `die`: is killed in the middle of the migration. `wait`: begins when a line comes on standard input.
 */
import type { Database } from 'bun:sqlite';
import { openDatabase } from '../../src/sqlite/index.ts';
import { notes } from './notes.ts';

const [, , path = '', how] = process.argv;
if (how === 'wait') {
  process.stdout.write('ready\n');
  await Bun.stdin.stream().getReader().read();
}
const db = openDatabase(path, [
  ...notes,
  (each: Database) => {
    each.exec('ALTER TABLE notes ADD COLUMN more TEXT');
    if (how === 'die') process.kill(process.pid, 'SIGKILL');
  },
]);
db.close();
