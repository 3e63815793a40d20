import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, signEvent } from '../src/event.ts';
import { startNostrRelayCore } from './support/nostr-relay-core.ts';
import { botPublicKey, HOUR_S, never, nowS, wrapFilters, wrapOf } from './support/relay-client.ts';
import { relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

// `@nostr-relay/core` is a relay that we have not written: what it and we both understand is NIP-01 and NIP-42.

test.each([false, true])('stored and live wraps at an independent relay, with AUTH: %p', async (auth) => {
  const relay = startNostrRelayCore({ auth });
  await using world = relayWorld();
  const sender = world.connect(relay.url);
  const stored = wrapOf('stored', nowS() - 20 * HOUR_S);
  expect(await sender.publish(stored, 10_000, never())).toMatchObject({ result: 'accepted' });
  expect(await sender.publish(stored, 10_000, never())).toMatchObject({ result: 'accepted' });

  const bot = await world.listening(relay.url);
  expect(bot.heard).toEqual(['stored']);
  expect(await sender.publish(wrapOf('live'), 10_000, never())).toMatchObject({ result: 'accepted' });
  await until(() => bot.heard.includes('live'), 'the live wrap');
  expect(await bot.connection.query(wrapFilters(), 10_000, never())).toHaveLength(2);
  await relay.stop();
});

test('an independent relay accepts our AUTH: it shows a NIP-04 message to the bot, and not to a stranger', async () => {
  const relay = startNostrRelayCore({ auth: true });
  await using world = relayWorld();
  const message = signEvent(
    { kind: 4, created_at: nowS(), tags: [['p', botPublicKey]], content: 'text?iv=iv' },
    generateSecretKey(),
  );
  const bot = world.connect(relay.url);
  expect(await bot.publish(message, 10_000, never())).toMatchObject({ result: 'accepted' });
  const messages = [{ kinds: [4], '#p': [botPublicKey] }];
  expect(await bot.query(messages, 10_000, never())).toEqual([message]);

  const stranger = world.connect(relay.url, {
    sign: async (template) => signEvent(template, generateSecretKey()),
  });
  expect(await stranger.query(messages, 10_000, never())).toEqual([]);
  const anonymous = world.connect(relay.url, { own: false });
  await expect(anonymous.query(messages, 10_000, never())).rejects.toMatchObject({ reason: 'refused' });
  await relay.stop();
});

test('an independent relay refuses a forged event for good', async () => {
  const relay = startNostrRelayCore();
  await using world = relayWorld();
  const forged = { ...wrapOf('forged'), pubkey: botPublicKey };
  expect(await world.connect(relay.url).publish(forged, 10_000, never())).toMatchObject({
    result: 'refused',
    permanent: true,
  });
  await relay.stop();
});
