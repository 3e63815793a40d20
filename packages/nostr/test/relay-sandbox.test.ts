import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf, signEvent } from '../src/event.ts';
import type { EventTemplate } from '../src/nostr-types.ts';
import { botKey, connectTo, never, nowS, signAsBot, wrapFilters, wrapOf } from './support/relay-client.ts';
import { relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

const key = generateSecretKey();
const author = publicKeyOf(key);
const eventOf = (template: Partial<EventTemplate>) =>
  signEvent({ kind: 1, created_at: nowS(), tags: [], content: '', ...template }, key);

test('the sandbox relay replaces replaceable and addressable events, and keeps no ephemeral ones', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const connection = world.connect(relay.url);
  const ephemeral: string[] = [];
  connection.subscribe(
    { filters: () => [{ kinds: [21059] }], onEvent: ({ content }) => ephemeral.push(content) },
    never(),
  );
  await until(() => relay.subscriptions().length === 1, 'the subscription');
  for (const event of [
    eventOf({ kind: 0, created_at: 100, content: 'old profile' }),
    eventOf({ kind: 0, created_at: 200, content: 'profile' }),
    eventOf({ kind: 0, created_at: 150, content: 'late old profile' }),
    eventOf({ kind: 30_000, created_at: 100, tags: [['d', 'a']], content: 'old a' }),
    eventOf({ kind: 30_000, created_at: 200, tags: [['d', 'a']], content: 'a' }),
    eventOf({ kind: 30_000, created_at: 100, tags: [['d', 'b']], content: 'b' }),
    eventOf({ kind: 21_059, content: 'ephemeral' }),
  ]) {
    expect(await connection.publish(event, 10_000, never())).toMatchObject({ result: 'accepted' });
  }
  const found = await connection.query([{ authors: [author] }], 10_000, never());
  expect(found.map(({ content }) => content).toSorted()).toEqual(['a', 'b', 'profile']);
  await until(() => ephemeral.length === 1, 'the ephemeral event');
});

test('of two versions of one second the one with the lower id stays (NIP-01)', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const versions = [
    eventOf({ kind: 0, created_at: 100, content: 'a' }),
    eventOf({ kind: 0, created_at: 100, content: 'b' }),
  ];
  const lower = versions.toSorted((a, b) => (a.id < b.id ? -1 : 1))[0];
  for (const version of versions) relay.inject(version);
  expect(relay.store.all().map(({ id }) => id)).toEqual([lower?.id ?? '']);
});

test('the sandbox relay refuses forged and expired events, and oversized messages', async () => {
  await using world = relayWorld();
  const relay = world.relay({ maxBytes: 4_096 });
  const connection = world.connect(relay.url);
  const forged = { ...eventOf({}), content: 'changed' };
  const expired = eventOf({ tags: [['expiration', String(nowS() - 10)]] });
  for (const event of [forged, expired]) {
    expect(await connection.publish(event, 10_000, never())).toMatchObject({
      result: 'refused',
      permanent: true,
    });
  }
  const expiring = eventOf({ tags: [['expiration', String(nowS() + 3_600)]] });
  expect(await connection.publish(expiring, 10_000, never())).toMatchObject({ result: 'accepted' });
  const huge = eventOf({ content: 'x'.repeat(5_000) });
  expect(await connection.publish(huge, 10_000, never())).toMatchObject({ result: 'refused', wants: 'size' });
});

test('a protected event (NIP-70) is taken from its author only', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const event = eventOf({ tags: [['-']] });
  const byAnother = await world.connect(relay.url).publish(event, 10_000, never());
  expect(byAnother).toMatchObject({ result: 'refused', permanent: true });
  const byAuthor = world.connect(relay.url, { sign: async (template) => signEvent(template, key) });
  expect(await byAuthor.publish(event, 10_000, never())).toMatchObject({ result: 'accepted' });
});

test('with AUTH for DMs a wrap is shown to its recipient, and to nobody else', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  const stranger = await world.listening(relay.url, { sign: async (template) => signEvent(template, key) });
  const bot = await world.listening(relay.url);
  relay.inject(wrapOf('for the bot'));
  relay.inject(eventOf({ content: 'for all' }));
  await until(() => bot.heard.includes('for the bot'), 'the wrap');
  expect(await stranger.connection.query(wrapFilters(), 10_000, never())).toEqual([]);
  const anonymous = world.connect(relay.url, { own: false });
  expect(await anonymous.query([{ kinds: [1] }], 10_000, never())).toHaveLength(1);
  expect(stranger.heard).toEqual([]);
});

test('the sandbox relay describes itself (NIP-11), and answers nonsense with a NOTICE', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'all', maxBytes: 1_000 });
  const response = await fetch(`http://127.0.0.1:${relay.port}`, {
    headers: { accept: 'application/nostr+json' },
  });
  expect(await response.json()).toMatchObject({
    supported_nips: [1, 11, 40, 42, 70],
    limitation: { max_message_length: 1_000, auth_required: true },
  });
  expect((await fetch(`http://127.0.0.1:${relay.port}`)).status).toBe(426);

  const frames: string[] = [];
  const socket = new WebSocket(relay.url);
  socket.addEventListener('message', ({ data }) => frames.push(String(data)));
  socket.addEventListener('open', () => socket.send('["REQ","x",{"kinds":"all"}]'));
  await until(() => frames.some((frame) => frame.startsWith('["NOTICE"')), 'the NOTICE');
  socket.terminate();
});

test('latency delays answers and keeps their order', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { latencyMs: 30 } });
  const connection = connectTo(relay.url, { sign: signAsBot });
  const started = performance.now();
  const events = Array.from({ length: 5 }, (_, index) =>
    signEvent({ kind: 1, created_at: nowS(), tags: [], content: String(index) }, botKey),
  );
  await Promise.all(events.map((event) => connection.publish(event, 10_000, never())));
  expect(performance.now() - started).toBeGreaterThanOrEqual(29);
  expect(relay.store.all().map(({ content }) => content)).toEqual(['0', '1', '2', '3', '4']);
  connection.close();
});
