import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RetryLimits } from '@nostr-dm-agent/nostr';
import { relayWorld } from '@nostr-dm-agent/nostr/testing/relay-world';
import type { SandboxRelayOptions } from '@nostr-dm-agent/sandbox/relay';
import { getPow } from 'nostr-tools/nip13';
import {
  newIdentity,
  outboxWorld,
  recipientOf,
  relayList,
  storedFor,
  textsFor,
} from '../support/outbox-world.ts';

setDefaultTimeout(40_000);

const words = (characters: number) => 'seven chars and so on; '.repeat(characters / 23);

/** Somebody whose only inbox is a relay of this kind, and a bot that answers them. */
function story(inboxOptions: SandboxRelayOptions, limits: Partial<RetryLimits> = {}) {
  const net = relayWorld();
  const world = outboxWorld();
  const [own, owner] = [net.relay(), newIdentity()];
  const events: number[] = [];
  const inbox = net.relay({
    ...inboxOptions,
    onMessage: ([type, event]) => {
      if (type === 'EVENT') events.push(JSON.stringify(event).length);
    },
  });
  own.inject(relayList(owner, 10050, [inbox.url]));
  const { outbox, lists, relays, signal } = world.live({ own: [own.url], limits });
  return {
    ...{ inbox, owner, outbox, events },
    /** What the relay says of itself is known, as it is of everybody whom the bot has talked with. */
    informed: async () => {
      await lists.lookUp(owner.publicKey);
      await relays.capacities.inform(inbox.url, signal);
    },
    send: (text: string, protocol: 'nip17' | 'nip04' = 'nip17') =>
      outbox.send(recipientOf(owner, [own.url], protocol), text),
    texts: () => textsFor(owner, inbox),
    all: (text: string) => () =>
      textsFor(owner, inbox)
        .join('')
        .replace(/\(\d+\/\d+\)\n/g, '')
        .replace(/\s/g, '') === text.replace(/\s/g, ''),
    [Symbol.asyncDispose]: async () => {
      world[Symbol.dispose]();
      await net[Symbol.asyncDispose]();
    },
  };
}

describe('a relay that takes less than one message has', () => {
  test('and says so (NIP-11): a reply is cut to what it takes, from the beginning', async () => {
    await using here = story({ maxBytes: 8_192 });
    await here.informed();
    const text = words(3_900);
    here.send(text);
    await until(here.all(text), 'the whole reply');
    expect(Math.max(...here.events)).toBeLessThanOrEqual(8_192);
  });

  test.each(['refuseBytes', 'endBytes', 'noticeBytes', 'ignoreBytes'] as const)(
    'and says nothing (%s): it arrives in smaller ones, and what waits behind it too',
    async (fault) => {
      const limits = { publishMs: fault === 'ignoreBytes' ? 700 : 3_000, reserveAfter: 9 };
      await using here = story({ faults: { [fault]: 8_000 } }, limits);
      const text = words(3_900);
      here.send(text);
      here.send('and this');
      await until(() => here.texts().includes('and this'), 'what was behind it');
      await until(() => here.texts().length >= 3, 'the parts');
      const parts = here.texts().filter((part) => part !== 'and this');
      expect(parts.join('').replace(/\(\d\/\d\)|\s/g, '')).toBe(text.replace(/\s/g, ''));
      expect(here.events.filter((size) => size > 8_000).length).toBeLessThanOrEqual(2);
      // It has learnt: the next one is cut at once.
      const before = here.events.length;
      const next = words(2_500);
      here.send(next);
      await until(
        () => here.texts().join('').replace(/\s/g, '').length > (text + next).replace(/\s/g, '').length,
        'the next reply',
      );
      expect(Math.max(...here.events.slice(before))).toBeLessThanOrEqual(8_000);
    },
  );

  test('a token that is too large for it is given up there, and what comes behind it goes on', async () => {
    await using here = story({ faults: { refuseBytes: 6_000 } });
    here.send(`cashuB${'o2FteB'.repeat(700)}`);
    here.send('and this');
    await until(() => here.texts().includes('and this'), 'what was behind it');
  });
});

describe('a relay that asks for proof of work', () => {
  test.each([
    ['says so (NIP-11)', true],
    ['says so when it refuses', false],
  ])('and %s gets it', async (_, informed) => {
    await using here = story({ limitation: { min_pow_difficulty: 10 } });
    if (informed) await here.informed();
    here.send('worked for');
    await until(() => here.texts().includes('worked for'), 'the message');
    const [event] = storedFor(here.owner, here.inbox);
    expect(getPow(event?.id ?? '')).toBeGreaterThanOrEqual(10);
  });

  test('of more bits than are reasonable is told of, and the message goes elsewhere', async () => {
    await using here = story({ limitation: { min_pow_difficulty: 40 } });
    await here.informed();
    here.send('not for that');
    await until(() => here.outbox.status().lastProblem !== undefined, 'the problem');
    expect(here.outbox.status().lastProblem?.text).toContain('40 bits of proof of work');
    // Other messages are offered to it all the same: it may not mean that any more.
    const before = here.events.length;
    here.send('nor this');
    await until(() => here.events.length > before, 'the next one being offered');
  });

  test('and does not say how much gets more each time', async () => {
    await using here = story({});
    here.inbox.faults.refuseEvents = 'pow: work for it';
    here.send('worked for');
    await until(() => here.events.length >= 2, 'two offers');
    here.inbox.faults.refuseEvents = undefined;
    await until(() => here.texts().includes('worked for'), 'the message');
    const [event] = storedFor(here.owner, here.inbox);
    expect(getPow(event?.id ?? '')).toBeGreaterThanOrEqual(8);
  });
});
