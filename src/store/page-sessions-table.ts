import type { Database } from 'bun:sqlite';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PageSessionStore } from '@nostr-dm-agent/page';
import { z } from 'zod';
import { publicKeyColumn } from './nostr-columns.ts';

const row = rowOf({ hash: z.string(), publicKey: publicKeyColumn, madeAt: z.int(), usedAt: z.int() });

export function createPageSessionStore(db: Database): PageSessionStore {
  const insert = change(
    db,
    'INSERT INTO page_sessions (hash, public_key, made_at, used_at) VALUES ($hash, $publicKey, $madeAt, $usedAt)',
  );
  const find = select(db, 'SELECT * FROM page_sessions WHERE hash = ?', row);
  const noteUse = change(db, 'UPDATE page_sessions SET used_at = ? WHERE hash = ?');
  const remove = change(db, 'DELETE FROM page_sessions WHERE hash = ?');
  const removeOld = change(db, 'DELETE FROM page_sessions WHERE used_at < ? OR made_at < ?');
  return {
    add: (session) => void insert({ ...session }),
    find: (hash) => find.one(hash),
    noteUse: (hash, usedAt) => void noteUse(usedAt, hash),
    remove: (hash) => void remove(hash),
    removeOld: (usedBefore, madeBefore) => void removeOld(usedBefore, madeBefore),
  };
}
