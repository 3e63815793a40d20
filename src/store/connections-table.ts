import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import {
  type Connection,
  type ConnectionStore,
  connectionKinds,
  connectionStatuses,
} from '../keys/connection.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const row = z
  .object({
    owner: publicKeyColumn,
    provider: z.string().min(1),
    kind: z.enum(connectionKinds),
    credential: nullable(z.string().startsWith('sealed')),
    status: z.enum(connectionStatuses),
    error: nullable(z.string()),
    used_at: nullable(z.int()),
    created_at: z.int(),
    updated_at: z.int(),
    replacement: nullable(z.string().startsWith('sealed')),
    replacement_at: nullable(z.int()),
  })
  .transform(
    ({ used_at, created_at, updated_at, replacement, replacement_at, ...rest }): Connection => ({
      ...rest,
      usedAt: used_at,
      createdAt: created_at,
      updatedAt: updated_at,
      replacement:
        replacement === undefined || replacement_at === undefined
          ? undefined
          : { credential: replacement, at: replacement_at },
    }),
  );

/** Owners' connections to providers, in `bot.db`. */
export function createConnectionStore(db: Database, clock: Clock): ConnectionStore {
  const select = db.query('SELECT * FROM provider_connections WHERE owner = ? AND provider = ?');
  const ofOwner = db.query('SELECT * FROM provider_connections WHERE owner = ? ORDER BY provider');
  const everybodys = db.query('SELECT * FROM provider_connections ORDER BY owner, provider');
  const put = db.query(
    `INSERT INTO provider_connections (owner, provider, kind, credential, status, error, created_at, updated_at)
     VALUES ($owner, $provider, $kind, $credential, 'connected', $error, $now, $now)
     ON CONFLICT (owner, provider) DO UPDATE SET kind = $kind, credential = $credential, status = 'connected',
       error = $error, used_at = NULL, created_at = $now, updated_at = $now, replacement = NULL, replacement_at = NULL`,
  );
  const propose = db.query(
    `UPDATE provider_connections SET replacement = $credential, replacement_at = $now
     WHERE owner = $owner AND provider = $provider AND status <> 'revoked'`,
  );
  const reseal = db.query(
    `UPDATE provider_connections SET credential = $credential, replacement = NULL, replacement_at = NULL,
       updated_at = $now
     WHERE owner = $owner AND provider = $provider AND status <> 'revoked'`,
  );
  const mark = db.query(
    `UPDATE provider_connections SET status = $status, error = $error, updated_at = $now
     WHERE owner = $owner AND provider = $provider AND status <> 'revoked'`,
  );
  const used = db.query('UPDATE provider_connections SET used_at = ? WHERE owner = ? AND provider = ?');
  const revoke = db.query(
    `UPDATE provider_connections SET status = 'revoked', credential = NULL, error = NULL, replacement = NULL,
       replacement_at = NULL, updated_at = ?
     WHERE owner = ? AND provider = ? AND status <> 'revoked'`,
  );
  return {
    get: (owner, provider) => {
      const found = select.get(owner, provider);
      return found === null ? undefined : row.parse(found);
    },
    list: (owner) => ofOwner.all(owner).map((found) => row.parse(found)),
    all: () => everybodys.all().map((found) => row.parse(found)),
    put: ({ owner, provider, kind, credential, error }) => {
      put.run({ owner, provider, kind, credential, error: error ?? null, now: clock.now() });
    },
    propose: (owner, provider, credential) => {
      propose.run({ owner, provider, credential, now: clock.now() });
    },
    reseal: (owner, provider, credential) => {
      reseal.run({ owner, provider, credential, now: clock.now() });
    },
    mark: (owner, provider, status, error) => {
      mark.run({ owner, provider, status, error: error ?? null, now: clock.now() });
    },
    used: (owner, provider) => {
      used.run(clock.now(), owner, provider);
    },
    revoke: (owner, provider) => revoke.run(clock.now(), owner, provider).changes === 1,
  };
}
