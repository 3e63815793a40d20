import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey, Recipient } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const row = rowOf({
  seq: z.int(),
  recipient: publicKeyColumn,
  fallbackRelays: jsonText(z.array(relayUrlColumn)),
  replyTo: nullable(eventIdColumn),
  sha256: z.string(),
  facts: z.string(),
  attempts: z.int(),
}).transform(({ recipient, fallbackRelays, replyTo, ...file }) => ({
  ...file,
  to: {
    ...{ publicKey: recipient, protocol: 'nip17' as const, fallbackRelays },
    ...(replyTo === undefined ? {} : { inReplyTo: replyTo }),
  } satisfies Recipient,
}));

/** A file that is to be sent, and to whom. */
export type StoredFile = z.infer<typeof row>;

/** Files on their way: written with what announces them, gone with the message that carries them. */
export type OutgoingFileStore = {
  readonly add: (
    to: Recipient,
    file: { readonly sha256: string; readonly facts: string; readonly body: Uint8Array },
    now: number,
  ) => void;
  /** How many are on their way to somebody. */
  readonly count: (to: PublicKey) => number;
  /** Of each recipient the first that is due. */
  readonly due: (now: number) => readonly StoredFile[];
  readonly nextAfter: (now: number) => number | undefined;
  readonly body: (seq: number) => Uint8Array | undefined;
  /** It is tried again then (ms). */
  readonly later: (seq: number, at: number) => void;
  readonly remove: (seq: number) => void;
};

export function createOutgoingFileStore(db: Database): OutgoingFileStore {
  const add = change(
    db,
    `INSERT INTO outgoing_files (recipient, fallback_relays, reply_to, sha256, facts, next_at, body)
     VALUES ($recipient, $fallbackRelays, $replyTo, $sha256, $facts, $now, $body)`,
  );
  const count = select(
    db,
    'SELECT count(*) AS n FROM outgoing_files WHERE recipient = ?',
    z.object({ n: z.int() }),
  );
  const next = select(
    db,
    'SELECT next_at AS at FROM outgoing_files WHERE next_at > ? ORDER BY next_at LIMIT 1',
    z.object({ at: z.int() }),
  );
  const body = select(
    db,
    'SELECT body FROM outgoing_files WHERE seq = ?',
    z.object({ body: z.instanceof(Uint8Array) }),
  );
  const later = change(db, 'UPDATE outgoing_files SET attempts = attempts + 1, next_at = ?2 WHERE seq = ?1');
  return {
    add: (to, file, now) => {
      add({
        ...file,
        recipient: to.publicKey,
        fallbackRelays: JSON.stringify(to.fallbackRelays),
        replyTo: to.inReplyTo,
        now,
      });
    },
    count: (to) => count.one(to)?.n ?? 0,
    due: select(
      db,
      `SELECT min(seq) AS seq, recipient, fallback_relays, reply_to, sha256, facts, attempts
       FROM outgoing_files WHERE next_at <= ? GROUP BY recipient`,
      row,
    ).all,
    nextAfter: (now) => next.one(now)?.at,
    body: (seq) => body.one(seq)?.body,
    later: (seq, at) => void later(seq, at),
    remove: change(db, 'DELETE FROM outgoing_files WHERE seq = ?'),
  };
}
