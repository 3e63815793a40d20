import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { InboundMessage, InboxStore, MessageLog, SharedFile } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { forgotten } from './forget-history.ts';
import { createMeta } from './meta-table.ts';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';
import { createSeenWrapStore, seeWrap } from './seen-wraps-table.ts';

const sharedFiles = z.array(
  z
    .object({
      url: z.string(),
      encryption: z.object({ key: z.string(), nonce: z.string() }).optional(),
      sha256: z.string().optional(),
      plainSha256: z.string().optional(),
    })
    .transform(
      ({ url, encryption, sha256, plainSha256 }): SharedFile => ({
        url,
        ...(encryption && { encryption }),
        ...(sha256 !== undefined && { sha256 }),
        ...(plainSha256 !== undefined && { plainSha256 }),
      }),
    ),
);
const columns = {
  seq: z.int(),
  id: eventIdColumn,
  sender: publicKeyColumn,
  protocol: z.enum(['nip17', 'nip04']),
  kind: z.literal([4, 5, 7, 14, 15]),
  text: z.string(),
  references: jsonText(z.array(eventIdColumn)),
  createdAt: z.int(),
  relay: relayUrlColumn,
  receivedAt: z.int(),
  files: z
    .string()
    .nullable()
    .transform((text) => (text === null ? undefined : sharedFiles.parse(JSON.parse(text)))),
};
const withoutNone = <Row extends { readonly files: readonly SharedFile[] | undefined }>({
  files,
  ...rest
}: Row) => ({
  ...rest,
  ...(files === undefined ? {} : { files }),
});
const row = rowOf(columns).transform(withoutNone);
const openRow = rowOf({ ...columns, state: z.enum(['received', 'acting']) }).transform(withoutNone);
const selectMessages = 'SELECT *, refs AS "references", created_at_s AS created_at FROM messages';

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

const wholeNumber = z.coerce.number();

/** So many messages apart, a deletion still finds what it deletes, and a message its like by the other protocol. */
const WITHIN = 500;

/** What became of each message. */
function createMessageLog(db: Database, guard: MessageGuard): MessageLog {
  const begin = change(db, "UPDATE messages SET state = 'acting' WHERE seq = ? AND state = 'received'");
  const finish = change(
    db,
    "UPDATE messages SET state = 'done' WHERE seq = ? AND state IN ('received', 'acting')",
  );
  const answered = change(db, 'UPDATE messages SET answered = ? WHERE seq = ?');
  const answeredOf = select(
    db,
    'SELECT answered FROM messages WHERE seq = ?',
    z.object({ answered: z.int() }),
  );
  const miss = change(db, "UPDATE messages SET state = 'missed' WHERE seq = ? AND state = 'received'");
  const stored = select(db, 'SELECT text FROM messages WHERE seq = ?', z.object({ text: z.string() }));
  const rewrite = change(db, 'UPDATE messages SET text = ? WHERE seq = ?');
  const latest = select(
    db,
    `${selectMessages} WHERE sender = ? AND kind IN (4, 14, 15) ORDER BY seq DESC LIMIT ?`,
    row,
  );
  // By the number alone, of which a bounded part is looked at.
  const deletion = select(
    db,
    'SELECT seq FROM messages WHERE seq > ? AND +sender = ? AND kind = 5 AND instr(refs, ?) > 0 LIMIT 1',
    z.object({ seq: z.int() }),
  );
  const around = select(
    db,
    `${selectMessages} WHERE seq BETWEEN ? AND ? AND +sender = ? AND kind IN (4, 14)
     AND created_at_s BETWEEN ? AND ? ORDER BY seq`,
    row,
  );
  const forgetSecrets = (seq: number, done: boolean): void => {
    const text = stored.one(seq)?.text ?? '';
    const left = guard.forget(text, done);
    if (left !== text) rewrite(left, seq);
  };
  return {
    begin: (seq) => begin(seq) === 1,
    answered: (seq, count) => void answered(count, seq),
    answeredOf: (seq) => answeredOf.one(seq)?.answered ?? 0,
    finish: (seq) => {
      finish(seq);
      forgetSecrets(seq, true);
    },
    miss: (seq) => {
      miss(seq);
      forgetSecrets(seq, false);
    },
    open: select(
      db,
      `${selectMessages} WHERE state IN ('received', 'acting') ORDER BY created_at_s, seq`,
      openRow,
    ).all,
    history: (sender, limit) => latest.all(sender, limit).toReversed(),
    missed: select(db, `${selectMessages} WHERE sender = ? AND seq = ? AND state = 'missed'`, row).one,
    near: ({ seq, sender, createdAt }, seconds) =>
      around.all(seq - WITHIN, seq + WITHIN, sender, createdAt - seconds, createdAt + seconds),
    isDeleted: ({ seq, sender, id }) => deletion.one(seq - WITHIN, sender, id) !== undefined,
    byId: select(db, `${selectMessages} WHERE sender = ? AND id = ?`, row).one,
  };
}

/** The inbound messages in `bot.db`. The first to open a database writes its `created_at`. */
export function createMessageStore(
  db: Database,
  clock: Clock,
  guard: MessageGuard = unguarded,
): InboxStore & MessageLog {
  const meta = createMeta(db);
  if (meta.get('created_at') === undefined) meta.set('created_at', String(clock.now()));
  const see = seeWrap(db);
  const isForgotten = forgotten(db);
  const add = select(
    db,
    `INSERT INTO messages (id, sender, protocol, kind, text, refs, created_at_s, relay, received_at, state, files)
     VALUES ($id, $sender, $protocol, $kind, $text, $refs, $createdAt, $relay, $receivedAt, $state, $files)
     ON CONFLICT (sender, id) DO NOTHING RETURNING seq`,
    z.object({ seq: z.int() }),
  );
  const insert = db.transaction((...[message, wrapId, state]: Parameters<InboxStore['insert']>) => {
    const receivedAt = clock.now();
    see(wrapId, receivedAt);
    if (isForgotten(message.id)) return undefined;
    const hidden = guard.hide(message);
    const text = state === 'missed' ? guard.forget(hidden, false) : hidden;
    const { references, files, aheadSeconds: _, isDatedNow: __, ...same } = { ...message, text };
    const lists = { refs: JSON.stringify(references), files: files && JSON.stringify(files) };
    const added = add.one({ ...same, ...lists, receivedAt, state });
    return added && { ...message, text, seq: added.seq, receivedAt };
  });
  return {
    createdAt: wholeNumber.parse(meta.get('created_at')),
    insert: (message, wrapId, state) => insert.immediate(message, wrapId, state),
    ...createSeenWrapStore(db, meta, clock),
    ...createMessageLog(db, guard),
  };
}
