import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { hashOf, type InviteCode, isSameHash } from '../access/invite-code.ts';
import { publicKeyColumn } from './nostr-columns.ts';

/** How long a code is good. */
export const inviteMs = 24 * 3_600_000;
/** Codes that are good at a time: each message of a stranger is held against all of them. */
export const mostInvites = 10;

/** A code that somebody may still use. The code itself is not known here. */
export type Invite = {
  readonly id: number;
  readonly createdBy: PublicKey;
  readonly createdAt: number;
  readonly expiresAt: number;
};

/** Invitations, in `bot.db`. What writes is to be part of the caller's transaction. */
export type InviteStore = {
  /** Codes that are good now, oldest first. */
  readonly open: () => readonly Invite[];
  readonly isAnyOpen: () => boolean;
  /** @throws RangeError when there are `mostInvites` already */
  readonly add: (code: InviteCode, by: PublicKey) => Invite;
  readonly cancel: (id: number) => void;
  /** The invitation that this code is good for now. */
  readonly find: (code: InviteCode) => Invite | undefined;
  /** Uses it up. False: it is not good any more. */
  readonly use: (id: number, by: PublicKey) => boolean;
  /** Whether there ever was such a code, good or not. */
  readonly knows: (code: InviteCode) => boolean;
};

const row = z
  .object({
    id: z.int(),
    hash: z.string(),
    created_by: publicKeyColumn,
    created_at: z.int(),
    expires_at: z.int(),
  })
  .transform(({ id, hash, created_by, created_at, expires_at }) => ({
    hash,
    invite: { id, createdBy: created_by, createdAt: created_at, expiresAt: expires_at } satisfies Invite,
  }));

export function createInviteStore(db: Database, clock: Clock): InviteStore {
  const good = 'used_by IS NULL AND cancelled_at IS NULL AND expires_at > ?';
  const select = db.query(
    `SELECT id, hash, created_by, created_at, expires_at FROM invites WHERE ${good} ORDER BY id`,
  );
  const any = db.query(`SELECT 1 FROM invites WHERE ${good} LIMIT 1`);
  const insert = db.query(
    'INSERT INTO invites (hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?) RETURNING *',
  );
  const cancel = db.query(
    'UPDATE invites SET cancelled_at = ? WHERE id = ? AND used_by IS NULL AND cancelled_at IS NULL',
  );
  const use = db.query(`UPDATE invites SET used_by = ?, used_at = ? WHERE id = ? AND ${good}`);
  const hashes = db.query<{ hash: string }, []>('SELECT hash FROM invites');
  const rows = () => select.all(clock.now()).map((found) => row.parse(found));
  return {
    open: () => rows().map(({ invite }) => invite),
    isAnyOpen: () => any.get(clock.now()) !== null,
    add: (code, by) => {
      if (rows().length >= mostInvites) throw new RangeError('too many invitations');
      return row.parse(insert.get(hashOf(code), by, clock.now(), clock.now() + inviteMs)).invite;
    },
    cancel: (id) => {
      cancel.run(clock.now(), id);
    },
    find: (code) => {
      const hash = hashOf(code);
      return rows().find((candidate) => isSameHash(candidate.hash, hash))?.invite;
    },
    use: (id, by) => use.run(by, clock.now(), id, clock.now()).changes === 1,
    knows: (code) => {
      const hash = hashOf(code);
      return hashes.all().some((candidate) => isSameHash(candidate.hash, hash));
    },
  };
}
