import type { Database } from 'bun:sqlite';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { approvalRules } from '../backends/approval.ts';
import { modes } from '../backends/backend.ts';
import type { Session } from '../runs/run.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const row = rowOf({
  id: z.string(),
  owner: publicKeyColumn,
  workspace: z.string(),
  directory: z.string(),
  backend: z.string().min(1),
  mode: z.enum(modes),
  model: nullable(z.string()),
  approvals: nullable(z.enum(approvalRules)),
  provider: nullable(z.string()),
  backendSession: nullable(z.string()),
  title: z.string(),
  createdAt: z.int(),
  usedAt: z.int(),
});

export type SessionStore = {
  readonly insert: (session: Session) => void;
  readonly get: (id: string) => Session | undefined;
  /** Most recently used first; only those with at least one run, and the one named. */
  readonly list: (owner: PublicKey, limit: number, current: string | undefined) => readonly Session[];
  readonly update: (
    id: string,
    changed: Partial<
      Pick<
        Session,
        'directory' | 'mode' | 'model' | 'approvals' | 'provider' | 'backendSession' | 'title' | 'usedAt'
      >
    >,
  ) => void;
};

export function createSessionStore(db: Database): SessionStore {
  const insert = change(
    db,
    `INSERT INTO sessions (id, owner, workspace, directory, backend, mode, model, approvals, provider, backend_session, title, created_at, used_at)
     VALUES ($id, $owner, $workspace, $directory, $backend, $mode, $model, $approvals, $provider, $backendSession, $title, $createdAt, $usedAt)`,
  );
  const list = select(
    db,
    `SELECT * FROM sessions
     WHERE owner = $owner AND (id = $current OR backend_session IS NOT NULL OR EXISTS (SELECT 1 FROM runs WHERE runs.session = sessions.id))
     ORDER BY used_at DESC, created_at DESC LIMIT $limit`,
    row,
  );
  const update = change(
    db,
    `UPDATE sessions SET directory = $directory, mode = $mode, model = $model, approvals = $approvals, provider = $provider,
       backend_session = $backendSession, title = $title, used_at = $usedAt WHERE id = $id`,
  );
  const get = select(db, 'SELECT * FROM sessions WHERE id = ?', row).one;
  return {
    insert,
    get,
    list: (owner, limit, current) => list.all({ owner, limit, current }),
    update: (id, changed) => {
      const session = get(id);
      if (session === undefined) return;
      const { directory, mode, model, approvals, provider, backendSession, title, usedAt } = {
        ...session,
        ...changed,
      };
      update({ id, directory, mode, model, approvals, provider, backendSession, title, usedAt });
    },
  };
}
