import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { holdDatabase } from '@nostr-dm-agent/kit/testing/hold-database';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId, RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import type { Meaning } from '../../src/commands/meaning/meaning.ts';
import { createMissedList } from '../../src/commands/missed-messages.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { silent } from '../support/backend.ts';
import { createDatabaseFile } from '../support/inbox.ts';

const meaningOf = (text: string): Meaning =>
  text.startsWith('!') ? { kind: 'code', digits: '' } : { kind: 'task', text };

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
    meaningOf,
    catchupMs: 3_600_000,
    gatherMs: 10,
    clock: systemClock,
    log: { ...silent, error: (facts) => void failed.push(facts) },
  });
  const sender = createParty().publicKey;
  const insert = (text: string, createdAt = 1000) =>
    messages.insert(
      {
        id: new Bun.CryptoHasher('sha256').update(text).digest('hex') as EventId,
        sender,
        protocol: 'nip17',
        kind: 14,
        text,
        references: [],
        createdAt,
        relay: 'wss://relay.example/' as RelayUrl,
      },
      'a'.repeat(64) as EventId,
      'received',
    );
  const stored = ['one', 'two'].map((text) => insert(text));
  const other = await holdDatabase(file.path);
  for (const message of stored) if (message !== undefined) missed.add(message);
  await until(() => failed.length > 1, 'tries that failed');
  expect(told).toEqual([]);
  await other.release();
  await until(() => told.length > 0, 'they are told');
  expect(told[0]).toMatch(/^2 messages reached me .*\n#1 · .* · one\n#2 · .* · two\n!retry 2/);
  expect(told[0]?.split('\n')).toHaveLength(4);
  expect(told[0]).toEndWith('!retry 2 runs that task now.');
  for (let n = 0; n < 40; n++) {
    const message = insert(`number ${n}`, 2000 + n);
    if (message !== undefined) missed.add(message);
  }
  const command = insert('!queue', 3000);
  if (command !== undefined) missed.add(command);
  await until(() => told.length > 1, 'the others being told');
  // What a phone shows: the newest, and how many there are besides.
  const lines = told[1]?.split('\n') ?? [];
  expect(lines.length).toBeLessThan(20);
  expect(lines[0]).toStartWith('41 messages ');
  expect(lines[1]).toMatch(/^\(29 older ones are left out, of #\d+ to #\d+\)$/);
  expect(lines.at(-2)).toContain('!queue');
  // The last task, not the last message.
  expect(lines.at(-1)).toBe('!retry 42 runs that task now. Send commands again.');
  expect(lines.at(-3)).toMatch(/^#42 .* number 39$/);
  missed.close();
  expect([told.length, messages.open()]).toEqual([2, []]);
  db.close();
  file.remove();
});

test('of a thousand that come without a pause each thousand is told at once', () => {
  const told: string[] = [];
  const missed = createMissedList({
    messages: { miss: () => undefined },
    messenger: {
      send: (_, text) => {
        told.push(text);
        return [];
      },
      react: () => undefined,
    },
    atomically: (change) => change(),
    redact: (text) => text,
    meaningOf,
    catchupMs: 3_600_000,
    gatherMs: 60_000,
    clock: systemClock,
    log: silent,
  });
  const sender = createParty().publicKey;
  const facts = { sender, protocol: 'nip17', kind: 14, references: [], receivedAt: 0 } as const;
  const relay = 'wss://relay.example/' as RelayUrl;
  // The newest come first, as relays deliver them.
  for (let n = 2_500; n > 0; n -= 1)
    missed.add({ ...facts, relay, seq: n, id: `${n}` as EventId, text: `number ${n}`, createdAt: n });
  expect(told).toHaveLength(2);
  expect(told[0]).toMatch(/^1000 messages .*\n\(988 older ones are left out, of #1501 to #2488\)\n#2489 /);
  missed.close();
  expect(told[2]).toStartWith('500 messages ');
});
