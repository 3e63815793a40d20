import type { Database } from 'bun:sqlite';
import { change, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';

/** What was too long of the last long reply to each owner, until they ask for it. */
export type Rests = {
  /** Takes the place of what was kept before. */
  readonly keep: (owner: PublicKey, text: string) => void;
  /** It is gone with this. */
  readonly take: (owner: PublicKey) => string | undefined;
};

export function createRests(db: Database): Rests {
  const removed = select(
    db,
    'DELETE FROM rests WHERE owner = ? RETURNING text',
    z.object({ text: z.string() }),
  );
  return {
    keep: change(db, 'INSERT OR REPLACE INTO rests (owner, text) VALUES (?, ?)'),
    take: (owner) => removed.one(owner)?.text,
  };
}
