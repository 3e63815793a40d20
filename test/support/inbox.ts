import type { Database } from 'bun:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Relay, StoredMessage } from '@nostr-dm-agent/nostr';
import { createInbox, type InboxFeedOptions, type InboxOptions } from '@nostr-dm-agent/nostr';
import { createInboxFeed } from '@nostr-dm-agent/nostr/feed';
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

export type TestInboxOptions = Partial<Omit<InboxOptions, 'feed'>> &
  Pick<InboxFeedOptions, 'limits' | 'monotonic'> & {
    readonly bot: Party;
    readonly owners: readonly Party[];
    readonly relays: readonly Relay[];
    /** A file for a bot that is restarted; memory otherwise. */
    readonly path?: string;
    /** False: it is subscribed, and begins to read when it is told to. */
    readonly isReading?: boolean;
  };

/** A running inbox with its database, and what came out of it. */
export function startInbox({
  bot,
  owners,
  path = ':memory:',
  isReading = true,
  ...options
}: TestInboxOptions) {
  const clock = options.clock ?? { now: () => Date.now() };
  const db: Database = openDatabase(path, botMigrations);
  const store = createMessageStore(db, clock);
  const received: StoredMessage[] = [];
  const controller = new AbortController();
  const feed = createInboxFeed({
    identity: bot,
    store,
    clock,
    log: silentLog,
    ...options,
    owners: () => owners.map(({ publicKey }) => publicKey),
  });
  const inbox = createInbox({
    identity: bot,
    feed,
    store,
    isOwner: (author) => owners.some(({ publicKey }) => publicKey === author),
    clock,
    log: silentLog,
    onMessage: (message) => received.push(message),
    ...options,
  });
  feed.start(controller.signal);
  const read = () => inbox.start(controller.signal);
  if (isReading) read();
  let stopped = false;
  return {
    inbox,
    read,
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
