import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { Owner, Role } from '../config/config.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const ownerRow = z
  .object({
    pubkey: publicKeyColumn,
    role: z.enum(['admin', 'member']),
    added_by: publicKeyColumn,
    added_at: z.int(),
  })
  .transform(
    ({ pubkey, role, added_by, added_at }): KnownOwner => ({
      publicKey: pubkey,
      role,
      source: 'command',
      addedBy: added_by,
      addedAt: added_at,
    }),
  );

export type KnownOwner = Owner &
  (
    | {
        /** Named in `BOT_OWNERS`, so only whoever runs the bot can change them. */
        readonly source: 'environment';
      }
    | {
        readonly source: 'command';
        /** The admin who added them, or whose invitation they used. */
        readonly addedBy: PublicKey;
        /** Unix milliseconds. */
        readonly addedAt: number;
      }
  );

/** Who may command the bot: `BOT_OWNERS`, and those whom an admin added. */
export type Owners = {
  readonly roleOf: (publicKey: PublicKey) => Role | undefined;
  readonly list: () => readonly KnownOwner[];
  readonly find: (publicKey: PublicKey) => KnownOwner | undefined;
  /** Adds an owner; or changes their role, and leaves who added them. */
  readonly put: (publicKey: PublicKey, role: Role, by: PublicKey) => void;
  readonly remove: (publicKey: PublicKey) => void;
};

/** A role in `BOT_OWNERS` wins over one in the database. */
export function createOwners(db: Database, configured: readonly Owner[], clock: Clock): Owners {
  const environment = new Map(
    configured.map((owner): [PublicKey, KnownOwner] => [
      owner.publicKey,
      { ...owner, source: 'environment' },
    ]),
  );
  const select = db.query('SELECT * FROM owners WHERE pubkey = ?');
  const selectAll = db.query('SELECT * FROM owners ORDER BY added_at, pubkey');
  const upsert = db.query(
    `INSERT INTO owners (pubkey, role, added_by, added_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (pubkey) DO UPDATE SET role = excluded.role`,
  );
  const remove = db.query('DELETE FROM owners WHERE pubkey = ?');

  const find = (publicKey: PublicKey): KnownOwner | undefined => {
    const row = select.get(publicKey);
    return environment.get(publicKey) ?? (row === null ? undefined : ownerRow.parse(row));
  };
  return {
    roleOf: (publicKey) => find(publicKey)?.role,
    find,
    list: () => [
      ...environment.values(),
      ...selectAll
        .all()
        .map((row) => ownerRow.parse(row))
        .filter(({ publicKey }) => !environment.has(publicKey)),
    ],
    put: (publicKey, role, by) => {
      upsert.run(publicKey, role, by, clock.now());
    },
    remove: (publicKey) => {
      remove.run(publicKey);
    },
  };
}
