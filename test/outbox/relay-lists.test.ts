import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { NostrEvent } from '@nostr-dm-agent/nostr';
import { signEvent } from '@nostr-dm-agent/nostr';
import { loopback, refusingUrl, relayWorld, reservePort } from '@nostr-dm-agent/nostr/testing/relay-world';
import { newIdentity, outboxWorld, recipientOf, relayList, textsFor } from '../support/outbox-world.ts';

setDefaultTimeout(40_000);

const nowS = () => Math.floor(Date.now() / 1000);
const HOUR_MS = 3_600_000;

describe('the relays of somebody', () => {
  test('are read from their own lists, without what they only write to', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    own.inject(relayList(owner, 10050, ['wss://DM.example.com/']));
    const tags = [
      ['r', 'wss://both.example.com'],
      ['r', 'wss://write.example.com', 'write'],
      ['r', 'wss://read.example.com', 'read'],
    ];
    own.inject(signEvent({ kind: 10002, created_at: nowS(), tags, content: '' }, owner.secretKey));
    const { lists } = world.live({ own: [own.url] });

    expect<object>(await lists.lookUp(owner.publicKey)).toEqual({
      dmRelays: ['wss://dm.example.com'],
      read: ['wss://both.example.com', 'wss://read.example.com'],
      complete: true,
    });
  });

  test('are taken from the newest list, wherever it is', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, indexer, third, owner] = [net.relay(), net.relay(), net.relay(), newIdentity()];
    own.inject(relayList(owner, 10050, ['wss://old.example.com'], nowS() - 500));
    indexer.inject(relayList(owner, 10050, ['wss://new.example.com'], nowS() - 100));
    third.inject(relayList(owner, 10050, ['wss://older.example.com'], nowS() - 900));
    const { lists } = world.live({ own: [own.url], indexers: [indexer.url, third.url] });

    expect<readonly string[]>((await lists.lookUp(owner.publicKey)).dmRelays).toEqual([
      'wss://new.example.com',
    ]);
  });

  test('are nobody else’s to name', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner, mallory] = [net.relay(), newIdentity(), newIdentity()];
    const forged: NostrEvent = {
      ...relayList(mallory, 10050, ['wss://mallory.example.com']),
      pubkey: owner.publicKey,
    };
    const altered: NostrEvent = {
      ...relayList(owner, 10002, ['wss://owner.example.com']),
      tags: [['r', 'wss://mallory.example.com']],
    };
    own.inject(forged);
    own.inject(altered);
    own.inject(relayList(mallory, 10050, ['wss://mallory.example.com']));
    const { lists } = world.live({ own: [own.url] });

    expect(await lists.lookUp(owner.publicKey)).toEqual({ dmRelays: [], read: [], complete: true });
  });

  test('are at most four, and none of them inside our network', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    const hostile = [
      'ws://169.254.169.254',
      'wss://10.0.0.1',
      'wss://[::ffff:192.168.0.1]',
      'ws://relay.example.com',
      'wss://router.lan',
      'wss://user:password@relay.example.com',
      'file:///etc/passwd',
      '',
    ];
    const good = [1, 2, 3, 4, 5, 6].map((n) => `wss://relay${n}.example.com`);
    own.inject(relayList(owner, 10050, [...hostile, ...good, ...good]));
    own.inject(relayList(owner, 10002, [...Array(5_000).fill('wss://10.0.0.1'), 'wss://last.example.com']));
    const { lists } = world.live({ own: [own.url] });

    const { dmRelays, read } = await lists.lookUp(owner.publicKey);
    expect<readonly string[]>(dmRelays).toEqual(good.slice(0, 4));
    expect(read).toEqual([]);
  });

  test('may be on this machine only when ours are', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [indexer, owner] = [net.relay(), newIdentity()];
    indexer.inject(relayList(owner, 10050, [indexer.url]));
    const { lists } = world.live({ own: [], indexers: [indexer.url] });

    expect((await lists.lookUp(owner.publicKey)).dmRelays).toEqual([]);
  });
});

