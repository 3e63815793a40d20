import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId } from '@nostr-dm-agent/nostr';
import { TokenTooLongError } from '@nostr-dm-agent/nostr';
import { relayWorld } from '@nostr-dm-agent/nostr/testing/relay-world';
import { Event, Keys, loadWasmSync, NostrSigner, UnwrappedGift } from '@rust-nostr/nostr-sdk';
import {
  newIdentity,
  outboxWorld,
  readBy,
  recipientOf,
  storedFor,
  textsFor,
} from '../support/outbox-world.ts';

setDefaultTimeout(40_000);
loadWasmSync();

const question = 'a'.repeat(64) as EventId;

describe('an answer', () => {
  test('arrives as a gift-wrapped kind 14 that refers to the question, read by two other implementations', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    const { outbox } = world.live({ own: [relay.url] });

    const { ids } = outbox.send({ ...recipientOf(owner, [relay.url]), inReplyTo: question }, 'Done: 世界 👋');
    await until(() => storedFor(owner, relay).length === 1, 'the answer at the relay');

    const [read] = readBy(owner, relay);
    expect(read).toMatchObject({
      kind: 14,
      content: 'Done: 世界 👋',
      pubkey: world.identity.publicKey,
      tags: [
        ['p', owner.publicKey],
        ['e', question, relay.url],
      ],
    });
    expect(read?.id).toBe(ids[0] ?? 'no id');

    const signer = NostrSigner.keys(Keys.parse(Buffer.from(owner.secretKey).toString('hex')));
    const gift = await UnwrappedGift.fromGiftWrap(
      signer,
      Event.fromJson(JSON.stringify(storedFor(owner, relay)[0])),
    );
    expect(gift.sender.toHex()).toBe(world.identity.publicKey);
    expect(gift.rumor.content).toBe('Done: 世界 👋');
  });

  test('to a NIP-04 question is a kind 4, never a gift wrap', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    const { outbox } = world.live({ own: [relay.url] });

    const to = { ...recipientOf(owner, [], 'nip04'), inReplyTo: question };
    const { ids } = outbox.send(to, 'Done. 世界');
    await until(() => textsFor(owner, relay).includes('Done. 世界'), 'the answer at the relay');

    const [event, ...others] = storedFor(owner, relay);
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      id: ids[0],
      kind: 4,
      pubkey: world.identity.publicKey,
      tags: [
        ['p', owner.publicKey],
        ['e', question],
      ],
    });
  });

  test('of several messages arrives in order, each one second after the one before', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    const { outbox } = world.live({ own: [relay.url] });

    for (const protocol of ['nip17', 'nip04'] as const) {
      outbox.send(recipientOf(owner, [], protocol), `${protocol} `.repeat(1500));
      outbox.send(recipientOf(owner, [], protocol), `the end of ${protocol}`);
    }
    await until(() => textsFor(owner, relay).length === 8, 'all messages at the relay');

    const read = readBy(owner, relay);
    const beginnings = read.map(({ content }) => content.slice(0, 17).replace('\n', ' '));
    expect(beginnings).toEqual([
      '(1/3) nip17 nip17',
      '(2/3) nip17 nip17',
      '(3/3) nip17 nip17',
      'the end of nip17',
      '(1/3) nip04 nip04',
      '(2/3) nip04 nip04',
      '(3/3) nip04 nip04',
      'the end of nip04',
    ]);
    expect(new Set(read.map(({ created_at }) => created_at)).size).toBe(8);
    // The relay got them in that order too.
    const byArrival = relay.store.all().map(({ id }) => id);
    const byTime = readBy(owner, relay).flatMap((one) => (one.kind === 4 ? [one.id] : []));
    expect(byArrival.filter((id) => byTime.includes(id))).toEqual(byTime);
  });

  test('is not sent when there is nothing in it', () => {
    using world = outboxWorld();
    const { outbox } = world.live({ own: [] });
    expect(outbox.send(recipientOf(newIdentity(), []), ' \n ')).toEqual({ ids: [], rest: '' });
    expect(outbox.status().pending).toBe(0);
  });

  test('with a token that no message can hold is refused as a whole', () => {
    using world = outboxWorld();
    const { outbox } = world.live({ own: [] });
    const text = `Here it is: cashuB${'x'.repeat(30_000)}`;
    expect(() => outbox.send(recipientOf(newIdentity(), []), text)).toThrow(TokenTooLongError);
    expect(outbox.status().pending).toBe(0);
  });

  test('is timed after all earlier ones, also when the clock goes back and the bot starts again', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    let now = Date.now();
    const clock = { now: () => now };
    const to = recipientOf(owner, []);

    const first = world.live({ own: [relay.url], clock });
    for (const text of ['1', '2', '3']) first.outbox.send(to, text);
    await until(() => textsFor(owner, relay).length === 3, 'the first messages');
    first.kill();
    now -= 3_600_000;
    const second = world.live({ own: [relay.url], clock });
    for (const text of ['4', '5']) second.outbox.send(to, text);
    await until(() => textsFor(owner, relay).length === 5, 'the second messages');

    expect(textsFor(owner, relay)).toEqual(['1', '2', '3', '4', '5']);
    const times = readBy(owner, relay).map(({ created_at }) => created_at);
    expect(new Set(times).size).toBe(5);
  });
});

