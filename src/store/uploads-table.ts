import type { Database } from 'bun:sqlite';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';

const row = rowOf({ server: z.string(), sha256: z.string(), attempts: z.int() });

/** What the bot has put, or may have put, at file servers: written before it is sent there. */
export type UploadStore = {
  /** It is going there, to be deleted then (ms) if nothing comes of it. */
  readonly begin: (server: string, sha256: string, deleteAt: number) => void;
  /** Its message is in the outbox. */
  readonly sent: (server: string, sha256: string, deleteAt: number) => void;
  /** Those of an earlier life that were not sent are due. */
  readonly abandon: (now: number) => void;
  readonly due: (now: number, most: number) => readonly z.infer<typeof row>[];
  /** It is due then (again). */
  readonly later: (server: string, sha256: string, deleteAt: number) => void;
  readonly forget: (server: string, sha256: string) => void;
};

export function createUploadStore(db: Database): UploadStore {
  const sent = change(db, 'UPDATE uploads SET sent = 1, delete_at = ? WHERE server = ? AND sha256 = ?');
  const later = change(
    db,
    'UPDATE uploads SET attempts = attempts + 1, delete_at = ? WHERE server = ? AND sha256 = ?',
  );
  return {
    begin: change(
      db,
      'INSERT INTO uploads (server, sha256, delete_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    sent: (server, sha256, deleteAt) => void sent(deleteAt, server, sha256),
    abandon: change(db, 'UPDATE uploads SET delete_at = ? WHERE sent = 0'),
    due: select(
      db,
      'SELECT server, sha256, attempts FROM uploads WHERE delete_at <= ? ORDER BY delete_at LIMIT ?',
      row,
    ).all,
    later: (server, sha256, deleteAt) => void later(deleteAt, server, sha256),
    forget: change(db, 'DELETE FROM uploads WHERE server = ? AND sha256 = ?'),
  };
}
