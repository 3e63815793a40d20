import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId } from '@nostr-dm-agent/nostr';
import { silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import { loopback, refusingUrl, relayWorld, reservePort } from '@nostr-dm-agent/nostr/testing/relay-world';
import type { SandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import {
  impatientLists,
  newIdentity,
  outboxWorld,
  recipientOf,
  relayList,
  storedFor,
  textsFor,
} from '../support/outbox-world.ts';

setDefaultTimeout(40_000);
const never = new AbortController().signal;
const DAY_MS = 86_400_000;

describe('a message whose recipient has announced an inbox', () => {
  test('goes there and nowhere else', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, inbox, owner] = [net.relay(), net.relay(), newIdentity()];
    own.inject(relayList(owner, 10050, [inbox.url]));
    const { outbox } = world.live({ own: [own.url] });

    outbox.send(recipientOf(owner, [own.url]), 'to your inbox');
    await until(() => textsFor(owner, inbox).length === 1, 'the message in the inbox');
    expect(await outbox.flush(10_000, never)).toBe(true);
    expect(storedFor(owner, own)).toEqual([]);
  });

  test('reaches an inbox that demands to know who writes', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, inbox, owner] = [net.relay(), net.relay({ auth: 'all' }), newIdentity()];
    own.inject(relayList(owner, 10050, [inbox.url]));
    const { outbox } = world.live({ own: [own.url] });

    outbox.send(recipientOf(owner, []), 'it is me');
    await until(() => textsFor(owner, inbox).length === 1, 'the message in the inbox');
  });

  test('goes where the recipient wrote from when the inbox refuses it for good', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, inbox, owner] = [net.relay(), net.relay(), newIdentity()];
    inbox.faults.refuseEvents = 'restricted: members only';
    own.inject(relayList(owner, 10050, [inbox.url]));
    const { outbox } = world.live({ own: [own.url] });

    outbox.send(recipientOf(owner, [own.url]), 'knock knock');
    await until(() => textsFor(owner, own).length === 1, 'the message at the other relay');
    expect(await outbox.flush(10_000, never)).toBe(true);
    expect(outbox.status().lastProblem?.text).toContain('members only');
  });

  test('goes where the recipient wrote from when the inbox stays silent', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    own.inject(relayList(owner, 10050, [refusingUrl]));
    const PUBLISH_MS = 1_000;
    const { outbox } = world.live({ own: [own.url], limits: { publishMs: PUBLISH_MS } });

    outbox.send(recipientOf(owner, [own.url]), 'anybody there?');
    await until(() => textsFor(owner, own).length === 1, 'the message at the other relay');
    expect(outbox.status().refusing).toMatchObject([{ url: refusingUrl }]);
    // It is known to be silent: the next one goes elsewhere at once, and is kept for it.
    const at = performance.now();
    outbox.send(recipientOf(owner, [own.url]), 'and now?');
    await until(() => textsFor(owner, own).length === 2, 'the next message at the other relay');
    expect(performance.now() - at).toBeLessThan(PUBLISH_MS);
  });

  test('never leads the bot to hosts inside its network, however many are named', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, owner] = [net.relay(), newIdentity()];
    const hostile = [
      'ws://169.254.169.254/latest',
      'wss://10.0.0.1',
      'wss://[fd00::1]',
      'http://127.0.0.1',
      '💥',
    ];
    const many = Array.from({ length: 5000 }, (_, index) => hostile[index % hostile.length] ?? '');
    own.inject(relayList(owner, 10050, many));
    const { outbox, db } = world.live({ own: [own.url] });

    outbox.send(recipientOf(owner, [own.url]), 'still delivered');
    await until(() => textsFor(owner, own).length === 1, 'the message at the relay it came from');
    expect(await outbox.flush(10_000, never)).toBe(true);
    const row = db.query<{ deliveries: string }, []>('SELECT deliveries FROM outbox').get();
    expect(Object.keys(JSON.parse(row?.deliveries ?? ''))).toEqual([own.url]);
  });
});

describe('a message whose recipient has announced nothing', () => {
  test('goes where they wrote from and to our own relays', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, other, owner] = [net.relay(), net.relay(), newIdentity()];
    const { outbox } = world.live({ own: [own.url] });

    outbox.send(recipientOf(owner, [other.url]), 'hello');
    await until(() => textsFor(owner, other).length === 1, 'the message where they wrote from');
    await until(() => textsFor(owner, own).length === 1, 'the message at our relay');
  });

  test('also goes to the inbox that is found later', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [own, inbox, owner] = [net.relay(), net.relay(), newIdentity()];
    const indexer = net.relay();
    indexer.inject(relayList(owner, 10050, [inbox.url]));
    indexer.faults.latencyMs = 1_500;
    const { outbox } = world.live({
      own: [own.url],
      indexers: [indexer.url],
      listTimings: { firstAnswerMs: 50, queryMs: 10_000 },
      limits: { extraAttempts: 100 },
    });

    outbox.send(recipientOf(owner, []), 'hello');
    await until(() => textsFor(owner, own).length === 1, 'the message at our relay');
    await until(() => textsFor(owner, inbox).length === 1, 'the message in the inbox');
  });
});

