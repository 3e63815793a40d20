import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { holdDatabase } from '@nostr-dm-agent/kit/testing/hold-database';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId, RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import { createMissedList } from '../../src/commands/missed-messages.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { silent } from '../support/backend.ts';
import { createDatabaseFile } from '../support/inbox.ts';

test('missed messages that can’t be told because the database is held are told a little later, once', async () => {
  const file = createDatabaseFile();
  const db = openDatabase(file.path, botMigrations);
  db.exec('PRAGMA busy_timeout=20');
  const messages = createMessageStore(db, systemClock);
  const told: string[] = [];
  const failed: unknown[] = [];
  const missed = createMissedList({
    messages,
    messenger: {
      send: (_, text) => {
        told.push(text);
        return [];
      },
      react: () => undefined,
    },
    atomically: (change) => db.transaction(change).immediate(),
    redact: (text) => text,
    catchupMs: 3_600_000,
    gatherMs: 10,
    clock: systemClock,
    log: { ...silent, error: (facts) => void failed.push(facts) },
  });
  const sender = createParty().publicKey;
  const stored = ['one', 'two'].map((text) =>
    messages.insert(
      {
        id: new Bun.CryptoHasher('sha256').update(text).digest('hex') as EventId,
        sender,
        protocol: 'nip17',
        kind: 14,
        text,
        references: [],
        createdAt: 1000,
        relay: 'wss://relay.example/' as RelayUrl,
      },
      'a'.repeat(64) as EventId,
      'received',
    ),
  );
  const other = await holdDatabase(file.path);
  for (const message of stored) if (message !== undefined) missed.add(message);
  await until(() => failed.length > 1, 'tries that failed');
  expect(told).toEqual([]);
  await other.release();
  await until(() => told.length > 0, 'they are told');
  expect(told[0]).toMatch(/^2 messages reached me .*\n#1 · .* · one\n#2 · .* · two\n!retry 2/);
  missed.close();
  expect([told.length, messages.open()]).toEqual([1, []]);
  db.close();
  file.remove();
});
