import type { Database } from 'bun:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Relay, StoredMessage } from '@nostr-dm-agent/nostr';
import { createInbox, type InboxOptions } from '@nostr-dm-agent/nostr';
import type { Party } from '@nostr-dm-agent/nostr/testing/forge';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';

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
