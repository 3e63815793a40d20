import { Database, SQLiteError } from 'bun:sqlite';
import { z } from 'zod';

const sessionList = z.array(z.object({ id: z.string(), title: z.string() }));

/** The id of the session with this title in the output of `opencode session list --format json`. */
export const sessionByTitle = (output: string, title: string): string | undefined => {
  try {
    return sessionList.parse(JSON.parse(output)).find((session) => session.title === title)?.id;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
};

const directoryRow = z.object({ directory: z.string() }).nullable();

/**
 * The directory in which a session of opencode was made, from its own database; undefined when that cannot be told.
 * Resuming one from another directory makes opencode 1.18.33 hang without a word, after a paid request.
 */
export const sessionDirectory = (database: string, session: string): string | undefined => {
  let db: Database | undefined;
  try {
    db = new Database(database, { readonly: true });
    const row = db.query('SELECT directory FROM session WHERE id = ?').get(session);
    return directoryRow.parse(row)?.directory;
  } catch (error) {
    // Another version, another schema, no database yet: then opencode itself must say what is wrong.
    if (error instanceof SQLiteError || error instanceof z.ZodError) return undefined;
    throw error;
  } finally {
    db?.close();
  }
};
