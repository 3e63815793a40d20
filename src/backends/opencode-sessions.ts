import { join } from 'node:path';
import { z } from 'zod';
import { openNowhere } from './agent-folders.ts';
import type { Jail, Wall } from './jail/types.ts';
import { runShortCommand } from './short-command.ts';

const sessionList = z.array(z.object({ id: z.string(), title: z.string() }));

const parseJson = <T>(schema: z.ZodType<T>, text: string): T | undefined => {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
};

/** The id of the session with this title in the output of `opencode session list --format json`. */
export const sessionByTitle = (output: string, title: string): string | undefined =>
  parseJson(sessionList, output)?.find((session) => session.title === title)?.id;

const lookTimeoutMs = 5_000;
const look = `
import { Database } from 'bun:sqlite';
const [path, session] = process.argv.slice(2);
const database = new Database(path, { readwrite: true, create: false });
database.run('PRAGMA busy_timeout = 2000');
const row = database.query('SELECT directory FROM session WHERE id = ?').get(session);
if (row !== null) database.query('UPDATE session SET permission = NULL WHERE id = ? AND permission IS NOT NULL').run(session);
console.log(JSON.stringify(row));
`;
const directoryRow = z.object({ directory: z.string() });

/**
 * The directory in which a session of opencode was made, from its own database; undefined when that cannot be told.
 * Resuming one from another directory makes opencode 1.18.33 hang without a word, after a paid request. Agents can make
 * anything of that database, so it is opened in their jail, by a process with a time limit.
 *
 * What a server's runs were allowed in the session is taken out of it: a process of a run's own goes by its mode alone.
 */
export const sessionDirectory = async (
  jail: Jail,
  place: {
    readonly wall: Exclude<Wall, { kind: 'refused' }>;
    readonly botHome: string;
    readonly store: string;
  },
  session: string,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { wall, botHome, store } = place;
  const runId = crypto.randomUUID();
  const cell = await jail.open(wall, {
    runId,
    workspace: await openNowhere(botHome),
    writable: false,
    store,
  });
  try {
    const database = join(cell.store ?? '', 'opencode.db');
    const command = await cell.launch({
      file: process.execPath,
      args: [cell.textPath('look.ts'), database, session],
      ...{ environment: {}, endpoints: [], homeFiles: [], homeTexts: {}, texts: { 'look.ts': look } },
      hideCode: false,
      identity: undefined,
      serve: undefined,
      startIn: 'home',
    });
    // Another version, another schema, no database yet: then opencode itself must say what is wrong.
    const { output } = await runShortCommand(command, { runId, timeoutMs: lookTimeoutMs }, signal);
    return parseJson(directoryRow, output)?.directory;
  } finally {
    await cell.close();
  }
};
