import type { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId, InboundMessage, RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty, forge, forgeLegacy, sealIn, wrapAnew } from '@nostr-dm-agent/nostr/testing/forge';
import { createScriptedRelay } from '@nostr-dm-agent/nostr/testing/scripted-relay';
import { forgetOnce, forgottenAfterMs } from '../../src/app/forget-history.ts';
import type { RunOrder } from '../../src/runs/run.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { createDatabaseFile, startInbox } from '../support/inbox.ts';

const dayMs = 86_400_000;
const dayS = 86_400;
const start = Date.UTC(2026, 0, 1);
const startS = start / 1000;
const bot = createParty();
const owner = createParty();
const idOf = (name: string) => new Bun.CryptoHasher('sha256').update(name).digest('hex') as EventId;
const relay = 'wss://relay.example/' as RelayUrl;
const message = (text: string, of: Partial<InboundMessage> = {}): InboundMessage => ({
  ...{ id: idOf(text), sender: owner.publicKey, protocol: 'nip17', kind: 14, text, references: [], relay },
  ...{ createdAt: startS, ...of },
});

/** A bot's database at a clock that is set by hand. */
function home(db = openDatabase(':memory:', botMigrations)) {
  const time = { now: start };
  const clock = { now: () => time.now };
  const stores = storesIn(db, [], { clock, random: () => 0.5 });
  const messages = createMessageStore(db, clock);
  const done = (of: InboundMessage): boolean => {
    const stored = messages.insert(of, idOf(`wrap of ${of.text}`), 'received');
    if (stored !== undefined) messages.finish(stored.seq);
    return stored !== undefined;
  };
  const forget = (days = 30) => forgetOnce(stores.history, time.now - days * dayMs, async () => undefined);
  const has = (text: string): boolean => messages.byId(owner.publicKey, idOf(text)) !== undefined;
  return { db, time, stores, messages, done, forget, has };
}

