import type { Database } from 'bun:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessageStore } from '../../src/db/messages.ts';
import { openDatabase } from '../../src/db/open.ts';
import { botMigrations } from '../../src/db/schema.ts';
import type { Logger } from '../../src/log.ts';
import { createInbox, type InboxOptions } from '../../src/nostr/inbox.ts';
import type { StoredMessage } from '../../src/nostr/inbox-store.ts';
import type { Relay } from '../../src/nostr/relay.ts';
import type { Party } from './forge.ts';

export const silentLog: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};

/** A folder of its own for a database that outlives its process. */
export function createDatabaseFile() {
  const folder = mkdtempSync(join(tmpdir(), 'inbox-'));
  return { path: join(folder, 'bot.db'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export type TestInboxOptions = Partial<InboxOptions> & {
  readonly bot: Party;
  readonly owners: readonly Party[];
  readonly relays: readonly Relay[];
  /** A file for a bot that is restarted; memory otherwise. */
  readonly path?: string;
};

/** A running inbox with its database, and what came out of it. */
export function startInbox({ bot, owners, path = ':memory:', ...options }: TestInboxOptions) {
  const clock = options.clock ?? { now: () => Date.now() };
  const db: Database = openDatabase(path, botMigrations);
  const store = createMessageStore(db, clock);
  const received: StoredMessage[] = [];
  const controller = new AbortController();
  const inbox = createInbox({
    identity: bot,
    store,
    isOwner: (author) => owners.some(({ publicKey }) => publicKey === author),
    clock,
    log: silentLog,
    onMessage: (message) => received.push(message),
    ...options,
  });
  inbox.start(controller.signal);
  let stopped = false;
  return {
    inbox,
    store,
    db,
    received,
    texts: () => received.map(({ text }) => text),
    rejections: (reason: keyof ReturnType<typeof inbox.stats>['rejected']) => inbox.stats().rejected[reason],
    stop: () => {
      if (stopped) return;
      stopped = true;
      controller.abort();
      db.close();
    },
  };
}

export type TestInbox = ReturnType<typeof startInbox>;
