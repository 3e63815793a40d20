import { expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId, Protocol, RelayUrl, StoredMessage } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import fc from 'fast-check';
import { createAutoReplyBrake, QUIET_MS } from '../../src/commands/auto-reply-brake.ts';
import { createTwins } from '../../src/commands/twins.ts';
import { silentLog } from '../support/inbox.ts';

const sender = createParty().publicKey;
let seq = 0;
const message = (text: string, protocol: Protocol, createdAt = 1_000): StoredMessage => ({
  seq: ++seq,
  id: seq.toString(16).padStart(64, '0') as EventId,
  ...{ sender, protocol, text, createdAt },
  kind: protocol === 'nip17' ? 14 : 4,
  references: [],
  relay: 'wss://relay.example/' as RelayUrl,
  receivedAt: Date.now(),
});

function world(before: readonly StoredMessage[] = [], twinMs = 30) {
  const log: string[] = [];
  const logged: string[] = [];
  const stored = [...before];
  const twins = createTwins({
    messages: {
      history: () => stored,
      near: ({ createdAt }, seconds) =>
        stored.filter((each) => Math.abs(each.createdAt - createdAt) <= seconds),
    },
    log: { ...silentLog, info: (facts) => logged.push(JSON.stringify(facts)) },
    twinMs,
    signal: new AbortController().signal,
  });
  return {
    log,
    logged,
    meet: (one: StoredMessage) => {
      stored.push(one);
      const name = `${one.protocol} ${one.text}`;
      twins.meet(one, { act: () => log.push(name), drop: () => log.push(`not ${name}`) });
    },
  };
}

test.each([
  ['the new way first', ['nip17', 'nip04'], ['nip17 hi', 'not nip04 hi']],
  ['the old way first', ['nip04', 'nip17'], ['not nip04 hi', 'nip17 hi']],
] as const)('the same text by both protocols, %s, is one message of the new way', (_, order, expected) => {
  const here = world();
  order.forEach((protocol, index) => {
    here.meet(message('hi', protocol, 1_000 + 4 * index));
  });
  expect(here.log).toEqual([...expected]);
  // Who, and no ids of events.
  expect(here.logged).toHaveLength(1);
  expect(here.logged[0]).not.toMatch(/[0-9a-f]{64}/);
});

test.each(['!continue 2k', '!provider deposit 500', '!stop', '!queue drop 1', '/new'])(
  'a command by both protocols is done once: %s',
  (command) => {
    for (const order of [['nip17', 'nip04'] as const, ['nip04', 'nip17'] as const]) {
      const here = world();
      for (const protocol of order) here.meet(message(command, protocol));
      expect(here.log.filter((line) => !line.startsWith('not'))).toEqual([`nip17 ${command}`]);
    }
  },
);

test('what only shows something is answered in both, for people try a protocol by it', () => {
  const here = world();
  for (const protocol of ['nip17', 'nip04'] as const) here.meet(message('!ping', protocol));
  expect(here.log).toEqual(['nip17 !ping', 'nip04 !ping']);
});

test('two of one protocol are two, and each has one twin', async () => {
  const here = world();
  for (const protocol of ['nip17', 'nip04', 'nip17', 'nip17', 'nip04'] as const)
    here.meet(message('hi', protocol));
  expect(here.log.filter((line) => line === 'nip17 hi')).toHaveLength(3);
  expect(here.log.filter((line) => line === 'not nip04 hi')).toHaveLength(2);
});

test('an old message without a twin is acted on a little later, at once for who writes in the old way alone', async () => {
  const here = world();
  here.meet(message('hi', 'nip04'));
  here.meet(message('else', 'nip17'));
  expect(here.log).toEqual(['nip17 else']);
  await until(() => here.log.includes('nip04 hi'), 'the old message');
  // Its twin comes too late to be the answered one, but is no second message.
  here.meet(message('hi', 'nip17', 1_008));
  expect(here.log.at(-1)).toBe('not nip17 hi');
  const old = world([message('before', 'nip04')], 3_600_000);
  old.meet(message('hi', 'nip04'));
  expect(old.log).toEqual(['nip04 hi']);
});

