import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
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

const row = rowOf({
  id: z.int(),
  hash: z.string(),
  createdBy: publicKeyColumn,
  createdAt: z.int(),
  expiresAt: z.int(),
});
const withoutHash = ({ hash: _, ...invite }: z.infer<typeof row>): Invite => invite;

export function createInviteStore(db: Database, clock: Clock): InviteStore {
  const good = 'used_by IS NULL AND cancelled_at IS NULL AND expires_at > ?';
  const goodNow = select(db, `SELECT * FROM invites WHERE ${good} ORDER BY id`, row);
  const everMade = select(db, 'SELECT * FROM invites', row);
  const insert = select(
    db,
    'INSERT INTO invites (hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?) RETURNING *',
    row.transform(withoutHash),
  );
  const cancel = change(
    db,
    'UPDATE invites SET cancelled_at = ? WHERE id = ? AND used_by IS NULL AND cancelled_at IS NULL',
  );
  const use = change(db, `UPDATE invites SET used_by = ?, used_at = ? WHERE id = ? AND ${good}`);
  const open = () => goodNow.all(clock.now());
  const withCode = (code: InviteCode) => {
    const hash = hashOf(code);
    return (candidate: z.infer<typeof row>) => isSameHash(candidate.hash, hash);
  };
  return {
    open: () => open().map(withoutHash),
    isAnyOpen: () => goodNow.one(clock.now()) !== undefined,
    add: (code, by) => {
      if (open().length >= mostInvites) throw new RangeError('too many invitations');
      const made = insert.one(hashOf(code), by, clock.now(), clock.now() + inviteMs);
      if (made === undefined) throw new Error('the invitation was not stored');
      return made;
    },
    cancel: (id) => {
      cancel(clock.now(), id);
    },
    find: (code) => {
      const found = open().find(withCode(code));
      return found && withoutHash(found);
    },
    use: (id, by) => use(by, clock.now(), id, clock.now()) === 1,
    knows: (code) => everMade.all().some(withCode(code)),
  };
}
