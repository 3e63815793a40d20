import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { Owner, Role } from '../config/config.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const row = rowOf({
  publicKey: publicKeyColumn,
  role: z.enum(['admin', 'member']),
  addedBy: publicKeyColumn,
  addedAt: z.int(),
}).transform((owner): KnownOwner => ({ ...owner, source: 'command' }));
const columns = 'pubkey AS public_key, role, added_by, added_at';

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
  const stored = select(db, `SELECT ${columns} FROM owners WHERE pubkey = ?`, row);
  const allStored = select(db, `SELECT ${columns} FROM owners ORDER BY added_at, pubkey`, row);
  const upsert = change(
    db,
    `INSERT INTO owners (pubkey, role, added_by, added_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (pubkey) DO UPDATE SET role = excluded.role`,
  );

  const find = (publicKey: PublicKey): KnownOwner | undefined =>
    environment.get(publicKey) ?? stored.one(publicKey);
  return {
    roleOf: (publicKey) => find(publicKey)?.role,
    find,
    list: () => [
      ...environment.values(),
      ...allStored.all().filter(({ publicKey }) => !environment.has(publicKey)),
    ],
    put: (publicKey, role, by) => {
      upsert(publicKey, role, by, clock.now());
    },
    remove: change(db, 'DELETE FROM owners WHERE pubkey = ?'),
  };
}
