import type { Database } from 'bun:sqlite';
import { change, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';

/** Single facts about a database. */
export type Meta = {
  readonly get: (key: string) => string | undefined;
  readonly set: (key: string, value: string) => void;
};

export function createMeta(db: Database): Meta {
  const found = select(db, 'SELECT value FROM meta WHERE key = ?', z.object({ value: z.string() }));
  return {
    get: (key) => found.one(key)?.value,
    set: change(db, 'INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)'),
  };
}
