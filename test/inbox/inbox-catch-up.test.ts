import { afterEach, expect, test } from 'bun:test';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty, forge, forgeLegacy, nowSeconds } from '@nostr-dm-agent/nostr/testing/forge';
import { createScriptedRelay } from '@nostr-dm-agent/nostr/testing/scripted-relay';
import { createDatabaseFile, startInbox, type TestInbox } from '../support/inbox.ts';

const bot = createParty();
const owner = createParty();
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function start(options: Omit<Parameters<typeof startInbox>[0], 'bot' | 'owners'>): TestInbox {
  const running = startInbox({ bot, owners: [owner], ...options });
  cleanups.push(running.stop);
  return running;
}

const DAY_S = 86_400;
const random = seededRandom(1);
/** Written `ago` seconds ago; its wrap is dated anywhere. */
const written = (text: string, ago: number) =>
  forge(owner, bot.publicKey, text, {
    rumor: { created_at: nowSeconds() - ago },
    wrap: { created_at: nowSeconds() - Math.floor(random() * DAY_S) },
  });

test('messages that two relays held are handed on in the order in which they were written', async () => {
  const relays = [createScriptedRelay('one'), createScriptedRelay('two')] as const;
  for (let index = 0; index < 20; index += 1)
    relays[index % 2 === 0 ? 0 : 1].deliver(written(`${index}`, 600 - index));
  const running = start({ relays });
  await until(() => running.received.length === 20, 'all messages');
  expect(running.texts()).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`));
  expect(running.received.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
});

test('what comes before anybody reads is neither stored nor lost, and handed on in order', async () => {
  const relay = createScriptedRelay('one');
  relay.deliver(written('1', 600));
  const running = start({ relays: [relay], isReading: false });
  relay.deliver(written('3', 5));
  relay.deliver(written('2', 300));
  await until(() => running.inbox.stats().relays[0]?.waiting === 3, 'three that wait');
  expect(running.db.query('SELECT count(*) AS n FROM messages').get()).toEqual({ n: 0 });
  running.read();
  await until(() => running.received.length === 3, 'all messages');
  expect(running.texts()).toEqual(['1', '2', '3']);
  relay.deliver(written('4', 1));
  await until(() => running.texts().includes('4'), 'the live message');
});

test('also after a reconnect', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  relay.disconnect();
  for (let index = 0; index < 10; index += 1) relay.deliver(written(`${index}`, 600 - index));
  relay.connect();
  await until(() => running.received.length === 10, 'all messages');
  expect(running.texts()).toEqual(Array.from({ length: 10 }, (_, index) => `${index}`));
});

test('a relay that is down, or never says EOSE, holds nothing up for long', async () => {
  const relays = [
    createScriptedRelay('up'),
    createScriptedRelay('down', true),
    createScriptedRelay('mute', true),
  ] as const;
  relays[0].deliver(written('stored', 10));
  const running = start({ relays, limits: { holdMs: 200 } });
  relays[2].connect({ eose: false });
  await until(() => running.texts().includes('stored'), 'the stored message');
  relays[0].deliver(written('live', 5));
  await until(() => running.texts().includes('live'), 'the live message');
});

test('a relay that never says EOSE does not delay live messages once the time for catching up is over', async () => {
  const [up, mute] = [createScriptedRelay('up'), createScriptedRelay('mute', true)];
  let now = 0;
  const running = start({ relays: [up, mute], limits: { holdMs: 3_600_000 }, monotonic: () => now });
  mute.connect({ eose: false });
  up.deliver(written('held', 10));
  await until(() => running.inbox.stats().relays[0]?.waiting === 0, 'the first message being held');
  expect(running.texts()).toEqual([]);
  now = 3_600_001;
  up.deliver(written('live', 5));
  await until(() => running.texts().includes('live'), 'the live message');
  expect(running.texts()).toEqual(['held', 'live']);
});

test('a relay that connects a little later is waited for', async () => {
  const [early, late] = [createScriptedRelay('early'), createScriptedRelay('late', true)];
  early.deliver(written('newer', 10));
  late.deliver(written('older', 20));
  const running = start({ relays: [early, late], limits: { holdMs: 3_600_000 } });
  await until(() => running.inbox.stats().relays[0]?.waiting === 0, 'the newer message being held');
  late.connect();
  await until(() => running.received.length === 2, 'both messages');
  expect(running.texts()).toEqual(['older', 'newer']);
});

test('live messages wait for nobody once the relays are caught up', async () => {
  const relay = createScriptedRelay('one');
  // Were it held, it would be for an hour.
  const running = start({ relays: [relay], limits: { holdMs: 3_600_000 } });
  relay.deliver(written('live', 0));
  await until(() => running.texts().includes('live'), 'the live message');
});

test('gift wraps are asked for three days back, computed anew at each reconnect', () => {
  const relay = createScriptedRelay('one');
  let now = Date.now();
  start({ relays: [relay], clock: { now: () => now } });
  now += 3_600_000;
  relay.disconnect();
  relay.connect();
  const wraps = relay.asked.flat().filter(({ kinds }) => kinds?.includes(1059));
  const since = wraps.map((filter) => filter.since);
  expect(wraps[0]).toMatchObject({ kinds: [1059], '#p': [bot.publicKey] });
  expect(since[0]).toBe(Math.floor((now - 3_600_000) / 1000) - 3 * DAY_S);
  expect(since[1]).toBe(Math.floor(now / 1000) - 3 * DAY_S);
});

test('a relay is asked for each protocol by itself, with one filter', () => {
  const relay = createScriptedRelay('one');
  start({ relays: [relay] });
  expect(relay.asked.map((filters) => filters.map(({ kinds }) => kinds))).toEqual([[[1059]], [[4]], [[5]]]);
});

test('NIP-04 DMs are asked for from a day before each relay was last caught up, three days back at most', () => {
  const relay = createScriptedRelay('one');
  const file = createDatabaseFile();
  cleanups.push(file.remove);
  const now = Date.now();
  const clock = { now: () => now };
  const seconds = Math.floor(now / 1000);
  const askedAfter = (caughtUpAt: number | undefined, wantedMs = 6 * 3_600_000) => {
    const first = start({ relays: [], path: file.path, clock });
    if (caughtUpAt !== undefined) first.store.setCaughtUp([relay.url], caughtUpAt);
    first.stop();
    start({ relays: [relay], path: file.path, clock, limits: { wantedMs } }).stop();
    return relay.asked.findLast(([filter]) => filter?.kinds?.[0] === 4)?.[0];
  };
  expect(askedAfter(undefined)).toEqual({ kinds: [4], '#p': [bot.publicKey], since: seconds - 3 * DAY_S });
  expect(askedAfter(now - 3_600_000)?.since).toBe(seconds - 26 * 3600);
  // BOT_CATCHUP_HOURS, if that is more, and an hour.
  expect(askedAfter(now - 3_600_000, 30 * 3_600_000)?.since).toBe(seconds - 32 * 3600);
  expect(askedAfter(now - 30 * DAY_S * 1000)?.since).toBe(seconds - 3 * DAY_S);
});

test('how far each relay is caught up is remembered for itself', () => {
  const running = start({ relays: [] });
  const [one, two] = ['wss://one.example/' as RelayUrl, 'wss://two.example/' as RelayUrl];
  running.store.setCaughtUp([one], 1000);
  running.store.setCaughtUp([two], 2000);
  expect([running.store.caughtUpAt(one), running.store.caughtUpAt(two)]).toEqual([1000, 2000]);
});

test('a fresh database records what was written before it, and acts on none of it', async () => {
  const relay = createScriptedRelay('one');
  relay.deliver(written('!wallet send 1000', 3600));
  relay.deliver(forgeLegacy(owner, bot.publicKey, '!wallet send 2000', { created_at: nowSeconds() - 3600 }));
  relay.deliver(written('just now', 60));
  const running = start({ relays: [relay] });
  await until(() => running.received.length === 1, 'the fresh message');
  await until(() => running.inbox.stats().beforeDatabase === 2, 'the old ones');
  expect(running.texts()).toEqual(['just now']);
  expect(running.store.open().map(({ text }) => text)).toEqual(['just now']);
  expect(running.store.history(owner.publicKey, 10).map(({ text }) => text)).toContain('!wallet send 1000');
});

test('an old database hands on what is old: how old is too old is not decided here', async () => {
  const file = createDatabaseFile();
  cleanups.push(file.remove);
  const past = Date.now() - 2 * DAY_S * 1000;
  start({ relays: [], path: file.path, clock: { now: () => past } }).stop();
  const relay = createScriptedRelay('one');
  relay.deliver(written('yesterday', DAY_S));
  const running = start({ relays: [relay], path: file.path });
  await until(() => running.texts().includes('yesterday'), 'the old message');
  expect(running.received[0]?.createdAt).toBeLessThanOrEqual(nowSeconds() - DAY_S);
});
