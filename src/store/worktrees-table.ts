import type { Database } from 'bun:sqlite';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { publicKeyColumn } from './nostr-columns.ts';

/** `making`: not there yet, or not whole. `gone`: taken away, because all of it is in the workspace; its next task makes it anew. */
export const worktreeStates = ['making', 'ready', 'gone'] as const;

const row = rowOf({
  directory: z.string(),
  workspace: z.string(),
  branch: z.string(),
  owner: publicKeyColumn,
  state: z.enum(worktreeStates),
  mergeFrom: nullable(z.string()),
  mergeTo: nullable(z.string()),
  mergedAt: nullable(z.int()),
  createdAt: z.int(),
});

/** A git work tree of its own that a session works in. */
export type Worktree = {
  /** Its folder: the session's `directory`. */
  readonly directory: string;
  /** The directory of the workspace in whose repository it is. */
  readonly workspace: string;
  readonly branch: string;
  readonly owner: PublicKey;
  readonly state: (typeof worktreeStates)[number];
  /** The workspace is being brought from this commit to that one; both until that is known to be done. */
  readonly mergeFrom: string | undefined;
  readonly mergeTo: string | undefined;
  /** When it was last merged into the workspace (ms). */
  readonly mergedAt: number | undefined;
  readonly createdAt: number;
};

export type WorktreeStore = {
  readonly insert: (
    worktree: Pick<Worktree, 'directory' | 'workspace' | 'branch' | 'owner' | 'createdAt'>,
  ) => void;
  readonly at: (directory: string) => Worktree | undefined;
  readonly readyOf: (owner: PublicKey) => readonly Worktree[];
  readonly setState: (directory: string, state: Worktree['state']) => void;
  readonly merging: (directory: string, from: string, to: string) => void;
  /** @param at undefined: nothing was merged */
  readonly mergeOver: (directory: string, at: number | undefined) => void;
  /** Whether one was merged into this workspace since then (ms). */
  readonly hasMergedInto: (workspace: string, since: number) => boolean;
};

export function createWorktreeStore(db: Database): WorktreeStore {
  const at = select(db, 'SELECT * FROM worktrees WHERE directory = ?', row).one;
  const since = select(db, 'SELECT * FROM worktrees WHERE workspace = ? AND merged_at >= ? LIMIT 1', row).one;
  const over = change(
    db,
    `UPDATE worktrees SET merge_from = NULL, merge_to = NULL, merged_at = coalesce($mergedAt, merged_at)
     WHERE directory = $directory`,
  );
  return {
    insert: change(
      db,
      `INSERT INTO worktrees (directory, workspace, branch, owner, state, created_at)
       VALUES ($directory, $workspace, $branch, $owner, 'making', $createdAt)`,
    ),
    at,
    readyOf: select(db, "SELECT * FROM worktrees WHERE owner = ? AND state = 'ready'", row).all,
    setState: change(db, 'UPDATE worktrees SET state = ?2 WHERE directory = ?1'),
    merging: change(db, 'UPDATE worktrees SET merge_from = ?2, merge_to = ?3 WHERE directory = ?1'),
    mergeOver: (directory, mergedAt) => {
      over({ directory, mergedAt });
    },
    hasMergedInto: (workspace, from) => since(workspace, from) !== undefined,
  };
}
