import type { Database } from 'bun:sqlite';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { eventIdColumn, publicKeyColumn } from './nostr-columns.ts';

const row = rowOf({
  owner: publicKeyColumn,
  message: eventIdColumn,
  place: z.int(),
  directory: z.string(),
  path: z.string(),
  mime: z.string(),
  size: z.int(),
  keptAt: z.int(),
  askedAt: nullable(z.int()),
});

/** A file that an owner sent, in the inbox of a workspace. */
export type KeptFile = {
  readonly owner: PublicKey;
  /** The message that it came with, and which of its files it is. */
  readonly message: EventId;
  readonly place: number;
  readonly directory: string;
  /** Within the workspace. */
  readonly path: string;
  readonly mime: string;
  /** Bytes. */
  readonly size: number;
  readonly keptAt: number;
  readonly askedAt: number | undefined;
};

export type SharedFileStore = {
  /** One that is there already, of a message that was fetched again, stays. */
  readonly keep: (file: Omit<KeptFile, 'askedAt'>) => void;
  readonly has: (owner: PublicKey, message: EventId, place: number) => boolean;
  /** Those of an owner that no task has taken, since then (ms). */
  readonly waiting: (owner: PublicKey, since: number) => readonly KeptFile[];
  /** Those of everybody about which nobody was asked yet. */
  readonly unasked: () => readonly KeptFile[];
  readonly asked: (owner: PublicKey, at: number) => void;
  readonly take: (file: KeptFile, run: string) => void;
  /** What a run had taken that did not begin waits for the next one. */
  readonly giveBack: (run: string) => void;
};

export function createSharedFileStore(db: Database): SharedFileStore {
  const has = select(
    db,
    'SELECT place FROM shared_files WHERE owner = ? AND message = ? AND place = ?',
    z.object({ place: z.int() }),
  );
  const take = change(db, 'UPDATE shared_files SET run = ? WHERE owner = ? AND message = ? AND place = ?');
  return {
    keep: change(
      db,
      `INSERT INTO shared_files (owner, message, place, directory, path, mime, size, kept_at)
       VALUES ($owner, $message, $place, $directory, $path, $mime, $size, $keptAt) ON CONFLICT DO NOTHING`,
    ),
    has: (owner, message, place) => has.one(owner, message, place) !== undefined,
    waiting: select(
      db,
      'SELECT * FROM shared_files WHERE owner = ? AND run IS NULL AND kept_at >= ? ORDER BY kept_at, place',
      row,
    ).all,
    unasked: select(db, 'SELECT * FROM shared_files WHERE run IS NULL AND asked_at IS NULL ORDER BY id', row)
      .all,
    asked: change(
      db,
      'UPDATE shared_files SET asked_at = ?2 WHERE owner = ?1 AND run IS NULL AND asked_at IS NULL',
    ),
    giveBack: change(db, 'UPDATE shared_files SET run = NULL WHERE run = ?'),
    take: ({ owner, message, place }, run) => {
      take(run, owner, message, place);
    },
  };
}
