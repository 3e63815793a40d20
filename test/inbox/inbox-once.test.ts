import { afterEach, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import {
  createParty,
  forge,
  forgeLegacy,
  nowSeconds,
  sealIn,
  wrapAnew,
} from '@nostr-dm-agent/nostr/testing/forge';
import { createScriptedRelay } from '@nostr-dm-agent/nostr/testing/scripted-relay';
import { createDatabaseFile, startInbox, type TestInbox } from '../support/inbox.ts';

const bot = createParty();
const owner = createParty();
const stranger = createParty();
const people = { bot, owners: [owner] };
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function start(options: Omit<Parameters<typeof startInbox>[0], 'bot' | 'owners'>): TestInbox {
  const running = startInbox({ ...people, ...options });
  cleanups.push(running.stop);
  return running;
}

/** Sends one more message and waits for it: whatever was before it has been looked at. */
async function settled(running: TestInbox, relays: readonly ReturnType<typeof createScriptedRelay>[]) {
  for (const relay of relays) {
    const text = `marker ${crypto.randomUUID()}`;
    relay.deliver(forge(owner, bot.publicKey, text), { store: false });
    await until(() => running.texts().includes(text), 'the marker comes through');
  }
  const isMarker = (text: string) => text.startsWith('marker ');
  return running.texts().filter((text) => !isMarker(text));
}

test('a message that two relays deliver is handed on once, with the relay that was first', async () => {
  const relays = [createScriptedRelay('one'), createScriptedRelay('two')];
  const running = start({ relays });
  const wrap = forge(owner, bot.publicKey, 'hello');
  for (const relay of relays) relay.deliver(wrap);
  expect(await settled(running, relays)).toEqual(['hello']);
  const [, second] = relays;
  const handedOver = second?.delivered();
  second?.deliver(wrap);
  expect(second?.delivered()).toBe(handedOver);
  expect(running.received[0]).toMatchObject({ sender: owner.publicKey, relay: 'wss://one.example/', seq: 1 });
});

test('the same rumor in a new wrap, or in a new seal, is not handed on again', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  const created_at = nowSeconds();
  const first = forge(owner, bot.publicKey, 'pay', { rumor: { created_at } });
  relay.deliver(first);
  relay.deliver(wrapAnew(sealIn(first, bot), bot.publicKey));
  relay.deliver(forge(owner, bot.publicKey, 'pay', { rumor: { created_at } }));
  expect(await settled(running, [relay])).toEqual(['pay']);
  expect(running.inbox.stats().duplicates).toBe(2);
});

test('the same words, sent a second later, are another message', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  const created_at = nowSeconds() - 10;
  relay.deliver(forge(owner, bot.publicKey, 'more', { rumor: { created_at } }));
  relay.deliver(forge(owner, bot.publicKey, 'more', { rumor: { created_at: created_at + 1 } }));
  expect(await settled(running, [relay])).toEqual(['more', 'more']);
});

test('reconnects deliver nothing twice, and what was missed meanwhile, however far back it is dated', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  const backdated = (text: string, hours: number) =>
    forge(owner, bot.publicKey, text, { wrap: { created_at: nowSeconds() - hours * 3600 } });
  relay.deliver(backdated('a', 1));
  await settled(running, [relay]);
  relay.disconnect();
  relay.deliver(backdated('b', 47));
  relay.connect();
  relay.disconnect();
  relay.connect();
  expect(await settled(running, [relay])).toEqual(['a', 'b']);
});

test('after a restart the same wraps cost nothing, and new ones come through', async () => {
  const relay = createScriptedRelay('one');
  const file = createDatabaseFile();
  cleanups.push(file.remove);
  const before = start({ relays: [relay], path: file.path });
  relay.deliver(forge(owner, bot.publicKey, 'first'));
  relay.deliver(forgeLegacy(owner, bot.publicKey, 'old style'));
  relay.deliver(forge(stranger, bot.publicKey, 'spam'));
  expect(await settled(before, [relay])).toEqual(['first', 'old style']);
  before.stop();

  relay.deliver(forge(owner, bot.publicKey, 'while it was down'));
  const handedOver = relay.delivered();
  const after = start({ relays: [relay], path: file.path });
  expect(await settled(after, [relay])).toEqual(['while it was down']);
  // The new one and the marker: those from before were dropped by their ids.
  expect(relay.delivered() - handedOver).toBe(2);
  expect(after.rejections('stranger')).toBe(0);
  expect(after.store.open().map(({ text }) => text)).toEqual(
    expect.arrayContaining(['first', 'old style', 'while it was down']),
  );
});

test('with the ids of wraps forgotten, the message itself is still not handed on again', async () => {
  const relay = createScriptedRelay('one');
  const file = createDatabaseFile();
  cleanups.push(file.remove);
  const before = start({ relays: [relay], path: file.path });
  relay.deliver(forge(owner, bot.publicKey, 'once'));
  expect(await settled(before, [relay])).toEqual(['once']);
  before.store.pruneSeen(Date.now() + 1000);
  before.stop();

  const after = start({ relays: [relay], path: file.path });
  expect(await settled(after, [relay])).toEqual([]);
});

