import type { Database } from 'bun:sqlite';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';

/** So many rows are looked at in one transaction. */
const rowsAtOnce = 200;
/** The last messages of all stay, however old: deletions and twins by the other protocol are looked for among them. */
const keptMessages = 1_000;
/** Of a schedule that goes on so many runs are kept, however old: the next one is compared with the last answer. */
const keptOfSchedule = 20;

/** Forgets what is over and old, a part at a time. Each call is one short transaction. */
export type HistoryForgetter = {
  /**
   * Messages that are done with and came before `before` (ms): of each its id alone stays, for ever, so that it is not acted
   * on when a relay delivers it again. The last one of each sender stays: it says by which protocol they write.
   * @param from a number of a message: those up to it were looked at
   * @returns up to which message it has looked; undefined: there is nothing more that old
   */
  readonly messages: (before: number, from: number) => number | undefined;
  /** Runs that are done, since before `before`. @returns whether there may be more */
  readonly runs: (before: number) => boolean;
  /** What is known of files that a task has taken, and of voice notes, before `before`. @returns whether there may be more */
  readonly files: (before: number) => boolean;
};

/** Whether a message with this id was there and is forgotten. An id covers its sender. */
export const forgotten = (db: Database): ((id: string) => boolean) => {
  const found = select(
    db,
    'SELECT 1 AS found FROM forgotten_messages WHERE id = unhex(?)',
    z.object({ found: z.int() }),
  );
  return (id) => found.one(id) !== undefined;
};

export function createHistoryForgetter(db: Database): HistoryForgetter {
  // Whose times of a schedule are over stay known to it by `next_at`: it never goes back.
  const runs = change(
    db,
    `DELETE FROM runs WHERE seq IN (
       SELECT seq FROM runs AS old WHERE ended_at < $before AND state = 'done' AND (
         schedule IS NULL
         OR NOT EXISTS (SELECT 1 FROM schedules WHERE id = old.schedule AND state <> 'ended')
         OR EXISTS (SELECT 1 FROM runs AS later WHERE later.schedule = old.schedule
              AND later.due_at > coalesce(old.due_at, old.queued_at) LIMIT 1 OFFSET ${keptOfSchedule - 1}))
       LIMIT ${rowsAtOnce})`,
  );
  const files = change(
    db,
    `DELETE FROM shared_files WHERE id IN (
       SELECT id FROM shared_files WHERE run IS NOT NULL AND kept_at < ? LIMIT ${rowsAtOnce})`,
  );
  // What a note cost stays known as long as its message is there: it is not written down anew.
  const notes = change(
    db,
    `DELETE FROM voice_notes WHERE id IN (
       SELECT id FROM voice_notes AS note WHERE asked_at < ?
         AND NOT EXISTS (SELECT 1 FROM messages WHERE sender = note.owner AND id = note.message)
       LIMIT ${rowsAtOnce})`,
  );
  return {
    messages: forgetMessages(db),
    runs: (before) => runs({ before }) === rowsAtOnce,
    files: db.transaction((before: number) => {
      const [ofFiles, ofNotes] = [files(before), notes(before)];
      return ofFiles === rowsAtOnce || ofNotes === rowsAtOnce;
    }).immediate,
  };
}

/**
 * A relay may deliver a message again after any time, in the same wrap or in another, and what it is dated says nothing: one
 * without a date, or with one that lies ahead, is of the moment at which it comes. So its id goes into `forgotten_messages` in the
 * transaction that deletes it.
 */
function forgetMessages(db: Database): HistoryForgetter['messages'] {
  const range = select(
    db,
    `SELECT min(received_at) AS received_at, max(seq) AS last FROM
       (SELECT seq, received_at FROM messages WHERE seq > ? ORDER BY seq LIMIT ${rowsAtOnce})
     HAVING count(*) > 0`,
    rowOf({ receivedAt: z.int(), last: z.int() }),
  );
  const newest = select(
    db,
    `SELECT seq FROM messages ORDER BY seq DESC LIMIT 1 OFFSET ${keptMessages}`,
    z.object({ seq: z.int() }),
  );
  const old = `FROM messages AS old WHERE seq > $from AND seq <= $last AND state IN ('done', 'missed') AND received_at < $before
    AND EXISTS (SELECT 1 FROM messages AS later WHERE later.sender = old.sender AND later.seq > old.seq AND later.kind IN (4, 14, 15))`;
  const keepIds = change(db, `INSERT OR IGNORE INTO forgotten_messages (id) SELECT unhex(id) ${old}`);
  const remove = change(db, `DELETE ${old}`);
  return db.transaction((before: number, from: number): number | undefined => {
    const end = newest.one()?.seq ?? 0;
    const looked = range.one(from);
    if (looked === undefined || looked.receivedAt >= before || from >= end) return undefined;
    const which = { from, last: Math.min(looked.last, end), before };
    keepIds(which);
    remove(which);
    return which.last;
  }).immediate;
}
