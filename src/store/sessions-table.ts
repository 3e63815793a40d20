import type { Database } from 'bun:sqlite';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { backendNames, modes } from '../backends/backend.ts';
import type { Session } from '../runs/run.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const sessionRow = z
  .object({
    id: z.string(),
    owner: publicKeyColumn,
    workspace: z.string(),
    directory: z.string(),
    backend: z.enum(backendNames),
    mode: z.enum(modes),
    model: nullable(z.string()),
    provider: nullable(z.string()),
    backend_session: nullable(z.string()),
    title: z.string(),
    created_at: z.int(),
    used_at: z.int(),
  })
  .transform(
    ({ backend_session, created_at, used_at, ...rest }): Session => ({
      ...rest,
      backendSession: backend_session,
      createdAt: created_at,
      usedAt: used_at,
    }),
  );

export type SessionStore = {
  readonly insert: (session: Session) => void;
  readonly get: (id: string) => Session | undefined;
  /** Most recently used first; only those with at least one run, and the one named. */
  readonly list: (owner: PublicKey, limit: number, current: string | undefined) => readonly Session[];
  readonly update: (
    id: string,
    change: Partial<Pick<Session, 'mode' | 'model' | 'provider' | 'backendSession' | 'title' | 'usedAt'>>,
  ) => void;
};

export function createSessionStore(db: Database): SessionStore {
  const insert = db.query(
    `INSERT INTO sessions (id, owner, workspace, directory, backend, mode, model, provider, backend_session, title, created_at, used_at)
     VALUES ($id, $owner, $workspace, $directory, $backend, $mode, $model, $provider, $backendSession, $title, $createdAt, $usedAt)`,
  );
  const write = (session: Session) => ({
    ...session,
    model: session.model ?? null,
    provider: session.provider ?? null,
    backendSession: session.backendSession ?? null,
  });
  const select = db.query('SELECT * FROM sessions WHERE id = ?');
  const list = db.query(
    `SELECT * FROM sessions
     WHERE owner = $owner AND (id = $current OR EXISTS (SELECT 1 FROM runs WHERE runs.session = sessions.id))
     ORDER BY used_at DESC, created_at DESC LIMIT $limit`,
  );
  const update = db.query(
    `UPDATE sessions SET mode = $mode, model = $model, provider = $provider,
       backend_session = $backendSession, title = $title, used_at = $usedAt WHERE id = $id`,
  );
  const get = (id: string): Session | undefined => {
    const row = select.get(id);
    return row === null ? undefined : sessionRow.parse(row);
  };
  return {
    insert: (session) => {
      insert.run(write(session));
    },
    get,
    list: (owner, limit, current) =>
      list.all({ owner, limit, current: current ?? null }).map((row) => sessionRow.parse(row)),
    update: (id, change) => {
      const session = get(id);
      if (session === undefined) return;
      const { mode, model, provider, backendSession, title, usedAt } = write({ ...session, ...change });
      update.run({ id, mode, model, provider, backendSession, title, usedAt });
    },
  };
}
