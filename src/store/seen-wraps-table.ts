import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { change, select } from '@nostr-dm-agent/kit/sqlite';
import type { RelayUrl, SeenWrapStore } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { Meta } from './meta-table.ts';
import { eventIdColumn } from './nostr-columns.ts';

const caughtUpKey = (relay: RelayUrl) => `caught_up_at ${relay}`;
const wholeNumber = z.coerce.number();

/** Marks one wrap as looked at, in the caller's transaction. */
export const seeWrap = (db: Database) =>
  change(db, 'INSERT OR IGNORE INTO seen_wraps (id, seen_at) VALUES (?, ?)');

/** Gift wraps that were looked at, and up to when each relay was read. */
export function createSeenWrapStore(db: Database, meta: Meta, clock: Clock): SeenWrapStore {
  const see = seeWrap(db);
  const wrap = z.object({ id: eventIdColumn });
  const seen = select(db, 'SELECT id FROM seen_wraps WHERE id = ?', wrap);
  const newest = select(db, 'SELECT id FROM seen_wraps ORDER BY seen_at DESC LIMIT ?', wrap);
  return {
    hasSeen: (wrapId) => seen.one(wrapId) !== undefined,
    markSeen: db.transaction((wrapIds) => {
      const now = clock.now();
      for (const id of wrapIds) see(id, now);
    }).immediate,
    recentlySeen: (limit) =>
      newest
        .all(limit)
        .map(({ id }) => id)
        .reverse(),
    pruneSeen: change(db, 'DELETE FROM seen_wraps WHERE seen_at < ?'),
    caughtUpAt: (relay) => wholeNumber.optional().parse(meta.get(caughtUpKey(relay))),
    setCaughtUp: db.transaction((relays, at) => {
      for (const relay of relays) meta.set(caughtUpKey(relay), String(at));
    }).immediate,
  };
}
