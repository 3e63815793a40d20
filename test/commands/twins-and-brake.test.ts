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
    messages: { history: () => stored },
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

test('a client that answers each message is braked after some, and let go when it is quiet', () => {
  let now = 0;
  const brake = createAutoReplyBrake(() => now);
  const answer = () => {
    brake.said(sender, 1);
    now += 250;
    return brake.hears(sender, 'I am away, back on Monday.');
  };
  const heard = Array.from({ length: 20 }, answer);
  expect(heard.filter((what) => what === 'off')).toHaveLength(7);
  expect(heard.filter((what) => what === 'began')).toHaveLength(1);
  now += QUIET_MS;
  expect(answer()).toBe('off');
});

test('forty tasks at once, or any that do not wait for the bot, are no such thing', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2_000), { minLength: 2, maxLength: 60 }), (pauses) => {
      let now = 0;
      const brake = createAutoReplyBrake(() => now);
      // One word of the bot, then messages of a person who does not look up.
      brake.said(sender, 1);
      for (const pause of pauses) {
        now += pause;
        expect(brake.hears(sender, 'do it')).toBe('off');
      }
    }),
  );
});

test('somebody who works with the bot, one task after its answer, is not braked', () => {
  let now = 0;
  const brake = createAutoReplyBrake(() => now);
  for (let n = 0; n < 24; n++) {
    brake.said(sender, 1);
    now += 500;
    expect(brake.hears(sender, `task ${n}`)).toBe('off');
  }
});
