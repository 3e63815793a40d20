import { join } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';

import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Config } from '../config/config.ts';
import { botMigrations } from '../store/bot-schema.ts';
import { createConfirmations } from '../store/confirmations-table.ts';
import { createConnectionStore } from '../store/connections-table.ts';
import { createInviteStore } from '../store/invites-table.ts';
import { lockHome } from '../store/lock-home.ts';
import { createMeta } from '../store/meta-table.ts';
import { createOwners } from '../store/owners-table.ts';
import { createRunStore } from '../store/runs-table.ts';
import { createSessionStore } from '../store/sessions-table.ts';
import { createSettingsStore } from '../store/settings-table.ts';

/**
 * Takes `BOT_HOME` and opens the bot's database; both are given back with the stack.
 *
 * @throws LockHeldError when another process works there
 */
export function openStores(
  config: Config,
  parts: { readonly clock: Clock; readonly random: () => number },
  open: AsyncDisposableStack,
) {
  const { clock, random } = parts;
  open.defer(lockHome(config.home).release);
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
