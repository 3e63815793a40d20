import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { RelayListStore } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { relayUrlColumn } from './nostr-columns.ts';

const row = rowOf({
  relays: jsonText(z.array(relayUrlColumn)),
  createdAt: z.number(),
  freshUntil: z.number(),
});

export function createRelayListStore(db: Database): RelayListStore {
  const insert = change(
    db,
    `INSERT OR REPLACE INTO relay_lists (pubkey, kind, relays, event_created_at_s, fresh_until)
     VALUES (?, ?, ?, ?, ?)`,
  );
  return {
    get: select(
      db,
      `SELECT relays, event_created_at_s AS created_at, fresh_until FROM relay_lists
       WHERE pubkey = ? AND kind = ?`,
      row,
    ).one,
    set: (pubkey, kind, list) => {
      insert(pubkey, kind, JSON.stringify(list.relays), list.createdAt, list.freshUntil);
    },
  };
}
