import type { Database } from 'bun:sqlite';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import type { Owner, Role } from '../config.ts';
import type { PublicKey } from '../nostr/types.ts';

const ownerRow = z.object({
  pubkey: z.string().transform((value) => value as PublicKey),
  role: z.enum(['admin', 'member']),
});

export type KnownOwner = Owner & {
  /** `environment`: named in `BOT_OWNERS`, so only whoever runs the bot can change him. */
  readonly source: 'environment' | 'command';
};

/** Who may command the bot: `BOT_OWNERS`, and those whom an admin added. */
export type Owners = {
  readonly roleOf: (publicKey: PublicKey) => Role | undefined;
  readonly list: () => readonly KnownOwner[];
  readonly find: (publicKey: PublicKey) => KnownOwner | undefined;
  /** Adds an owner or changes his role. */
  readonly put: (publicKey: PublicKey, role: Role, by: PublicKey) => void;
  readonly remove: (publicKey: PublicKey) => void;
};

/**
 * Kept in memory, because every gift wrap of a stranger asks for it.
 * A role in `BOT_OWNERS` wins over one in the database.
 */
export function createOwners(db: Database, configured: readonly Owner[], clock: Clock): Owners {
  const known = new Map<PublicKey, KnownOwner>();
  for (const row of db.query('SELECT pubkey, role FROM owners ORDER BY added_at').all()) {
    const { pubkey, role } = ownerRow.parse(row);
    known.set(pubkey, { publicKey: pubkey, role, source: 'command' });
  }
  for (const owner of configured) known.set(owner.publicKey, { ...owner, source: 'environment' });

  const upsert = db.query(
    'INSERT OR REPLACE INTO owners (pubkey, role, added_by, added_at) VALUES (?, ?, ?, ?)',
  );
  const remove = db.query('DELETE FROM owners WHERE pubkey = ?');
  return {
    roleOf: (publicKey) => known.get(publicKey)?.role,
    list: () => [...known.values()].sort((a, b) => a.source.localeCompare(b.source) * -1),
    find: (publicKey) => known.get(publicKey),
    put: (publicKey, role, by) => {
      upsert.run(publicKey, role, by, clock.now());
      known.set(publicKey, { publicKey, role, source: 'command' });
    },
    remove: (publicKey) => {
      remove.run(publicKey);
      known.delete(publicKey);
    },
  };
}
