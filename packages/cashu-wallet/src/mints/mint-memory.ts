import type { GetInfoResponse, KeyChainCache } from '@cashu/cashu-ts';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Store } from '../store/wallet-database.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';

/** What a mint has said of itself, and when (ms). */
export type KnownMint = {
  readonly info: GetInfoResponse;
  readonly keys: KeyChainCache;
  readonly fetchedAt: number;
};

/** What is known of mints, on disk. */
export type MintMemory = {
  readonly recall: (mint: MintUrl) => KnownMint | undefined;
  /** @throws MintError `keyset-conflict` when it shows a keyset of another mint */
  readonly remember: (mint: MintUrl, now: KnownMint) => void;
  /** The mint has moved, and is accepted where it is now. Inside the transaction that moves what is kept of it. */
  readonly replace: (before: MintUrl, mint: MintUrl, now: KnownMint) => void;
};

export function createMintMemory({ db, write }: Store, clock: Clock, log: Logger): MintMemory {
  const known = new Map<MintUrl, KnownMint>();

  const recall = (mint: MintUrl): KnownMint | undefined => {
    const inMemory = known.get(mint);
    if (inMemory) return inMemory;
    const row = db
      .query<{ info: string | null; keys: string | null; fetched_at: number | null }, [string]>(
        'SELECT info, keys, fetched_at FROM mints WHERE url = ?',
      )
      .get(mint);
    if (!row?.info || !row.keys || row.fetched_at === null) return undefined;
    // Written by `remember` from what cashu-ts had checked; it checks keyset ids again when it loads them.
    const info = JSON.parse(row.info) as GetInfoResponse;
    const keys = JSON.parse(row.keys) as KeyChainCache;
    const found = { info, keys, fetchedAt: row.fetched_at };
    known.set(mint, found);
    return found;
  };

  /** The same keyset id at another mint would make the wallet use the same secrets twice. */
  const pin = (mint: MintUrl, keys: KeyChainCache): void => {
    for (const { id, unit, active, final_expiry: expiry } of keys.keysets) {
      db.query('INSERT OR IGNORE INTO keysets (id, mint, unit, seen_at) VALUES (?, ?, ?, ?)').run(
        id,
        mint,
        unit,
        clock.now(),
      );
      const owner = db
        .query<{ mint: string }, [string]>('SELECT mint FROM keysets WHERE id = ?')
        .get(id)?.mint;
      if (owner !== undefined && owner !== mint) {
        throw new MintError(mint, { kind: 'keyset-conflict', keyset: id, owner });
      }
      db.query('UPDATE keysets SET ends_at = ? WHERE id = ?').run(expiry ? expiry * 1000 : null, id);
      if (active) db.query('UPDATE keysets SET searched_at = NULL WHERE id = ?').run(id);
    }
  };

  const put = (mint: MintUrl, now: KnownMint): void => {
    pin(mint, now.keys);
    db.query(
      `INSERT INTO mints (url, info, keys, fetched_at) VALUES (?, ?, ?, ?) ON CONFLICT (url)
         DO UPDATE SET info = excluded.info, keys = excluded.keys, fetched_at = excluded.fetched_at`,
    ).run(mint, JSON.stringify(now.info), JSON.stringify(now.keys), now.fetchedAt);
  };

  return {
    recall,
    replace(before, mint, now) {
      put(mint, now);
      db.query('UPDATE mints SET accepted = 1 WHERE url = ?').run(mint);
      db.query('DELETE FROM mints WHERE url = ?').run(before);
      known.delete(before);
      // Read from the disk, once it is there.
      known.delete(mint);
    },
    remember(mint, now) {
      const before = recall(mint)?.info.pubkey;
      if (before !== now.info.pubkey && recall(mint)) {
        log.warn({ mint, before, now: now.info.pubkey }, 'a mint shows another public key');
      }
      write(() => put(mint, now));
      known.set(mint, now);
    },
  };
}