/** A thousand messages of somebody else, younger than all: the last thousand stay. */
function othersWrite(db: Database, receivedAt: number) {
  const text = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO messages (id, sender, protocol, kind, text, refs, created_at_s, relay, received_at, state)
    SELECT printf('%064x', i + ?), 'somebody', 'nip17', 14, '', '[]', 0, 'wss://relay.example/', ?, 'done' FROM n`;
  db.query(text).run(receivedAt, receivedAt);
}

test('what is over and old goes; what waits, what is young and what was listed of late stays', async () => {
  const { db, time, messages, done, forget, has } = home();
  for (let n = 0; n < 1_200; n += 1) done(message(`old ${n}`));
  messages.insert(message('not acted on'), idOf('w1'), 'received');
  const begun = messages.insert(message('begun'), idOf('w2'), 'received');
  messages.begin(begun?.seq ?? 0);
  const silent = createParty().publicKey;
  done(message('by the old protocol, long ago', { sender: silent, protocol: 'nip04', kind: 4 }));
  time.now += 40 * dayMs;
  // Written long ago, and listed as missed today: its owner may still call it up.
  messages.insert(message('missed today'), idOf('w3'), 'missed');
  done(message('young', { createdAt: startS + 39 * dayS }));
  othersWrite(db, time.now);
  await forget();
  expect([has('old 0'), has('old 1199')]).toEqual([false, false]);
  for (const kept of ['not acted on', 'begun', 'missed today', 'young']) expect(has(kept)).toBe(true);
  expect(messages.open().map(({ text }) => text)).toEqual(['not acted on', 'begun']);
  // What they hear from the bot goes by the protocol that they used last.
  expect(messages.history(silent, 1).map(({ protocol }) => protocol)).toEqual(['nip04']);
});

test('what was forgotten is not taken in again: not dated anew, not by a clock that went back, not from a relay with all of it', async () => {
  const { db, time, done, forget, has } = home();
  const all = ['pay', 'of a clock that is ahead', 'without a date'];
  for (const text of [...all, 'the last']) expect(done(message(text))).toBe(true);
  time.now += 40 * dayMs;
  othersWrite(db, time.now);
  await forget();
  for (const text of all) {
    expect(has(text)).toBe(false);
    for (const days of [0, 40, 400])
      expect(done(message(text, { createdAt: startS + days * dayS }))).toBe(false);
  }
  time.now = start;
  for (const text of all) expect(done(message(text))).toBe(false);
  // Another is heard, however old it says that it is.
  expect(done(message('written long ago', { createdAt: 1 }))).toBe(true);
});

test('the last thousand messages stay: a deletion and a twin by the other protocol find what they are of', async () => {
  const { time, done, forget, has } = home();
  for (let n = 0; n < 1_001; n += 1) done(message(`old ${n}`));
  time.now += 40 * dayMs;
  await forget();
  expect([has('old 0'), has('old 1'), has('old 1000')]).toEqual([false, true, true]);
});

test('runs that are done go with their files; those that are not, and the last of a schedule, stay', async () => {
  const { db, time, stores, forget } = home();
  stores.sessions.insert({
    ...{
      id: 's',
      owner: owner.publicKey,
      workspace: 'app',
      directory: '/app',
      backend: 'opencode',
      mode: 'agent',
    },
    ...{ model: undefined, approvals: undefined, provider: undefined, backendSession: 'b', title: 't' },
    ...{ createdAt: start, usedAt: start },
  });
  db.exec(`INSERT INTO schedules (id, owner, kind, message, message_kind, protocol, fallback_relays, at, zone, text, state, created_at)
    VALUES (1, 'o', 'task', 'm', 14, 'nip17', '[]', '{}', 'UTC', 't', 'paused', 0), (2, 'o', 'task', 'm', 14, 'nip17', '[]', '{}', 'UTC', 't', 'ended', 0)`);
  const order = (task: string, more: Partial<RunOrder> = {}): RunOrder => ({
    ...{ owner: owner.publicKey, session: 's', message: idOf(task), messageKind: 14, protocol: 'nip17' },
    ...{ fallbackRelays: [], task, mode: 'agent', model: undefined, budget: undefined, ...more },
  });
  const end = (id: string) =>
    stores.runs.finish(id, { outcome: 'answered', answer: id, result: undefined, endedAt: time.now });
  const run = (id: string, more: Partial<RunOrder> = {}) =>
    stores.runs.enqueue(id, order(id, more), time.now);
  for (const id of ['done', 'with a file']) {
    run(id);
    end(id);
  }
  run('waits');
  for (let n = 0; n < 30; n += 1)
    for (const schedule of [1, 2]) {
      run(`${schedule}-${n}`, { schedule, dueAt: start + n });
      end(`${schedule}-${n}`);
    }
  const file = {
    owner: owner.publicKey,
    message: idOf('f'),
    place: 0,
    directory: '/app',
    path: 'a',
    mime: 'b',
    size: 1,
    keptAt: start,
  };
  stores.sharedFiles.keep(file);
  stores.sharedFiles.take({ ...file, askedAt: undefined }, 'with a file');
  stores.sharedFiles.keep({ ...file, place: 1 });
  time.now += 40 * dayMs;
  await forget();
  const left = db.query<{ id: string }, []>('SELECT id FROM runs ORDER BY seq').all();
  expect(left.map(({ id }) => id)).toEqual(['waits', ...Array.from({ length: 20 }, (_, n) => `1-${n + 10}`)]);
  expect(stores.runs.answersOf(1, 1)[0]?.answer).toBe('1-29');
  expect([0, 1].map((place) => stores.sharedFiles.has(owner.publicKey, idOf('f'), place))).toEqual([
    false,
    true,
  ]);
});

test('a relay that delivers forgotten messages again, in any wrap and of any date, is not obeyed', async () => {
  const { path, remove } = createDatabaseFile();
  const created_at = Math.floor(Date.now() / 1000);
  // What a relay is asked for is by the date of the wrap, which says nothing.
  const wrap = { created_at: created_at + 100 * dayS };
  const events = [
    forge(owner, bot.publicKey, 'pay', { rumor: { created_at }, wrap }),
    // An owner's phone whose clock is two months ahead; another that writes no date.
    forge(owner, bot.publicKey, 'pay ahead', { rumor: { created_at: created_at + 60 * dayS }, wrap }),
    forge(owner, bot.publicKey, 'pay undated', { rumor: { id: undefined, created_at: undefined }, wrap }),
    forgeLegacy(owner, bot.publicKey, 'pay by the old protocol', { created_at: created_at + 60 * dayS }),
  ];
  const live = async (days: number) => {
    const clock = { now: () => Date.now() + days * dayMs };
    // Without a cursor: it is asked for all that it has.
    const one = createScriptedRelay(`relay${days}`);
    const running = startInbox({ bot, owners: [owner], relays: [one], path, clock });
    for (const event of events) {
      one.deliver(event, { store: false });
      if (event.kind === 1059)
        one.deliver(wrapAnew(sealIn(event, bot), bot.publicKey, { wrap }), { store: false });
    }
    const marker = `marker ${days}`;
    one.deliver(forge(owner, bot.publicKey, marker, { wrap }), { store: false });
    await until(() => running.texts().includes(marker), 'the marker comes through');
    const texts = running.texts().filter((text) => text !== marker);
    for (const { seq } of running.received) running.store.finish(seq);
    const { history } = storesIn(running.db, [], { clock, random: () => 0.5 });
    othersWrite(running.db, clock.now() + dayMs);
    await forgetOnce(history, clock.now() + dayMs, async () => undefined);
    expect(running.store.history(owner.publicKey, 9)).toHaveLength(1);
    running.db.exec('DELETE FROM seen_wraps');
    running.stop();
    return texts.toSorted();
  };
  try {
    expect(await live(0)).toEqual(['pay', 'pay ahead', 'pay by the old protocol', 'pay undated']);
    for (const days of [10, 59, 70]) expect(await live(days)).toEqual([]);
  } finally {
    remove();
  }
});

test('never what may still be acted on, however short it is set; 0 keeps everything', () => {
  const hourMs = 3_600_000;
  expect(forgottenAfterMs({ historyMs: 0, catchupMs: hourMs })).toBeUndefined();
  expect(forgottenAfterMs({ historyMs: dayMs, catchupMs: hourMs })).toBe(7 * dayMs + hourMs);
  expect(forgottenAfterMs({ historyMs: 30 * dayMs, catchupMs: 60 * dayMs })).toBe(67 * dayMs);
  expect(forgottenAfterMs({ historyMs: 180 * dayMs, catchupMs: hourMs })).toBe(180 * dayMs);
});
