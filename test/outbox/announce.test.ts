import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { systemClock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import type { NostrEvent, RelayUrl } from '@nostr-dm-agent/nostr';
import { type AnnounceOptions, announce, announceUntilComplete, signEvent } from '@nostr-dm-agent/nostr';
import { silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import { loopback, refusingUrl, relayWorld, reservePort } from '@nostr-dm-agent/nostr/testing/relay-world';
import type { SandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { newIdentity, outboxWorld } from '../support/outbox-world.ts';

setDefaultTimeout(40_000);

const profile = { name: 'workbench', about: 'A coding agent' };
const never = new AbortController().signal;

/** A bot with these own relays, ready to announce itself. */
function announcer(
  world: ReturnType<typeof outboxWorld>,
  own: readonly RelayUrl[],
  indexers: RelayUrl[] = [],
) {
  const { relays } = world.live({ own });
  const options: AnnounceOptions = {
    ...{ identity: world.identity, relays, indexers, profile, clock: systemClock, log: silentLogger },
    timeoutMs: own.includes(refusingUrl) ? 3_000 : 15_000,
  };
  return { options, announce: () => announce(options, never) };
}

const stored = (relay: SandboxRelay, kind: number): NostrEvent | undefined =>
  relay.store.all().find((event) => event.kind === kind);
const profileAt = (relay: SandboxRelay): unknown => JSON.parse(stored(relay, 0)?.content ?? 'null');

describe('a bot that nobody knows yet', () => {
  test('publishes inbox, relay list and profile to its relays and the indexers', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relays = [net.relay(), net.relay(), net.relay(), net.relay()] as const;
    const indexer = net.relay();
    const urls = relays.map(({ url }) => url);
    const result = await announcer(world, urls, [indexer.url]).announce();

    expect(result.complete).toBe(true);
    for (const relay of [...relays, indexer]) {
      expect(stored(relay, 10050)?.tags).toEqual(urls.slice(0, 3).map((url) => ['relay', url]));
      expect(stored(relay, 10002)?.tags).toEqual(urls.map((url) => ['r', url]));
      expect(profileAt(relay)).toEqual({ ...profile, bot: true });
    }
    for (const { result: what, at } of result.announcements) {
      expect(what).toBe('changed');
      expect(new Set(at)).toEqual(new Set([...urls, indexer.url]));
    }
  });

  test('is announced though one relay is down', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [one, two] = [net.relay(), net.relay()];
    const result = await announcer(world, [one.url, refusingUrl, two.url]).announce();

    expect(result.complete).toBe(true);
    expect(stored(one, 10050)?.tags).toEqual([
      ['relay', one.url],
      ['relay', refusingUrl],
      ['relay', two.url],
    ]);
    const [first] = result.announcements;
    expect([...(first?.missing.keys() ?? [])]).toEqual([refusingUrl]);
  });

  test('tries again until it is done', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const port = await reservePort();
    const { options } = announcer(world, [loopback(port)]);
    const retry = { baseMs: 100, maxMs: 300 };
    const ending = new AbortController();
    const done = announceUntilComplete(
      { ...options, timeoutMs: 1_000, random: seededRandom(1), retry },
      ending.signal,
    );
    expect(await Promise.race([done, Bun.sleep(2_500).then(() => 'still trying')])).toBe('still trying');
    const relay = net.relay({ port });
    expect((await done)?.complete).toBe(true);
    expect(stored(relay, 10050)).toBeDefined();
  });

  test('stops trying when it is stopped', async () => {
    using world = outboxWorld();
    const { options } = announcer(world, [refusingUrl]);
    const ending = new AbortController();
    const done = announceUntilComplete(
      { ...options, timeoutMs: 200, random: seededRandom(1) },
      ending.signal,
    );
    setTimeout(() => ending.abort(), 100);
    expect(await done).toBeUndefined();
  });
});

describe('a bot that is known', () => {
  test('publishes nothing when everything is right', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    let published = 0;
    const relay = net.relay({ onMessage: ([type]) => void (type === 'EVENT' && published++) });
    const bot = announcer(world, [relay.url]);
    await bot.announce();
    expect(published).toBe(3);
    const again = await bot.announce();
    expect(published).toBe(3);
    expect(again.complete).toBe(true);
    expect(again.announcements.map(({ result }) => result)).toEqual(['current', 'current', 'current']);
  });

  test('brings what it has to a relay that lacks it, unchanged', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, indexer] = [net.relay(), net.relay()];
    await announcer(world, [relay.url]).announce();
    await announcer(world, [relay.url], [indexer.url]).announce();
    for (const kind of [0, 10002, 10050]) expect(stored(indexer, kind)).toEqual(stored(relay, kind));
  });

  test('announces the relays that it has now', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [before, now] = [net.relay(), net.relay()];
    await announcer(world, [before.url]).announce();
    const [old] = [stored(before, 10050)];
    await announcer(world, [now.url, before.url]).announce();
    for (const relay of [before, now]) {
      expect(stored(relay, 10050)?.tags).toEqual([
        ['relay', now.url],
        ['relay', before.url],
      ]);
      expect(stored(relay, 10050)?.created_at).toBeGreaterThan(old?.created_at ?? Number.POSITIVE_INFINITY);
    }
  });

  test('keeps a profile that was edited elsewhere, and says that it is a bot', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [stale, edited] = [net.relay(), net.relay()];
    const write = (relay: SandboxRelay, content: object, createdAt: number) => {
      const template = {
        kind: 0,
        created_at: createdAt,
        tags: [['x', 'kept']],
        content: JSON.stringify(content),
      };
      relay.inject(signEvent(template, world.identity.secretKey));
    };
    const ahead = unixSeconds(systemClock) + 600;
    write(stale, { name: 'old', bot: true }, ahead - 10_000);
    write(edited, { name: 'Bob', picture: 'https://example.com/bob.png', custom: { a: [1] } }, ahead);
    await announcer(world, [stale.url, edited.url]).announce();

    for (const relay of [stale, edited]) {
      const picture = 'https://example.com/bob.png';
      expect(profileAt(relay)).toEqual({ name: 'Bob', picture, custom: { a: [1] }, bot: true });
      // Newer than what it replaces, though that is dated ahead.
      expect(stored(relay, 0)).toMatchObject({ created_at: ahead + 1, tags: [['x', 'kept']] });
    }
  });

  test('does not take a stranger’s profile for its own', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    const forged = signEvent(
      { kind: 0, created_at: 1, tags: [], content: '{"name":"mallory","bot":true}' },
      newIdentity().secretKey,
    );
    relay.inject({ ...forged, pubkey: world.identity.publicKey });
    await announcer(world, [relay.url]).announce();
    expect(profileAt(relay)).toEqual({ ...profile, bot: true });
  });

  test('holds its profile back while most relays can’t say whether there is one', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    const result = await announcer(world, [relay.url, refusingUrl]).announce();
    expect(stored(relay, 0)).toBeUndefined();
    expect(stored(relay, 10050)).toBeDefined();
    expect(result.complete).toBe(false);
    expect(result.announcements.find(({ kind }) => kind === 0)?.result).toBe('held back');
  });
});