test('a relay that sends a copy with a broken signature cannot keep the genuine message out', async () => {
  const relays = [createScriptedRelay('liar'), createScriptedRelay('honest')] as const;
  const running = start({ relays });
  const wrap = forge(owner, bot.publicKey, 'genuine');
  const legacy = forgeLegacy(owner, bot.publicKey, 'old style');
  const broken = '00'.repeat(64);
  for (const event of [wrap, legacy]) relays[0].deliver({ ...event, sig: broken });
  await until(() => running.rejections('signature') === 2, 'the copies are judged');
  for (const event of [wrap, legacy]) relays[1].deliver(event);
  expect(await settled(running, relays)).toEqual(['genuine', 'old style']);
});

test('not even when both copies wait at the same time, in the same lane', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  const wrap = forge(owner, bot.publicKey, 'genuine');
  relay.deliver({ ...wrap, sig: '00'.repeat(64) });
  relay.deliver(wrap);
  expect(await settled(running, [relay])).toEqual(['genuine']);
});

test('a message whose handler fails stays open, and the next one is handed on', async () => {
  const relay = createScriptedRelay('one');
  const heard: string[] = [];
  const running = start({
    relays: [relay],
    onMessage: ({ text }) => {
      heard.push(text);
      if (text === 'bad') throw new Error('no');
    },
  });
  relay.deliver(forge(owner, bot.publicKey, 'bad'));
  relay.deliver(forge(owner, bot.publicKey, 'good'));
  await until(() => heard.includes('good'), 'the next message');
  expect(running.store.open().map(({ text }) => text)).toEqual(['bad', 'good']);
  expect(running.inbox.stats().failed).toBe(1);
});

test('a message that the disk refused is asked for again and handed on then', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay], limits: { askAgainMs: 0 } });
  running.db.exec("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(FAIL, 'disk full'); END");
  relay.deliver(forge(owner, bot.publicKey, 'hello'));
  await until(() => running.inbox.stats().failed === 1, 'the failure');
  expect(running.texts()).toEqual([]);
  running.db.exec('DROP TRIGGER full');
  await until(() => running.texts().includes('hello'), 'the message');
  expect(running.texts()).toEqual(['hello']);
});

test('messages held when the signal comes are left for the next start', async () => {
  const [up, down] = [createScriptedRelay('up'), createScriptedRelay('down', true)];
  up.deliver(forge(owner, bot.publicKey, 'held'));
  const file = createDatabaseFile();
  cleanups.push(file.remove);
  const before = start({ relays: [up, down], path: file.path, limits: { holdMs: 300 } });
  await until(() => before.inbox.stats().relays[0]?.waiting === 0, 'the message being held');
  before.stop();
  await Bun.sleep(400);
  expect([before.texts(), before.inbox.stats().failed]).toEqual([[], 0]);
  const after = start({ relays: [up], path: file.path });
  await until(() => after.texts().includes('held'), 'the message at the next start');
});

test('after the signal nothing is handed on, and nothing is subscribed', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  relay.deliver(forge(owner, bot.publicKey, 'too late'));
  running.stop();
  expect(relay.subscriptions()).toBe(0);
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve));
  expect([running.texts(), running.inbox.stats().failed]).toEqual([[], 0]);
});

test('what says nothing of its time is not taken for new by a copy of the home, nor by a fresh one; what came since is', async () => {
  const now = nowSeconds();
  const undated = { rumor: { id: undefined, created_at: undefined } };
  const before = [
    forge(owner, bot.publicKey, 'pay undated', undated),
    forge(owner, bot.publicKey, 'pay ahead', { rumor: { created_at: now + 60 * 24 * 3600 } }),
    forgeLegacy(owner, bot.publicKey, 'pay by the old protocol', { created_at: now + 3600 }),
  ];
  for (const taken of [true, false]) {
    const relay = createScriptedRelay('one');
    for (const event of before) relay.deliver(event);
    const { path, remove } = createDatabaseFile();
    cleanups.push(remove);
    const takenOverAt = taken ? Date.now() : 0;
    if (taken) start({ path, relays: [], clock: { now: () => takenOverAt - 3_600_000 } }).stop();
    const running = start({ path, relays: [relay], actsSince: () => takenOverAt });
    relay.deliver(forge(owner, bot.publicKey, 'new undated', undated));
    await settled(running, [relay]);
    const earlier = Math.floor(Math.max(takenOverAt, running.store.createdAt) / 1000) - 1;
    const isNew = ({ createdAt }: { createdAt: number }) => createdAt > earlier;
    const found = running.received.filter(({ text }) => !text.startsWith('marker '));
    const old = found.filter(({ createdAt }) => createdAt === earlier).map(({ text }) => text);
    expect(old.toSorted()).toEqual(['pay ahead', 'pay by the old protocol', 'pay undated']);
    expect(found.filter(isNew).map(({ text }) => text)).toEqual(['new undated']);
    // Read once to its end: what it stored since, while the bot was away, is new.
    running.store.setCaughtUp([relay.url], Date.now());
    relay.disconnect();
    relay.deliver(forge(owner, bot.publicKey, 'while it was away', undated));
    relay.connect();
    await until(() => running.texts().includes('while it was away'), 'it comes');
    expect(running.received.filter(isNew).map(({ text }) => text)).toContain('while it was away');
  }
});