describe('a relay that fails', () => {
  test('that is down at first gets the message when it comes up', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [port, owner] = [await reservePort(), newIdentity()];
    const { outbox } = world.live({
      own: [loopback(port)],
      limits: { publishMs: 500 },
      listTimings: impatientLists,
    });

    outbox.send(recipientOf(owner, []), 'at last');
    await until(() => outbox.status().lastProblem !== undefined, 'a failed attempt');
    expect(outbox.status().pending).toBe(1);
    const relay = net.relay({ port });
    await until(() => textsFor(owner, relay).length === 1, 'the message at the relay');
    await until(() => outbox.status().pending === 0, 'nothing pending');
  });

  test('does not keep the message from counting as sent at another, and gets it later', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [up, port, owner] = [net.relay(), await reservePort(), newIdentity()];
    const { outbox } = world.live({
      own: [up.url, loopback(port)],
      limits: { publishMs: 2_000, extraAttempts: 100 },
      listTimings: impatientLists,
    });

    outbox.send(recipientOf(owner, []), 'hello');
    expect(await outbox.flush(10_000, never)).toBe(true);
    expect(textsFor(owner, up)).toEqual(['hello']);
    const late = net.relay({ port });
    await until(() => storedFor(owner, late).length === 1, 'the message at the late relay');
    expect(storedFor(owner, late)).toEqual(storedFor(owner, up));
  });

  test('that wants it slower gets it slower', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    relay.faults.refuseEvents = 'rate-limited: slow down';
    const { outbox } = world.live({ own: [relay.url] });

    outbox.send(recipientOf(owner, []), 'patience');
    await until(() => outbox.status().lastProblem?.text.includes('slow down') === true, 'a refusal');
    expect(outbox.status().pending).toBe(1);
    relay.faults.refuseEvents = undefined;
    await until(() => textsFor(owner, relay).length === 1, 'the message at the relay');
  });

  test('that refuses what is back-dated gets the same message in a wrap dated now', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const owner = newIdentity();
    let refused = 0;
    const strict: SandboxRelay = net.relay({
      onMessage: (message) => {
        const old = message[0] === 'EVENT' && message[1].created_at < Date.now() / 1000 - 3_600;
        if (old) refused += 1;
        strict.faults.refuseEvents = old ? 'invalid: event timestamp is too far in the past' : undefined;
      },
    });
    const lenient = net.relay();
    const { outbox } = world.live({ own: [strict.url, lenient.url], random: () => 0.5 });

    const { ids } = outbox.send(recipientOf(owner, []), 'now');
    await until(() => textsFor(owner, strict).length === 1, 'the message at the strict relay');
    await until(() => textsFor(owner, lenient).length === 1, 'the message at the lenient relay');
    expect(refused).toBe(1);
    expect(storedFor(owner, strict)[0]?.id).not.toBe(storedFor(owner, lenient)[0]?.id ?? '');
    expect(ids).toHaveLength(1);
  });

  test('costs one round trip for many messages', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    const { outbox, lists } = world.live({ own: [relay.url] });
    await until(() => relay.connections() === 1, 'the connection');
    await lists.lookUp(owner.publicKey);
    relay.faults.latencyMs = 500;

    const started = performance.now();
    for (let i = 0; i < 20; i++) outbox.send(recipientOf(owner, []), `message ${i}`);
    expect(await outbox.flush(30_000, never)).toBe(true);
    expect(performance.now() - started).toBeLessThan(20 * 500 * 0.5);
  });
});

