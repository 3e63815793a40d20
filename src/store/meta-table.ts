import type { Database } from 'bun:sqlite';

/** Single facts about a database. */
export type Meta = {
  readonly get: (key: string) => string | undefined;
  readonly set: (key: string, value: string) => void;
};

export function createMeta(db: Database): Meta {
  const select = db.query<{ value: string }, [string]>('SELECT value FROM meta WHERE key = ?');
  const upsert = db.query('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  return {
    get: (key) => select.get(key)?.value,
    set: (key, value) => {
      upsert.run(key, value);
    },
  };
}
