/* Paths that a backup holds, on a machine where the same things are elsewhere. */
import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { parse } from 'dotenv';
import type { VariableName } from '../config/variables.ts';
import { assignment } from '../setup/env-text.ts';
import type { Move } from './read-move.ts';

/** The longest one that fits is what counts, of two of the same the first; what follows from another one is left out. */
export function inOrder(moves: readonly Move[]): readonly Move[] {
  const first = moves.filter(({ from }, index) => moves.findIndex((other) => other.from === from) === index);
  const sorted = first.toSorted((a, b) => b.from.length - a.from.length);
  return sorted.filter(({ from, to }, index) => movedPath(from, sorted.slice(index + 1)) !== to);
}

/** Where a path is now. @param moves `inOrder` */
export function movedPath(path: string, moves: readonly Move[]): string {
  const move = moves.find(({ from }) => path === from || path.startsWith(below(from)));
  if (move === undefined) return path;
  return path === move.from ? move.to : below(move.to) + path.slice(below(move.from).length);
}

/** What every path in a folder begins with, also of the root. */
const below = (folder: string): string => (folder.endsWith('/') ? folder : `${folder}/`);

/** Variables whose values are paths, or have some in them. */
const pathVariables: readonly VariableName[] = [
  'BOT_HOME',
  'BOT_WORKSPACE',
  'BOT_AGENT_PATHS',
  'OPENCODE_BIN',
  'CURSOR_BIN',
  'CASHU_WALLET_DIR',
  'CASHU_PASSPHRASE_FILE',
];

/**
 * Settings with their absolute paths moved; the lines that change are set anew at the end, where dotenv takes them from.
 * `~` and relative paths mean the new place by themselves.
 *
 * @param fixed values that these variables have in any case
 */
export function movedSettings(
  text: string,
  moves: readonly Move[],
  fixed: Partial<Record<VariableName, string>>,
): string {
  const values = parse(text);
  const lines = pathVariables.flatMap((name) => {
    const before = values[name];
    const after = fixed[name] ?? (before === undefined ? undefined : movedValue(before, moves));
    return after === undefined || after === before ? [] : [assignment(name, after)];
  });
  return lines.length === 0
    ? text
    : [text.trimEnd(), '', '# Where things are since restore:', ...lines, ''].join('\n');
}

/** `site=/a,api=/b`, `ro:/a,rw:/b`, or one path, which may hold commas itself. */
const movedValue = (value: string, moves: readonly Move[]): string => {
  if (value.trim().startsWith('/')) return movedPath(value.trim(), moves);
  return value
    .split(',')
    .map((entry) => {
      const [, before = '', path] = /^(\s*(?:[\w.-]+\s*=|r[ow]:)\s*)(\/.*)$/i.exec(entry) ?? [];
      return path === undefined ? entry : before + movedPath(path, moves);
    })
    .join(',');
};

type Column = readonly [table: string, column: string];

/** Of the bot's own database. */
export const botPaths: readonly Column[] = [
  ['sessions', 'directory'],
  ['worktrees', 'directory'],
  ['worktrees', 'workspace'],
];
/** Of opencode's: a session that is asked for from elsewhere than its own directory hangs. */
export const opencodePaths: readonly Column[] = [
  ['session', 'directory'],
  ['project', 'worktree'],
  ['project_directory', 'directory'],
  ['workspace', 'directory'],
];

/** Moves the paths in these columns, as far as there are such. */
export function movePathsIn(db: Database, columns: readonly Column[], moves: readonly Move[]): void {
  for (const [table, column] of columns) {
    if (!hasColumn(db, table, column)) continue;
    const when = moves.map(
      () => `WHEN ${column} = ? THEN ? WHEN substr(${column}, 1, ?) = ? THEN ? || substr(${column}, ?)`,
    );
    if (when.length === 0) continue;
    const values = moves.flatMap(({ from, to }) => {
      const start = below(from);
      // SQLite counts characters, and JavaScript halves of some.
      const length = [...start].length;
      return [from, to, length, start, below(to), length + 1];
    });
    db.query(`UPDATE OR IGNORE ${table} SET ${column} = CASE ${when.join(' ')} ELSE ${column} END`).run(
      ...values,
    );
  }
}

const hasColumn = (db: Database, table: string, column: string): boolean =>
  db.query('SELECT 1 FROM pragma_table_info(?) WHERE name = ?').get(table, column) !== null;

/**
 * The same in a database of an agent's program, which nobody trusts: nothing in it is run but what SQLite itself has.
 * @returns false: it can't be done, and the database is as it was
 */
export function movePathsInAgentStore(path: string, moves: readonly Move[]): boolean {
  if (!existsSync(path)) return true;
  try {
    const db = new Database(path, { readwrite: true });
    try {
      db.exec('PRAGMA trusted_schema=OFF');
      // What an agent has put there would be run with each change, and need never end.
      const ofTheirs = db.query("SELECT 1 FROM sqlite_master WHERE type = 'trigger'").get();
      if (ofTheirs !== null) return false;
      db.transaction(() => movePathsIn(db, opencodePaths, moves)).immediate();
    } finally {
      db.close();
    }
    return true;
  } catch (error) {
    if (errorCode(error)?.startsWith('SQLITE_') !== true) throw error;
    return false;
  }
}
