import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import type { NostrEvent, OutboxStore, Progress, RelayUrl, StoredOutgoing } from '@nostr-dm-agent/nostr';
import { isEvent } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const eventColumn = jsonText(z.custom<NostrEvent>(isEvent));
const state = z.enum(['pending', 'sent', 'undeliverable']);
const delivery = z.object({
  state: z.enum(['accepted', 'refused', 'failed', 'redate']),
  message: z.string(),
});

const openRow = z.object({
  seq: z.number(),
  recipient: publicKeyColumn,
  state,
  next_at: z.number(),
});

const row = openRow.extend({
  message_id: eventIdColumn,
  protocol: z.enum(['nip17', 'nip04']),
  content: z.enum(['text', 'reaction']),
  attempts: z.number(),
  next_at: nullable(z.number()),
  created_at: z.number(),
  fallback_relays: jsonText(z.array(relayUrlColumn)),
  deliveries: jsonText(z.record(z.string(), delivery)),
  event: eventColumn,
  seal: nullable(eventColumn),
});

export function createOutboxStore(db: Database): OutboxStore {
  const insert = db.query(`
    INSERT INTO outbox
      (message_id, recipient, protocol, content, state, next_at, created_at, fallback_relays, event, seal)
    VALUES (?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)`);
  const selectOpen = db.query(
    'SELECT seq, recipient, state, next_at FROM outbox WHERE next_at IS NOT NULL ORDER BY seq',
  );
  const select = db.query('SELECT * FROM outbox WHERE seq = ?');
  const update = db.query(`
    UPDATE outbox SET state = ?, deliveries = ?, attempts = ?, next_at = ? WHERE seq = ?`);
  const hurry = db.query(`UPDATE outbox SET next_at = ? WHERE state = 'pending'`);
  const count = db.query<{ pending: number; undeliverable: number }, []>(`
    SELECT (SELECT count(*) FROM outbox WHERE state = 'pending') AS pending,
           (SELECT count(*) FROM outbox WHERE state = 'undeliverable' AND content = 'text') AS undeliverable`);
  const advance = db.query<{ created_at_s: number }, [string, number, number]>(`
    INSERT INTO peer_clock (peer, created_at_s) VALUES (?1, ?2 + ?3 - 1)
    ON CONFLICT (peer) DO UPDATE SET created_at_s = max(created_at_s + 1, ?2) + ?3 - 1
    RETURNING created_at_s`);
  const prune = db.query(`
    DELETE FROM outbox
    WHERE (state = 'sent' AND created_at < ?) OR (state = 'undeliverable' AND created_at < ?)`);

  return {
    atomically: (change) => db.transaction(change).immediate(),
    insert: (messages, now) => {
      for (const message of messages) {
        insert.run(
          message.messageId,
          message.recipient,
          message.protocol,
          message.content,
          now,
          now,
          JSON.stringify(message.fallbackRelays),
          JSON.stringify(message.event),
          message.seal === undefined ? null : JSON.stringify(message.seal),
        );
      }
    },
    open: () =>
      selectOpen.all().map((found) => {
        const { next_at: nextAt, ...rest } = openRow.parse(found);
        return { ...rest, nextAt };
      }),
    get: (seq) => {
      const found = select.get(seq);
      return found === null ? undefined : toOutgoing(row.parse(found));
    },
    save: (seq, progress: Progress) => {
      update.run(
        progress.state,
        JSON.stringify(Object.fromEntries(progress.deliveries)),
        progress.attempts,
        progress.nextAt ?? null,
        seq,
      );
    },
    hurry: (now) => {
      hurry.run(now);
    },
    counts: () => {
      const counted = count.get();
      return { pending: counted?.pending ?? 0, undeliverableTexts: counted?.undeliverable ?? 0 };
    },
    takeTimestamps: (peer, nowSeconds, wanted) => {
      const last = advance.get(peer, nowSeconds, wanted)?.created_at_s ?? nowSeconds;
      return last - wanted + 1;
    },
    prune: (sentBefore, undeliverableBefore) => {
      prune.run(sentBefore, undeliverableBefore);
    },
  };
}

const toOutgoing = (found: z.infer<typeof row>): StoredOutgoing => ({
  seq: found.seq,
  messageId: found.message_id,
  recipient: found.recipient,
  protocol: found.protocol,
  content: found.content,
  state: found.state,
  attempts: found.attempts,
  nextAt: found.next_at,
  createdAt: found.created_at,
  fallbackRelays: found.fallback_relays,
  deliveries: new Map(Object.entries(found.deliveries).map(([url, said]) => [url as RelayUrl, said])),
  event: found.event,
  seal: found.seal,
});