describe('looking relays up', () => {
  test('does not wait for a slow source longer than it must, and uses its answer later', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, slow, owner] = [net.relay(), net.relay(), newIdentity()];
    slow.inject(relayList(owner, 10050, ['wss://dm.example.com']));
    slow.faults.swallow.add('REQ');
    const { lists } = world.live({
      own: [own.url],
      indexers: [slow.url],
      listTimings: { firstAnswerMs: 300, queryMs: 30_000 },
    });

    const started = performance.now();
    expect(await lists.lookUp(owner.publicKey)).toMatchObject({ dmRelays: [], complete: false });
    // The next one does not wait again, though the look-up goes on.
    for (let i = 0; i < 30; i++) await lists.lookUp(owner.publicKey);
    expect(performance.now() - started).toBeLessThan(30 * 300 * 0.8);

    slow.faults.swallow.clear();
    slow.dropAll();
    await until(
      async () => (await lists.lookUp(owner.publicKey)).dmRelays.length === 1,
      'the answer of the slow one',
    );
  });

  test('ahead of time makes the answer be there at once', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    own.inject(relayList(owner, 10050, ['wss://dm.example.com']));
    let asked = 0;
    const indexer = net.relay({ onMessage: ([type]) => void (type === 'REQ' && asked++) });
    const { lists, db } = world.live({ own: [own.url], indexers: [indexer.url] });

    lists.warm(owner.publicKey);
    lists.warm(owner.publicKey);
    const stored = db.query('SELECT 1 FROM relay_lists WHERE fresh_until > 0');
    await until(() => stored.all().length === 2, 'the lists being stored');
    expect((await lists.lookUp(owner.publicKey)).complete).toBe(true);
    expect(asked).toBe(1);
  });

  test('does not take silence for an answer', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [port, owner] = [await reservePort(), newIdentity()];
    const { lists, db } = world.live({
      own: [loopback(port)],
      indexers: [refusingUrl],
      listTimings: { firstAnswerMs: 200, queryMs: 500 },
    });

    expect(await lists.lookUp(owner.publicKey)).toEqual({ dmRelays: [], read: [], complete: false });
    expect(db.query('SELECT * FROM relay_lists').all()).toEqual([]);
    const relay = net.relay({ port });
    relay.inject(relayList(owner, 10050, ['wss://dm.example.com']));
    await until(async () => (await lists.lookUp(owner.publicKey)).complete, 'an answer');
    expect((await lists.lookUp(owner.publicKey)).dmRelays).toHaveLength(1);
  });

  test('is not needed after a restart, also when every relay is down', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    own.inject(relayList(owner, 10050, ['wss://dm.example.com']));
    const first = world.live({ own: [own.url] });
    await first.lists.lookUp(owner.publicKey);
    first.kill();

    const { lists } = world.live({ own: [refusingUrl] });
    expect(await lists.lookUp(owner.publicKey)).toMatchObject({ complete: true });
    expect((await lists.lookUp(owner.publicKey)).dmRelays).toHaveLength(1);
  });

  test('uses an old list at once and renews it behind', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    let now = Date.now();
    own.inject(relayList(owner, 10050, ['wss://old.example.com'], nowS() - 100));
    const { lists } = world.live({ own: [own.url], clock: { now: () => now } });
    const dmRelays = async (): Promise<readonly string[]> => (await lists.lookUp(owner.publicKey)).dmRelays;

    expect(await dmRelays()).toEqual(['wss://old.example.com']);
    own.inject(relayList(owner, 10050, ['wss://new.example.com']));
    now += 0.9 * HOUR_MS;
    expect(await dmRelays()).toEqual(['wss://old.example.com']);
    now += 0.2 * HOUR_MS;
    expect(await dmRelays()).toEqual(['wss://old.example.com']);
    await until(async () => String(await dmRelays()) === 'wss://new.example.com', 'the new list');
  });

  test.each([
    ['a relay of the bot', 'own'],
    ['their old inbox', 'inbox'],
    ['an indexer', 'indexer'],
  ] as const)(
    'somebody who moves while they talk with the bot is answered at the new place, said at %s',
    async (_, where) => {
      await using net = relayWorld();
      using world = outboxWorld();
      const relays = { own: net.relay(), inbox: net.relay(), indexer: net.relay() };
      const [moved, owner] = [net.relay(), newIdentity()];
      const now = Math.floor(Date.now() / 1000);
      relays.own.inject(relayList(owner, 10050, [relays.inbox.url], now - 60));
      const { outbox } = world.live({ own: [relays.own.url], indexers: [relays.indexer.url] });
      outbox.send(recipientOf(owner, [relays.own.url]), 'first');
      await until(() => textsFor(owner, relays.inbox).includes('first'), 'the first reply');
      await until(() => relays[where].subscriptions().length > 0, 'being listened to');

      relays[where].inject(relayList(owner, 10050, [moved.url], now));
      await until(() => {
        outbox.send(recipientOf(owner, [relays.own.url]), 'next');
        return textsFor(owner, moved).includes('next');
      }, 'a reply at the new place');
    },
  );
});
