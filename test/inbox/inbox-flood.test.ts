import { afterEach, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createParty, forge, forgeJunk } from '@nostr-dm-agent/nostr/testing/forge';
import { createScriptedRelay } from '@nostr-dm-agent/nostr/testing/scripted-relay';
import { startInbox, type TestInbox } from '../support/inbox.ts';

const bot = createParty();
const owner = createParty();
const stranger = createParty();
const junk = forgeJunk(bot.publicKey, 5000);
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function start(options: Omit<Parameters<typeof startInbox>[0], 'bot' | 'owners'>): TestInbox {
  const running = startInbox({ bot, owners: [owner], ...options });
  cleanups.push(running.stop);
  return running;
}

const fromOwner = (text: string) => forge(owner, bot.publicKey, text);
const laneOf = (running: TestInbox, index: number) => {
  const lane = running.inbox.stats().relays[index];
  if (lane === undefined) throw new Error('no such lane');
  return lane;
};

test('an owner’s message behind thousands of junk wraps gets through, and the program goes on meanwhile', async () => {
  const relay = createScriptedRelay('flooded');
  const running = start({ relays: [relay] });
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks += 1;
  }, 1);
  cleanups.push(() => clearInterval(ticking));
  for (const wrap of junk) relay.deliver(wrap);
  relay.deliver(fromOwner('help'));
  await until(() => running.texts().includes('help'), 'the message behind the flood');
  // It was not the last to be opened.
  expect(laneOf(running, 0).waiting).toBeGreaterThan(1000);
  await until(() => running.rejections('undecryptable') >= 2000, 'two thousand being opened', 60_000);
  // At a stretch, they would be one tick.
  expect(ticks).toBeGreaterThan(50);
}, 90_000);

test('a relay that floods is slowed, the others are not', async () => {
  const [bad, good] = [createScriptedRelay('bad'), createScriptedRelay('good')];
  const running = start({ relays: [bad, good], limits: { junkBurst: 50, junkPerSecond: 1 } });
  for (const wrap of junk.slice(0, 1000)) bad.deliver(wrap);
  await until(() => laneOf(running, 0).throttled, 'the bad relay being slowed');
  for (const text of ['one', 'two', 'three']) {
    good.deliver(fromOwner(text));
    await until(() => running.texts().includes(text), `“${text}” through the good relay`);
  }
  expect(laneOf(running, 0).waiting).toBeGreaterThan(900);
  expect(laneOf(running, 1)).toMatchObject({ waiting: 0, throttled: false });
});

test('an owner’s own messages are not rationed', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay], limits: { junkBurst: 5, junkPerSecond: 0.001 } });
  for (let index = 0; index < 50; index += 1) relay.deliver(fromOwner(`${index}`));
  await until(() => running.received.length === 50, 'all of them');
  expect(laneOf(running, 0).throttled).toBe(false);
});

test.each([
  ['strangers', () => forge(stranger, bot.publicKey, 'buy this')],
  [
    'forged seals of an owner',
    () => forge(stranger, bot.publicKey, 'x', { signedSeal: { pubkey: owner.publicKey } }),
  ],
  ['broken signatures', () => forge(owner, bot.publicKey, 'x', { signedWrap: { sig: '00'.repeat(64) } })],
])('%s are rationed', async (_, make) => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay], limits: { junkBurst: 5, junkPerSecond: 0.001 } });
  for (let index = 0; index < 20; index += 1) relay.deliver(make());
  await until(() => laneOf(running, 0).throttled, 'the relay being slowed');
  expect(laneOf(running, 0).waiting).toBe(15);
});

test('memory is bounded, and what found no room is asked for again', async () => {
  const relay = createScriptedRelay('flooded');
  const running = start({ relays: [relay], limits: { queueEvents: 100, askAgainMs: 0 } });
  relay.deliver(fromOwner('pushed out'));
  for (const wrap of junk.slice(0, 500)) {
    relay.deliver(wrap);
    expect(laneOf(running, 0).waiting).toBeLessThanOrEqual(100);
  }
  expect(laneOf(running, 0).dropped).toBe(401);
  await until(() => running.texts().includes('pushed out'), 'the message that was dropped', 60_000);
}, 90_000);

test('bytes count as well as events', () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay], limits: { queueBytes: 100_000 } });
  for (const wrap of junk.slice(0, 1000)) relay.deliver(wrap);
  // Each is counted with its fixed fields.
  expect(laneOf(running, 0).waiting).toBeLessThan(120);
  expect(laneOf(running, 0).waiting).toBeGreaterThan(50);
});

test('live events are opened before stored ones', async () => {
  const relay = createScriptedRelay('one');
  for (const wrap of junk.slice(0, 2000)) relay.deliver(wrap);
  const running = start({ relays: [relay], limits: { holdMs: 0, crowdedAt: 5000 } });
  relay.deliver(fromOwner('now'));
  await until(() => running.texts().includes('now'), 'the live message');
  expect(laneOf(running, 0).waiting).toBeGreaterThan(1000);
});

test('what is not addressed to the bot alone does not even queue', () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay] });
  const tags = [
    ['p', bot.publicKey],
    ['p', owner.publicKey],
  ];
  relay.deliver(forge(owner, bot.publicKey, 'x', { wrap: { tags } }));
  expect(running.rejections('recipient')).toBe(1);
  expect(laneOf(running, 0).waiting).toBe(0);
});

test('wraps that memory has no room for are known from the disk', async () => {
  const relay = createScriptedRelay('one');
  const running = start({ relays: [relay], limits: { seenInMemory: 10 } });
  const wraps = junk.slice(0, 50);
  for (const round of ['first', 'second']) {
    for (const wrap of wraps) relay.deliver(wrap, { store: false });
    relay.deliver(fromOwner(round));
    await until(() => running.texts().includes(round), `the end of the ${round} round`);
  }
  expect(running.rejections('undecryptable')).toBe(50);
});

test('wraps looked at are written in batches, the rest at the end, and forgotten after four days', async () => {
  const relay = createScriptedRelay('one');
  let now = Date.now();
  const running = start({ relays: [relay], clock: { now: () => now } });
  const wraps = junk.slice(0, 600);
  for (const wrap of wraps) relay.deliver(wrap);
  await until(() => running.rejections('undecryptable') === 600, 'all being judged');
  const written = () => running.store.recentlySeen(1000).length;
  // A batch is full at 500; a slow machine has written what there was after a second.
  expect(written()).toBeGreaterThan(0);
  await until(() => written() === 600, 'the rest being written');
  now += 3.9 * 86_400_000;
  running.store.pruneSeen(now - 4 * 86_400_000);
  expect(written()).toBe(600);
  now += 0.2 * 86_400_000;
  running.store.pruneSeen(now - 4 * 86_400_000);
  expect(written()).toBe(0);
});
