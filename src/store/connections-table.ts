import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import {
  type Connection,
  type ConnectionStore,
  connectionKinds,
  connectionStatuses,
} from '../keys/connection.ts';
import { publicKeyColumn } from './nostr-columns.ts';

const row = rowOf({
  owner: publicKeyColumn,
  provider: z.string().min(1),
  kind: z.enum(connectionKinds),
  credential: nullable(z.string().startsWith('sealed')),
  status: z.enum(connectionStatuses),
  error: nullable(z.string()),
  usedAt: nullable(z.int()),
  createdAt: z.int(),
  updatedAt: z.int(),
  replacement: nullable(z.string().startsWith('sealed')),
  replacementAt: nullable(z.int()),
}).transform(
  ({ replacement: credential, replacementAt: at, ...rest }): Connection => ({
    ...rest,
    replacement: credential === undefined || at === undefined ? undefined : { credential, at },
  }),
);

/** Owners' connections to providers, in `bot.db`. */
export function createConnectionStore(db: Database, clock: Clock): ConnectionStore {
  const put = change(
    db,
    `INSERT INTO provider_connections (owner, provider, kind, credential, status, error, created_at, updated_at)
     VALUES ($owner, $provider, $kind, $credential, 'connected', $error, $now, $now)
     ON CONFLICT (owner, provider) DO UPDATE SET kind = $kind, credential = $credential, status = 'connected',
       error = $error, used_at = NULL, created_at = $now, updated_at = $now, replacement = NULL, replacement_at = NULL`,
  );
  /** Changes the connection of an owner to a provider, unless it is revoked. */
  const update = (columns: string) =>
    change(
      db,
      `UPDATE provider_connections SET ${columns} WHERE owner = $owner AND provider = $provider AND status <> 'revoked'`,
    );
  const propose = update('replacement = $credential, replacement_at = $now');
  const reseal = update(
    'credential = $credential, replacement = NULL, replacement_at = NULL, updated_at = $now',
  );
  const mark = update('status = $status, error = $error, updated_at = $now');
  const revoke = update(
    `status = 'revoked', credential = NULL, error = NULL, replacement = NULL, replacement_at = NULL, updated_at = $now`,
  );
  const renew = change(
    db,
    `UPDATE provider_connections SET credential = $to, updated_at = $now
     WHERE owner = $owner AND provider = $provider AND credential = $from`,
  );
  const used = change(db, 'UPDATE provider_connections SET used_at = ? WHERE owner = ? AND provider = ?');
  return {
    get: select(db, 'SELECT * FROM provider_connections WHERE owner = ? AND provider = ?', row).one,
    list: select(db, 'SELECT * FROM provider_connections WHERE owner = ? ORDER BY provider', row).all,
    all: select(db, 'SELECT * FROM provider_connections ORDER BY owner, provider', row).all,
    put: ({ owner, provider, kind, credential, error }) => {
      put({ owner, provider, kind, credential, error, now: clock.now() });
    },
    propose: (owner, provider, credential) => {
      propose({ owner, provider, credential, now: clock.now() });
    },
    reseal: (owner, provider, credential) => {
      reseal({ owner, provider, credential, now: clock.now() });
    },
    renew: (owner, provider, from, to) => renew({ owner, provider, from, to, now: clock.now() }) === 1,
    mark: (owner, provider, status, error) => {
      mark({ owner, provider, status, error, now: clock.now() });
    },
    used: (owner, provider) => {
      used(clock.now(), owner, provider);
    },
    revoke: (owner, provider) => revoke({ owner, provider, now: clock.now() }) === 1,
  };
}
