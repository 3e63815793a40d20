import type { Database } from 'bun:sqlite';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';

const row = rowOf({ server: z.string(), sha256: z.string(), attempts: z.int() });

/** What the bot has put, or may have put, at file servers: written before it is sent there. */
export type UploadStore = {
  /** It is going there. @returns false: it may be there since before */
  readonly begin: (server: string, sha256: string, now: number) => boolean;
  /** Its message is in the outbox. */
  readonly sent: (server: string, sha256: string, deleteAt: number) => void;
  /** What is to be deleted. What is still on its way is left alone, wherever a part of it may be. */
  readonly due: (now: number, most: number) => readonly z.infer<typeof row>[];
  /** It could not be deleted, and is due then (ms). */
  readonly later: (server: string, sha256: string, deleteAt: number) => void;
  readonly forget: (server: string, sha256: string) => void;
};

export function createUploadStore(db: Database): UploadStore {
  const begin = change(
    db,
    'INSERT INTO uploads (server, sha256, delete_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const sent = change(db, 'UPDATE uploads SET sent = 1, delete_at = ? WHERE server = ? AND sha256 = ?');
  const later = change(
    db,
    'UPDATE uploads SET attempts = attempts + 1, delete_at = ? WHERE server = ? AND sha256 = ?',
  );
  return {
    begin: (server, sha256, now) => begin(server, sha256, now) === 1,
    sent: (server, sha256, deleteAt) => void sent(deleteAt, server, sha256),
    due: select(
      db,
      `SELECT server, sha256, attempts FROM uploads WHERE delete_at <= ?
       AND NOT EXISTS (SELECT 1 FROM outgoing_files WHERE outgoing_files.sha256 = uploads.sha256)
       ORDER BY delete_at LIMIT ?`,
      row,
    ).all,
    later: (server, sha256, deleteAt) => void later(deleteAt, server, sha256),
    forget: change(db, 'DELETE FROM uploads WHERE server = ? AND sha256 = ?'),
  };
}