describe('a reaction', () => {
  test('is a gift-wrapped kind 7 about the message', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    const { outbox } = world.live({ own: [relay.url] });

    const target = { id: question, author: owner.publicKey, kind: 14 };
    expect(outbox.react(recipientOf(owner, []), target, '👀')).toBe(true);
    await until(() => storedFor(owner, relay).length === 1, 'the reaction at the relay');

    expect(readBy(owner, relay)[0]).toMatchObject({
      kind: 7,
      content: '👀',
      tags: [
        ['e', question],
        ['p', owner.publicKey],
        ['k', '14'],
      ],
    });
  });

  test('does not exist in NIP-04', () => {
    using world = outboxWorld();
    const { outbox } = world.live({ own: [] });
    const owner = newIdentity();
    const target = { id: question, author: owner.publicKey, kind: 4 };
    expect(outbox.react(recipientOf(owner, [], 'nip04'), target, '✅')).toBe(false);
    expect(outbox.status().pending).toBe(0);
  });
});

describe('the outbox on disk', () => {
  test('takes part in the transaction of its caller', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const [relay, owner] = [net.relay(), newIdentity()];
    const { outbox, db } = world.live({ own: [relay.url] });
    const to = recipientOf(owner, []);

    const failing = db.transaction(() => {
      outbox.send(to, 'never to be seen');
      throw new Error('the caller changes its mind');
    });
    expect(() => failing.immediate()).toThrow('changes its mind');
    db.transaction(() => outbox.send(to, 'to be seen')).immediate();

    await until(() => storedFor(owner, relay).length > 0, 'the message at the relay');
    expect(await outbox.flush(10_000, new AbortController().signal)).toBe(true);
    expect(textsFor(owner, relay)).toEqual(['to be seen']);
  });

  test('holds no word in clear', () => {
    using world = outboxWorld();
    const life = world.live({ own: [] });
    const owner = newIdentity();
    const { filename } = life.db;
    for (const protocol of ['nip17', 'nip04'] as const) {
      life.outbox.send(recipientOf(owner, [], protocol), 'a-very-secret-word '.repeat(300));
    }
    expect(life.outbox.status().pending).toBeGreaterThan(2);
    const bytes = [filename, `${filename}-wal`].map((path) => readFileSync(path, 'latin1')).join('');
    expect(bytes).toContain(owner.publicKey);
    expect(bytes).not.toContain('a-very-secret-word');
    expect(bytes).not.toContain(Buffer.from('a-very-secret-word').toString('base64').slice(0, 16));
  });
});
