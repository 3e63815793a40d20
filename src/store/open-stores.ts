import type { Database } from 'bun:sqlite';
import { join } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Config } from '../config/config.ts';
import type { ConnectionStore } from '../keys/connection.ts';
import { createAutoTopUpStore } from './auto-top-up-table.ts';
import { createAwaitedStore } from './awaited-table.ts';
import { botMigrations } from './bot-schema.ts';
import { createConfirmations } from './confirmations-table.ts';
import { createConnectionStore } from './connections-table.ts';
import { createHistoryForgetter } from './forget-history.ts';
import { createInviteStore } from './invites-table.ts';
import { lockHome } from './lock-home.ts';
import { createMeta } from './meta-table.ts';
import { createOutgoingFileStore } from './outgoing-files-table.ts';
import { createOwners } from './owners-table.ts';
import { createPageSessionStore } from './page-sessions-table.ts';
import { createRests } from './rests-table.ts';
import { createRunStore } from './runs-table.ts';
import { createScheduleStore } from './schedules-table.ts';
import { createSessionStore } from './sessions-table.ts';
import { createSettingsStore } from './settings-table.ts';
import { createSharedFileStore } from './shared-files-table.ts';
import { createToldPayments } from './told-payments-table.ts';
import { createTriggerStore } from './triggers-table.ts';
import { createUploadStore } from './uploads-table.ts';
import { createVoiceNoteStore } from './voice-notes-table.ts';
import { createWorktreeStore } from './worktrees-table.ts';

/**
 * Takes `BOT_HOME` and opens the bot's database; both are given back with the stack.
 *
 * @throws LockHeldError when another process works there
 */
export function openStores(
  { home, owners }: Pick<Config, 'home' | 'owners'>,
  chance: { readonly clock: Clock; readonly random: () => number },
  open: AsyncDisposableStack,
) {
  open.defer(lockHome(home).release);
  const db = openDatabase(join(home, 'bot.db'), botMigrations);
  open.defer(() => db.close());
  return storesIn(db, owners, chance);
}

/** What is kept in the bot's database, but its messages, which need keys. */
export function storesIn(
  db: Database,
  owners: Config['owners'],
  { clock, random }: { readonly clock: Clock; readonly random: () => number },
) {
  const known = createOwners(db, owners, clock);
  return {
    db,
    /** One transaction over the whole of it. */
    atomically: (change: () => void): void => db.transaction(change).immediate(),
    owners: known,
    invites: createInviteStore(db, clock),
    keys: ofOwnersAlone(createConnectionStore(db, clock), known),
    settings: createSettingsStore(db),
    sessions: createSessionStore(db),
    worktrees: createWorktreeStore(db),
    runs: createRunStore(db),
    schedules: createScheduleStore(db),
    triggers: createTriggerStore(db, clock),
    sharedFiles: createSharedFileStore(db),
    uploads: createUploadStore(db),
    outgoing: createOutgoingFileStore(db),
    voiceNotes: createVoiceNoteStore(db),
    meta: createMeta(db),
    confirmations: createConfirmations(db, clock, random),
    awaited: createAwaitedStore(db),
    rests: createRests(db),
    toldPayments: createToldPayments(db),
    autoTopUps: createAutoTopUpStore(db),
    pageSessions: createPageSessionStore(db),
    history: createHistoryForgetter(db),
  };
}
export type Stores = ReturnType<typeof storesIn>;

/** A key is looked at by its provider, and a login waits, before they are kept: of who was removed meanwhile none is. */
const ofOwnersAlone = (
  keys: ConnectionStore,
  owners: Pick<ReturnType<typeof createOwners>, 'roleOf'>,
): ConnectionStore => ({
  ...keys,
  put: (key) => {
    if (owners.roleOf(key.owner) !== undefined) keys.put(key);
  },
});
