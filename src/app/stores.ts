import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { createConfirmations } from '../db/confirmations.ts';
import { createConnectionStore } from '../db/connections.ts';
import { createInviteStore } from '../db/invites.ts';
import { acquireLock } from '../db/lock.ts';
import { createMeta } from '../db/meta.ts';
import { openDatabase } from '../db/open.ts';
import { createOwners } from '../db/owners.ts';
import { createRunStore } from '../db/runs.ts';
import { botMigrations } from '../db/schema.ts';
import { createSessionStore } from '../db/sessions.ts';
import { createSettingsStore } from '../db/settings.ts';

/**
 * Takes `BOT_HOME` and opens the bot's database; both are given back with the stack.
 *
 * @throws AlreadyRunningError when another process works there
 */
export function openStores(
  config: Config,
  parts: { readonly clock: Clock; readonly random: () => number },
  open: AsyncDisposableStack,
) {
  const { clock, random } = parts;
  open.defer(acquireLock(config.home).release);
  const db = openDatabase(join(config.home, 'bot.db'), botMigrations);
  open.defer(() => db.close());
  return {
    db,
    /** One transaction over the whole of it. */
    atomically: (change: () => void): void => db.transaction(change).immediate(),
    owners: createOwners(db, config.owners, clock),
    invites: createInviteStore(db, clock),
    keys: createConnectionStore(db, clock),
    settings: createSettingsStore(db),
    sessions: createSessionStore(db),
    runs: createRunStore(db),
    meta: createMeta(db),
    confirmations: createConfirmations(db, clock, random),
  };
}
export type Stores = ReturnType<typeof openStores>;
