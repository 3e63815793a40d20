import type { Database } from 'bun:sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';

/** What was too long of the last long reply to each owner, until they ask for it. */
export type Rests = {
  /** Takes the place of what was kept before. */
  readonly keep: (owner: PublicKey, text: string) => void;
  /** It is gone with this. */
  readonly take: (owner: PublicKey) => string | undefined;
};

export function createRests(db: Database): Rests {
  const insert = db.query('INSERT OR REPLACE INTO rests (owner, text) VALUES (?, ?)');
  const remove = db.query<{ text: string }, [string]>('DELETE FROM rests WHERE owner = ? RETURNING text');
  return {
    keep: (owner, text) => {
      insert.run(owner, text);
    },
    take: (owner) => remove.get(owner)?.text,
  };
}
