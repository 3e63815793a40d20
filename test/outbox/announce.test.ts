import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { systemClock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { NostrEvent, RelayUrl } from '@nostr-dm-agent/nostr';
import { type AnnounceOptions, announce, keepAnnounced, signEvent } from '@nostr-dm-agent/nostr';
import { silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import { loopback, refusingUrl, relayWorld, reservePort } from '@nostr-dm-agent/nostr/testing/relay-world';
import type { SandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { getPow } from 'nostr-tools/nip13';
import { newIdentity, outboxWorld } from '../support/outbox-world.ts';

setDefaultTimeout(40_000);

const profile = { name: 'workbench', about: 'A coding agent' };
const never = new AbortController().signal;

/** A bot with these own relays, ready to announce itself. */
function announcer(
  world: ReturnType<typeof outboxWorld>,
  own: readonly RelayUrl[],
  indexers: RelayUrl[] = [],
  onIncomplete: () => unknown = () => {},
) {
  const { relays } = world.live({ own });
  const options: AnnounceOptions = {
    ...{ identity: world.identity, relays, indexers, profile, clock: systemClock },
    log: { ...silentLogger, info: onIncomplete },
    timeoutMs: own.includes(refusingUrl) ? 3_000 : 15_000,
  };
  return { options, announce: () => announce(options, never) };
}

/** The same, kept announced until the end. */
function keep({ options }: ReturnType<typeof announcer>, turn = async (): Promise<void> => undefined) {
  const ending = new AbortController();
  let ended = false;
  const quick = { baseMs: 50, maxMs: 200 };
  const done = keepAnnounced(
    { ...options, timeoutMs: 1_000, random: seededRandom(1), retry: quick, again: quick, turn },
    ending.signal,
  ).then(() => {
    ended = true;
  });
  return {
    ended: () => ended,
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await done;
    },
  };
}

const stored = (relay: SandboxRelay, kind: number): NostrEvent | undefined =>
  relay.store.all().find((event) => event.kind === kind);
const profileAt = (relay: SandboxRelay): unknown => JSON.parse(stored(relay, 0)?.content ?? 'null');

describe('a bot that nobody knows yet', () => {
  test('publishes inbox, relay list, profile and file servers to its relays and the indexers', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relays = [net.relay(), net.relay(), net.relay(), net.relay()] as const;
    const indexer = net.relay();
    const urls = relays.map(({ url }) => url);
    const fileServers = ['https://files.example', 'https://more.example'];
    const { options } = announcer(world, urls, [indexer.url]);
    const result = await announce({ ...options, fileServers }, never);

    expect(result.complete).toBe(true);
    for (const relay of [...relays, indexer]) {
      expect(stored(relay, 10063)?.tags).toEqual(fileServers.map((url) => ['server', url]));
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
    let tried = 0;
    await using kept = keep(announcer(world, [loopback(port)], [], () => tried++));
    await until(() => tried > 0, 'the first attempt');
    const relay = net.relay({ port });
    await until(() => stored(relay, 10050) !== undefined, 'the list');
    expect(kept.ended()).toBe(false);
  });

  test('puts nothing anywhere while another bot with its key may be the one to be found', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    const turn = Promise.withResolvers<void>();
    await using kept = keep(announcer(world, [relay.url]), () => turn.promise);
    await until(() => relay.connections() > 0, 'it is connected');
    expect(relay.store.all()).toEqual([]);
    turn.resolve();
    await until(() => relay.store.all().length === 3, 'it is announced');
    expect(kept.ended()).toBe(false);
  });

  test('stops trying when it is stopped', async () => {
    using world = outboxWorld();
    const kept = keep(announcer(world, [refusingUrl]));
    await kept[Symbol.asyncDispose]();
    expect(kept.ended()).toBe(true);
  });

  test('does the work that a relay asks for', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay({ limitation: { min_pow_difficulty: 8 } });
    await using _ = keep(announcer(world, [relay.url]));
    await until(() => [0, 10002, 10050].every((kind) => stored(relay, kind) !== undefined), 'all of it');
    for (const event of relay.store.all()) expect(getPow(event.id)).toBeGreaterThanOrEqual(8);
  });
});

describe('what was announced', () => {
  test.each([
    ['replaced by somebody else', (relay: SandboxRelay, other: NostrEvent) => relay.inject(other)],
    [
      'lost by the relay',
      (relay: SandboxRelay) => {
        relay.store.clear();
        relay.dropAll();
      },
    ],
  ])('and then %s is announced again', async (_, spoil) => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    await using _kept = keep(announcer(world, [relay.url]));
    const isOurs = () => stored(relay, 10050)?.tags[0]?.[1] === relay.url;
    await until(
      () => isOurs() && relay.subscriptions().length > 0,
      'the first announcement being listened to',
    );
    const first = stored(relay, 10050);
    const template = { kind: 10050, created_at: (first?.created_at ?? 0) + 5, content: '' };
    const tags = [['relay', 'wss://elsewhere.example']];
    spoil(relay, signEvent({ ...template, tags }, world.identity.secretKey));
    expect(isOurs()).toBe(false);
    await until(isOurs, 'the bot’s own list being back');
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
