import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { jsonText } from '@nostr-dm-agent/kit/json';
import type {
  InboundMessage,
  InboxStore,
  MessageLog,
  PublicKey,
  RelayUrl,
  StoredMessage,
} from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { createMeta } from './meta-table.ts';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const row = z.object({
  seq: z.int(),
  id: eventIdColumn,
  sender: publicKeyColumn,
  protocol: z.enum(['nip17', 'nip04']),
  kind: z.literal([4, 5, 7, 14, 15]),
  text: z.string(),
  refs: jsonText(z.array(eventIdColumn)),
  created_at_s: z.int(),
  relay: relayUrlColumn,
  received_at: z.int(),
  state: z.enum(['received', 'acting', 'done', 'missed']),
});

const openState = z.enum(['received', 'acting']);

const toMessage = ({
  state: _,
  refs,
  created_at_s,
  received_at,
  ...same
}: z.infer<typeof row>): StoredMessage => ({
  ...same,
  references: refs,
  createdAt: created_at_s,
  receivedAt: received_at,
});

/** Keeps secrets in messages out of the database. */
export type MessageGuard = {
  /** The text as it is stored: what is secret in it is sealed. */
  readonly hide: (message: InboundMessage) => string;
  /**
   * The text as it stays. `done`: nobody will act on the message any more; else it came too late, and its sender may
   * still call it up.
   */
  readonly forget: (text: string, done: boolean) => string;
};

const unguarded: MessageGuard = { hide: ({ text }) => text, forget: (text) => text };

const caughtUpKey = (relay: RelayUrl) => `caught_up_at ${relay}`;

/** The inbound messages in `bot.db`. The first to open a database writes its `created_at`. */
export function createMessageStore(
  db: Database,
  clock: Clock,
  guard: MessageGuard = unguarded,
): InboxStore & MessageLog {
  const meta = createMeta(db);
  if (meta.get('created_at') === undefined) meta.set('created_at', String(clock.now()));
  const createdAt = z.coerce.number().parse(meta.get('created_at'));

  const see = db.query<null, [string, number]>(
    'INSERT OR IGNORE INTO seen_wraps (id, seen_at) VALUES (?, ?)',
  );
  const seen = db.query<{ id: string }, [string]>('SELECT id FROM seen_wraps WHERE id = ?');
  const newestSeen = db.query<{ id: string }, [number]>(
    'SELECT id FROM seen_wraps ORDER BY seen_at DESC LIMIT ?',
  );
  const forget = db.query<null, [number]>('DELETE FROM seen_wraps WHERE seen_at < ?');

  const add = db.query(
    `INSERT INTO messages (id, sender, protocol, kind, text, refs, created_at_s, relay, received_at, state)
     VALUES ($id, $sender, $protocol, $kind, $text, $refs, $createdAt, $relay, $receivedAt, $state)
     ON CONFLICT (sender, id) DO NOTHING RETURNING seq`,
  );
  const begin = db.query<null, [number]>(
    `UPDATE messages SET state = 'acting' WHERE seq = ? AND state = 'received'`,
  );
  const finish = db.query<null, [number]>(
    `UPDATE messages SET state = 'done' WHERE seq = ? AND state IN ('received', 'acting')`,
  );
  const miss = db.query<null, [number]>(
    `UPDATE messages SET state = 'missed' WHERE seq = ? AND state = 'received'`,
  );
  const textOf = db.query<{ text: string }, [number]>('SELECT text FROM messages WHERE seq = ?');
  const rewrite = db.query<null, [string, number]>('UPDATE messages SET text = ? WHERE seq = ?');
  const forgetSecrets = (seq: number, done: boolean): void => {
    const text = textOf.get(seq)?.text ?? '';
    const left = guard.forget(text, done);
    if (left !== text) rewrite.run(left, seq);
  };
  const open = db.query<unknown, []>(
    `SELECT * FROM messages WHERE state IN ('received', 'acting') ORDER BY created_at_s, seq`,
  );
  const latest = db.query<unknown, [PublicKey, number]>(
    'SELECT * FROM messages WHERE sender = ? AND kind IN (4, 14, 15) ORDER BY seq DESC LIMIT ?',
  );
  const bySenderAndId = db.query<unknown, [string, string]>(
    'SELECT * FROM messages WHERE sender = ? AND id = ?',
  );

  const missedBySeq = db.query<unknown, [string, number]>(
    `SELECT * FROM messages WHERE sender = ? AND seq = ? AND state = 'missed'`,
  );

  const insert = db.transaction((...[message, wrapId, state]: Parameters<InboxStore['insert']>) => {
    const receivedAt = clock.now();
    see.run(wrapId, receivedAt);
    const hidden = guard.hide(message);
    const text = state === 'missed' ? guard.forget(hidden, false) : hidden;
    const { references, ...columns } = { ...message, text };
    const added = z
      .object({ seq: z.int() })
      .nullable()
      .parse(add.get({ ...columns, refs: JSON.stringify(references), receivedAt, state }));
    return added === null ? undefined : { ...message, text, seq: added.seq, receivedAt };
  });

  return {
    createdAt,
    insert: (message, wrapId, state) => insert.immediate(message, wrapId, state),
    hasSeen: (wrapId) => seen.get(wrapId) !== null,
    markSeen: db.transaction((wrapIds) => {
      const now = clock.now();
      for (const id of wrapIds) see.run(id, now);
    }).immediate,
    recentlySeen: (limit) =>
      newestSeen
        .all(limit)
        .map(({ id }) => eventIdColumn.parse(id))
        .reverse(),
    pruneSeen: (before) => {
      forget.run(before);
    },
    caughtUpAt: (relay) =>
      z.coerce
        .number()
        .optional()
        .parse(meta.get(caughtUpKey(relay))),
    setCaughtUp: db.transaction((relays, at) => {
      for (const relay of relays) meta.set(caughtUpKey(relay), String(at));
    }).immediate,
    begin: (seq) => begin.run(seq).changes === 1,
    finish: (seq) => {
      finish.run(seq);
      forgetSecrets(seq, true);
    },
    miss: (seq) => {
      miss.run(seq);
      forgetSecrets(seq, false);
    },
    open: () =>
      open.all().map((found) => {
        const parsed = row.parse(found);
        return { ...toMessage(parsed), state: openState.parse(parsed.state) };
      }),
    history: (sender, limit) =>
      latest
        .all(sender, limit)
        .map((found) => toMessage(row.parse(found)))
        .reverse(),
    missed: (sender, seq) => {
      const found = missedBySeq.get(sender, seq);
      return found === null ? undefined : toMessage(row.parse(found));
    },
    byId: (sender, id) => {
      const found = bySenderAndId.get(sender, id);
      return found === null ? undefined : toMessage(row.parse(found));
    },
  };
}
