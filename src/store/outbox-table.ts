import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { NostrEvent, OutboxStore, RelayUrl, StoredOutgoing } from '@nostr-dm-agent/nostr';
import { isEvent } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const eventColumn = jsonText(z.custom<NostrEvent>(isEvent));
const state = z.enum(['pending', 'sent', 'undeliverable']);
const delivery = z.object({
  state: z.enum(['accepted', 'refused', 'failed', 'redate']),
  message: z.string(),
});

const row = rowOf({
  ...{ seq: z.number(), recipient: publicKeyColumn, state },
  messageId: eventIdColumn,
  protocol: z.enum(['nip17', 'nip04']),
  content: z.enum(['text', 'reaction']),
  attempts: z.number(),
  nextAt: nullable(z.number()),
  createdAt: z.number(),
  fallbackRelays: jsonText(z.array(relayUrlColumn)),
  deliveries: jsonText(z.record(z.string(), delivery)).transform(
    (said): StoredOutgoing['deliveries'] =>
      new Map(Object.entries(said).map(([url, result]) => [url as RelayUrl, result])),
  ),
  event: eventColumn,
  seal: nullable(eventColumn),
});

export function createOutboxStore(db: Database): OutboxStore {
  const insert = change(
    db,
    `INSERT INTO outbox
      (message_id, recipient, protocol, content, state, next_at, created_at, fallback_relays, event, seal)
     VALUES ($messageId, $recipient, $protocol, $content, 'pending', $now, $now, $fallbackRelays, $event, $seal)`,
  );
  const update = change(
    db,
    'UPDATE outbox SET state = ?, deliveries = ?, attempts = ?, next_at = ? WHERE seq = ?',
  );
  const count = select(
    db,
    `SELECT (SELECT count(*) FROM outbox WHERE state = 'pending') AS pending,
            (SELECT count(*) FROM outbox WHERE state = 'undeliverable' AND content = 'text') AS undeliverable_texts`,
    rowOf({ pending: z.number(), undeliverableTexts: z.number() }),
  );
  const advance = select(
    db,
    `INSERT INTO peer_clock (peer, created_at_s) VALUES (?1, ?2 + ?3 - 1)
     ON CONFLICT (peer) DO UPDATE SET created_at_s = max(created_at_s + 1, ?2) + ?3 - 1
     RETURNING created_at_s AS last`,
    z.object({ last: z.number() }),
  );

  const addAll: OutboxStore['insert'] = (messages, now) => {
    for (const { messageId, recipient, protocol, content, fallbackRelays, event, seal } of messages) {
      insert({
        messageId,
        recipient,
        protocol,
        content,
        now,
        fallbackRelays: JSON.stringify(fallbackRelays),
        event: JSON.stringify(event),
        seal: seal && JSON.stringify(seal),
      });
    }
  };
  const recipients = select(
    db,
    'SELECT DISTINCT recipient FROM outbox WHERE next_at <= ?',
    z.object({ recipient: publicKeyColumn }),
  );
  const due = select(
    db,
    `SELECT seq FROM outbox WHERE next_at IS NOT NULL AND recipient = ?1
       AND (next_at <= ?2 OR (state = 'pending' AND EXISTS (SELECT 1 FROM outbox AS first
         WHERE first.next_at IS NOT NULL AND first.recipient = ?1 AND first.state = 'pending' AND first.next_at <= ?2)))
     ORDER BY seq LIMIT ?3`,
    z.object({ seq: z.number() }),
  );
  const next = select(
    db,
    'SELECT next_at AS at FROM outbox WHERE next_at > ? ORDER BY next_at LIMIT 1',
    z.object({ at: z.number() }),
  );
  const known = select(db, 'SELECT seq FROM outbox WHERE message_id = ?', z.object({ seq: z.number() }));
  const remove = change(db, 'DELETE FROM outbox WHERE seq = ?');
  const replace = db.transaction((...[seq, messages, now]: Parameters<OutboxStore['replace']>) => {
    remove(seq);
    addAll(messages, now);
  });

  return {
    replace: (seq, messages, now) => replace.immediate(seq, messages, now),
    atomically: (work) => db.transaction(work).immediate(),
    insert: addAll,
    dueRecipients: (now) => recipients.all(now).map(({ recipient }) => recipient),
    due: (recipient, now, most) => due.all(recipient, now, most).map(({ seq }) => seq),
    nextDueAfter: (now) => next.one(now)?.at,
    byMessageId: select(db, 'SELECT * FROM outbox WHERE message_id = ?', row).one,
    knows: (messageId) => known.one(messageId) !== undefined,
    get: select(db, 'SELECT * FROM outbox WHERE seq = ?', row).one,
    save: (seq, progress) => {
      const deliveries = JSON.stringify(Object.fromEntries(progress.deliveries));
      update(progress.state, deliveries, progress.attempts, progress.nextAt, seq);
    },
    hurry: change(db, "UPDATE outbox SET next_at = ? WHERE state = 'pending'"),
    counts: () => count.one() ?? { pending: 0, undeliverableTexts: 0 },
    takeTimestamps: (peer, nowSeconds, wanted) =>
      (advance.one(peer, nowSeconds, wanted)?.last ?? nowSeconds) - wanted + 1,
    prune: change(
      db,
      `DELETE FROM outbox
       WHERE (state = 'sent' AND created_at < ?) OR (state = 'undeliverable' AND created_at < ?)`,
    ),
  };
}
