import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import type { RelayListStore } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { relayUrlColumn } from './nostr-columns.ts';

const row = z.object({
  relays: jsonText(z.array(relayUrlColumn)),
  event_created_at_s: z.number(),
  fresh_until: z.number(),
});

export function createRelayListStore(db: Database): RelayListStore {
  const select = db.query(
    'SELECT relays, event_created_at_s, fresh_until FROM relay_lists WHERE pubkey = ? AND kind = ?',
  );
  const upsert = db.query(`
    INSERT OR REPLACE INTO relay_lists (pubkey, kind, relays, event_created_at_s, fresh_until)
    VALUES (?, ?, ?, ?, ?)`);
  return {
    get: (pubkey, kind) => {
      const found = select.get(pubkey, kind);
      if (found === null) return undefined;
      const { relays, event_created_at_s: createdAt, fresh_until: freshUntil } = row.parse(found);
      return { relays, createdAt, freshUntil };
    },
    set: (pubkey, kind, list) => {
      upsert.run(pubkey, kind, JSON.stringify(list.relays), list.createdAt, list.freshUntil);
    },
  };
}
