import { expect, test } from 'bun:test';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, InboundMessage, RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { createDatabaseFile } from '../support/inbox.ts';

const owner = createParty().publicKey;
const idOf = (name: string) => new Bun.CryptoHasher('sha256').update(name).digest('hex') as EventId;

const message = (text: string, overrides: Partial<InboundMessage> = {}): InboundMessage => ({
  id: idOf(text),
  sender: owner,
  protocol: 'nip17',
  kind: 14,
  text,
  references: [idOf('before')],
  createdAt: 1000,
  relay: 'wss://relay.example/' as RelayUrl,
  ...overrides,
});

function openStore(path = ':memory:', now = 5_000_000) {
  const db = openDatabase(path, botMigrations);
  return { db, store: createMessageStore(db, { now: () => now }) };
}

test('a message comes back as it went in, and its wrap is seen', () => {
  const { store } = openStore();
  const stored = store.insert(message('hello'), idOf('wrap'), 'received');
  expect(stored).toEqual({ ...message('hello'), seq: 1, receivedAt: 5_000_000 });
  expect(store.byId(owner, idOf('hello'))).toEqual(stored);
  expect(store.open()).toEqual([{ ...message('hello'), seq: 1, receivedAt: 5_000_000, state: 'received' }]);
  expect(store.hasSeen(idOf('wrap'))).toBe(true);
  expect(store.byId(createParty().publicKey, idOf('hello'))).toBeUndefined();
});

test('the same message by the same sender is there once; another sender’s is another', () => {
  const { store } = openStore();
  store.insert(message('hello'), idOf('wrap 1'), 'received');
  expect(store.insert(message('hello'), idOf('wrap 2'), 'received')).toBeUndefined();
  expect(store.hasSeen(idOf('wrap 2'))).toBe(true);
  const sender = createParty().publicKey;
  expect(store.insert(message('hello', { sender }), idOf('wrap 3'), 'received')?.seq).toBeNumber();
});

test('a message that cannot be stored leaves its wrap unseen', () => {
  const { db, store } = openStore();
  db.exec("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(FAIL, 'disk full'); END");
  expect(() => store.insert(message('hello'), idOf('wrap'), 'received')).toThrow('disk full');
  expect(store.hasSeen(idOf('wrap'))).toBe(false);
});

test('a message is begun once, and finished or missed', () => {
  const { store } = openStore();
  const seqs = ['a', 'b', 'c'].map((text) => store.insert(message(text), idOf(text), 'received')?.seq ?? 0);
  const [a = 0, b = 0, c = 0] = seqs;
  expect([store.begin(a), store.begin(a)]).toEqual([true, false]);
  expect(store.open().map(({ text, state }) => [text, state])).toEqual([
    ['a', 'acting'],
    ['b', 'received'],
    ['c', 'received'],
  ]);
  store.finish(a);
  store.miss(b);
  expect(store.begin(b)).toBe(false);
  store.finish(b);
  expect(store.open().map(({ text }) => text)).toEqual(['c']);
  store.begin(c);
  store.miss(c);
  expect(store.open().map(({ state }) => state)).toEqual(['acting']);
});

test('what is missed from the start is never open', () => {
  const { store } = openStore();
  const seq = store.insert(message('old'), idOf('wrap'), 'missed')?.seq ?? 0;
  expect(store.open()).toEqual([]);
  expect(store.begin(seq)).toBe(false);
});

test('open messages come in the order of writing, history in that of arrival, reactions left out', () => {
  const { store } = openStore();
  store.insert(message('second', { createdAt: 20 }), idOf('1'), 'received');
  store.insert(message('👍', { kind: 7, createdAt: 30 }), idOf('2'), 'received');
  store.insert(message('first', { createdAt: 10 }), idOf('3'), 'received');
  store.insert(message('third', { createdAt: 40, kind: 4, protocol: 'nip04' }), idOf('4'), 'received');
  expect(store.open().map(({ text }) => text)).toEqual(['first', 'second', '👍', 'third']);
  expect(store.history(owner, 10).map(({ text }) => text)).toEqual(['second', 'first', 'third']);
  expect(store.history(owner, 2).map(({ text }) => text)).toEqual(['first', 'third']);
  expect(store.history(createParty().publicKey, 10)).toEqual([]);
});

test('a database remembers when it was made', () => {
  const file = createDatabaseFile();
  const first = openStore(file.path, 1000);
  first.db.close();
  const second = openStore(file.path, 9000);
  expect([first.store.createdAt, second.store.createdAt]).toEqual([1000, 1000]);
  second.db.close();
  file.remove();
});

test('everything works inside a transaction of the caller, and is undone with it', () => {
  const { db, store } = openStore();
  const seq = store.insert(message('a'), idOf('1'), 'received')?.seq ?? 0;
  const failing = db.transaction(() => {
    store.begin(seq);
    store.finish(seq);
    store.insert(message('b'), idOf('2'), 'received');
    store.markSeen([idOf('3')]);
    throw new Error('crash');
  });
  expect(() => failing()).toThrow('crash');
  expect(store.open().map(({ text, state }) => [text, state])).toEqual([['a', 'received']]);
  expect([store.hasSeen(idOf('2')), store.hasSeen(idOf('3'))]).toEqual([false, false]);
});
