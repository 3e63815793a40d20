import type { Database } from 'bun:sqlite';
import { OutputData } from '@cashu/cashu-ts';
import type { Seed } from '../crypto/seed.ts';

const key = 'fingerprint';
/** So many numbers are gone back, in each keyset, to find one that a proof was made of. */
const most = 3000;

/**
 * Whether a database is that of these words. What was written by this version says so; of an older one the proofs tell:
 * their secrets are made of the words and a number (NUT-13). `nobodys`: there is nothing yet in it that would be.
 */
export function whoseDatabase(db: Database, seed: Seed): 'ours' | 'others' | 'nobodys' {
  const said = signatureOf(db);
  if (said !== undefined) return said === seed.fingerprint ? 'ours' : 'others';
  const counters = db
    .query<{ keyset: string; next: number }, []>('SELECT keyset, next FROM counters WHERE next > 0')
    .all();
  let seen = false;
  for (const { keyset, next } of counters) {
    const secrets = new Set(
      db
        .query<{ secret: string }, [string]>(
          "SELECT json_extract(proof, '$.secret') AS secret FROM proofs WHERE keyset = ?",
        )
        .all(keyset)
        .map(({ secret }) => secret),
    );
    if (secrets.size === 0) continue;
    seen = true;
    for (let number = next - 1; number >= Math.max(0, next - most); number -= 1) {
      const { secret } = OutputData.createSingleDeterministicData(0, seed.bytes, number, keyset);
      if (secrets.has(new TextDecoder().decode(secret))) return 'ours';
    }
  }
  return seen ? 'others' : 'nobodys';
}

/** Whose it says that it is. undefined: it was written by an older version. */
export const signatureOf = (db: Database): string | undefined =>
  db.query<{ value: string }, [string]>('SELECT value FROM settings WHERE key = ?').get(key)?.value;

/** From now on the file says whose it is. */
export function signDatabase(db: Database, seed: Seed): void {
  db.query('INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING').run(
    key,
    seed.fingerprint,
  );
}