test('an old one is not waited with when the last ones had no twin either, though its sender writes in both ways', async () => {
  const lone = [1, 2, 3].map((n) => message(`old ${n}`, 'nip04'));
  const here = world([message('new', 'nip17'), ...lone], 3_600_000);
  here.meet(message('hi', 'nip04'));
  expect(here.log).toEqual(['nip04 hi']);
  const both = [message('old 3', 'nip04'), message('old 3', 'nip17')];
  const there = world([...lone.slice(0, 2), ...both], 30);
  there.meet(message('hi', 'nip04'));
  expect(there.log).toEqual([]);
  await until(() => there.log.length > 0, 'its turn');
});

test('minutes apart it is another message', () => {
  const here = world();
  here.meet(message('hi', 'nip17', 1_000));
  here.meet(message('hi', 'nip17', 1_000));
  const far = world([message('before', 'nip04')]);
  far.meet(message('hi', 'nip04', 1_000));
  far.meet(message('hi', 'nip17', 1_060));
  expect(far.log).toEqual(['nip04 hi', 'nip17 hi']);
});

test('what an earlier life of the bot acted on has its twin there', () => {
  const here = world([{ ...message('hi', 'nip17'), receivedAt: Date.now() - 60_000 }]);
  here.meet(message('hi', 'nip04', 1_002));
  expect(here.log).toEqual(['not nip04 hi']);
});

/** Somebody who sends the next message right after the bot's. */
function conversation() {
  let now = 0;
  const brake = createAutoReplyBrake(() => now);
  return {
    brake,
    pass: (ms: number) => {
      now += ms;
    },
    answer: (ours: string, text: string) => {
      brake.said(sender, ours, 1);
      now += 250;
      return brake.hears(sender, text);
    },
  };
}

test.each([
  ['a note', () => 'I am away, back on Monday.'],
  ['a note with the time', (n: number) => `Auto-reply at 12:${10 + n}:07, 2026-11-${10 + n}: I am away.`],
  ['two notes in turn', (n: number) => ['I am away.', 'Back on Monday.'][n % 2] ?? ''],
  ['an echo', (_: number, ours: string) => ours],
  ['an echo with words before it', (n: number, ours: string) => `${n}. You wrote: “${ours}”`],
] as const)(
  'a client that answers each message with %s is braked, told once, and let go when it is quiet',
  (_, reply) => {
    const here = conversation();
    const ours = (n: number) => `did what you asked for the time of number ${n}, and here is what came of it`;
    const answer = (n: number) => here.answer(ours(n), reply(n, ours(n)));
    const heard = Array.from({ length: 40 }, (_each, n) => answer(n));
    expect(heard.filter((what) => what === 'off').length).toBeLessThanOrEqual(15);
    expect(heard.filter((what) => what === 'began')).toHaveLength(1);
    expect(heard.slice(-20)).toEqual(Array.from({ length: 20 }, () => 'on' as const));
    // Whoever owns it can still say something else.
    expect(here.answer(ours(99), 'fix the login page')).toBe('off');
    here.pass(QUIET_MS);
    expect(answer(0)).toBe('off');
  },
);

test('different messages are never braked, however many and however fast', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 50, maxLength: 80 }), (texts) => {
      const here = conversation();
      const lines = new Set(texts.map((text) => text.toLowerCase().replace(/\s+/g, ' ').trim()));
      for (const [n, text] of [...lines].entries()) {
        if (/[\d#]/.test(text)) continue;
        expect(here.answer(`did: something else than that, which was number ${n}`, text)).toBe('off');
      }
    }),
    { numRuns: 30 },
  );
  const here = conversation();
  for (let n = 0; n < 60; n++) expect(here.answer(`did: task ${n}`, `task ${n}`)).toBe('off');
});

test('also a client whose every word is answered by a minute of work; a command now and then is a person’s', () => {
  const braked = (commands: boolean): boolean => {
    let now = 0;
    const brake = createAutoReplyBrake(() => now);
    const heard = Array.from({ length: 40 }, (_, n) => {
      now += 30_000;
      brake.said(sender, 'did: nothing', 1);
      now += 900;
      if (commands && n % 10 === 0) brake.ordered(sender);
      return brake.hears(sender, 'I am away.');
    });
    return heard.includes('began');
  };
  expect([braked(false), braked(true)]).toEqual([true, false]);
});

test('forty tasks at once, or any that do not wait for the bot, are no such thing', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2_000), { minLength: 2, maxLength: 60 }), (pauses) => {
      const here = conversation();
      // One word of the bot, then messages of a person who does not look up.
      here.brake.said(sender, 'did it', 1);
      for (const pause of pauses) {
        here.pass(pause);
        expect(here.brake.hears(sender, 'do it')).toBe('off');
      }
    }),
  );
});