describe('a message that nobody takes', () => {
  const warnings = () => {
    const said: string[] = [];
    const log: Logger = { ...silentLogger, warn: (_facts, message) => said.push(message) };
    return { log, said };
  };

  test('is given up when every relay refuses it for good, counted and logged', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    relay.faults.refuseEvents = 'blocked: not you';
    const { log, said } = warnings();
    const { outbox } = world.live({ own: [relay.url], log });

    outbox.send(recipientOf(owner, []), 'hello?');
    await until(() => outbox.status().undeliverable === 1, 'the message being given up');
    expect(outbox.status()).toMatchObject({ pending: 0, undeliverable: 1 });
    expect(said).toEqual(['a message could not be delivered']);
  });

  test('is given up after three days, not before', async () => {
    using world = outboxWorld();
    const owner = newIdentity();
    let now = Date.now();
    const clock = { now: () => now };
    const { outbox } = world.live({
      own: [refusingUrl],
      clock,
      limits: { publishMs: 100 },
      listTimings: impatientLists,
    });

    outbox.send(recipientOf(owner, []), 'hello?');
    const problemAt = () => outbox.status().lastProblem?.at ?? 0;
    await until(() => problemAt() > 0, 'a first attempt');
    now += 2.9 * DAY_MS;
    await until(() => problemAt() === now, 'an attempt on the third day');
    expect(outbox.status()).toMatchObject({ pending: 1, undeliverable: 0 });
    now += 0.2 * DAY_MS;
    await until(() => outbox.status().undeliverable === 1, 'the message being given up');
    expect(outbox.status().pending).toBe(0);
  });

  test('does not matter when it is a reaction', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    relay.faults.refuseEvents = 'blocked: not you';
    const { log, said } = warnings();
    const { outbox } = world.live({ own: [relay.url], log });

    const target = { id: 'a'.repeat(64) as EventId, author: owner.publicKey, kind: 14 };
    outbox.react(recipientOf(owner, []), target, '👀');
    await until(() => outbox.status().pending === 0, 'the reaction being given up');
    expect(outbox.status().undeliverable).toBe(0);
    expect(said).toEqual([]);
  });

  test('is not waited for beyond the time that was given', async () => {
    using world = outboxWorld();
    const { outbox } = world.live({ own: [refusingUrl], listTimings: impatientLists });
    expect(await outbox.flush(60_000, never)).toBe(true);
    outbox.send(recipientOf(newIdentity(), []), 'hello?');
    expect(await outbox.flush(100, never)).toBe(false);
    expect(await outbox.flush(60_000, AbortSignal.timeout(50))).toBe(false);
  });
});

describe('a bot that dies', () => {
  test('before anything left it sends everything once it is back', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [port, owner] = [await reservePort(), newIdentity()];
    const first = world.live({ own: [loopback(port)] });
    for (let i = 1; i <= 5; i++) first.outbox.send(recipientOf(owner, []), `message ${i}`);
    first.kill();

    const relay = net.relay({ port });
    const second = world.live({ own: [relay.url] });
    await until(() => textsFor(owner, relay).length === 5, 'all messages');
    expect(textsFor(owner, relay)).toEqual([1, 2, 3, 4, 5].map((i) => `message ${i}`));
    await until(() => second.outbox.status().pending === 0, 'nothing pending');
  });

  test('between the relay storing a message and saying so sends the same event again', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const owner = newIdentity();
    const received: string[] = [];
    let onFirst: (() => void) | undefined;
    const relay = net.relay({
      onMessage: (message) => {
        if (message[0] !== 'EVENT') return;
        received.push(message[1].id);
        onFirst?.();
      },
    });
    const first = world.live({ own: [relay.url] });
    onFirst = first.kill;
    first.outbox.send(recipientOf(owner, []), 'once');
    await until(() => received.length === 1, 'the first attempt');

    onFirst = undefined;
    const second = world.live({ own: [relay.url] });
    await until(() => second.outbox.status().pending === 0, 'nothing pending');
    expect(received).toHaveLength(2);
    expect(new Set(received).size).toBe(1);
    expect(textsFor(owner, relay)).toEqual(['once']);
  });

  test('many times while it sends loses nothing and duplicates nothing', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const owner = newIdentity();
    let counter = 0;
    let life: ReturnType<typeof world.live> | undefined;
    const relay = net.relay({
      onMessage: (message) => {
        if (message[0] === 'EVENT' && ++counter % 3 === 0) life?.kill();
      },
    });
    const sent: string[] = [];
    for (let round = 0; round < 8; round++) {
      life = world.live({ own: [relay.url] });
      for (let i = 0; i < 4; i++) {
        const text = `message ${round}.${i}`;
        life.outbox.send(recipientOf(owner, []), text);
        sent.push(text);
      }
      const before = counter;
      const kills = (events: number) => Math.floor(events / 3);
      await until(() => kills(counter) > kills(before), 'its end');
      life.kill();
    }
    life = undefined;
    const last = world.live({ own: [relay.url] });
    await until(() => last.outbox.status().pending === 0, 'nothing pending');
    expect(textsFor(owner, relay)).toEqual(sent);
    expect(storedFor(owner, relay)).toHaveLength(sent.length);
  });
});
