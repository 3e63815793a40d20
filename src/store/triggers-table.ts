import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { Trigger } from '../schedules/schedule.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const row = rowOf({ publicKey: publicKeyColumn, owner: publicKeyColumn, addedAt: z.int() });
const columns = 'pubkey AS public_key, owner, added_at';

/** Which machines may start named tasks, and whose. */
export type TriggerStore = {
  readonly find: (publicKey: PublicKey) => Trigger | undefined;
  readonly list: () => readonly Trigger[];
  /** Adds one; one that there is becomes this owner's. */
  readonly put: (publicKey: PublicKey, owner: PublicKey) => void;
  readonly remove: (publicKey: PublicKey) => boolean;
  readonly removeOf: (owner: PublicKey) => void;
};

export function createTriggerStore(db: Database, clock: Clock): TriggerStore {
  const upsert = change(
    db,
    `INSERT INTO triggers (pubkey, owner, added_at) VALUES (?, ?, ?)
     ON CONFLICT (pubkey) DO UPDATE SET owner = excluded.owner`,
  );
  const remove = change(db, 'DELETE FROM triggers WHERE pubkey = ?');
  return {
    find: select(db, `SELECT ${columns} FROM triggers WHERE pubkey = ?`, row).one,
    list: select(db, `SELECT ${columns} FROM triggers ORDER BY added_at, pubkey`, row).all,
    put: (publicKey, owner) => {
      upsert(publicKey, owner, clock.now());
    },
    remove: (publicKey) => remove(publicKey) > 0,
    removeOf: change(db, 'DELETE FROM triggers WHERE owner = ?'),
  };
}
