import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import fc from 'fast-check';
import { getPow } from 'nostr-tools/nip13';
import { eventHash, generateSecretKey, publicKeyOf } from '../src/event.ts';
import type { Protocol, RelayUrl } from '../src/nostr-types.ts';
import { createRelayCapacity, LEAST_EVENT_BYTES, powIn, refusesSize } from '../src/relay/capacity.ts';
import { chunkToFit } from '../src/text/chunks.ts';
import { composeText } from '../src/text/compose.ts';
import { eventSize } from '../src/text/event-size.ts';
import { powOf, withWork } from '../src/wrap/proof-of-work.ts';

const bot = generateSecretKey();
const owner = publicKeyOf(generateSecretKey());
const options = {
  identity: { secretKey: bot, publicKey: publicKeyOf(bot) },
  clock: systemClock,
  random: seededRandom(1),
  takeTimestamps: () => 1_700_000_000,
};
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6_000 });
const never = new AbortController().signal;

test('an event is never larger than it was said to be, and not much smaller', () => {
  fc.assert(
    fc.property(text, fc.constantFrom<Protocol>('nip17', 'nip04'), (content, protocol) => {
      const to = { publicKey: owner, protocol, fallbackRelays: ['wss://relay.example' as RelayUrl] };
      const { outgoing } = composeText(to, content, { bytes: undefined, content: undefined }, options);
      const [first] = outgoing;
      if (first === undefined || outgoing.length > 1) return;
      const real = Buffer.byteLength(JSON.stringify(first.event));
      const said = eventSize(protocol, content, [['p', owner]]).bytes;
      expect(real).toBeLessThanOrEqual(said);
      // A step of NIP-44's padding in each of two layers.
      expect(said).toBeLessThanOrEqual(1.5 * real + 300);
    }),
    { numRuns: 60 },
  );
});

test('whatever the room, as much of a text as fits arrives, and each message fits', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 4_500, max: 20_000 }), (content, bytes) => {
      const fits = (message: string) => eventSize('nip17', message, [['p', owner]]).bytes <= bytes;
      const { messages } = chunkToFit(content, fits);
      expect(messages.every(fits)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('work is found in the id that every other program computes', async () => {
  const event = { kind: 1059, created_at: 1, pubkey: owner, tags: [['p', owner]], content: '"\n\\ü🙂' };
  for (const bits of [0, 1, 5, 11]) {
    const worked = await withWork(event, bits, never);
    if (worked === undefined) throw new Error('not found');
    expect(getPow(eventHash(worked))).toBeGreaterThanOrEqual(bits);
    expect(worked.tags.at(-1)?.[2]).toBe(String(bits));
  }
  expect(await withWork(event, 40, never)).toBeUndefined();
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
      (id) => {
        expect(powOf(id)).toBe(getPow(id));
      },
    ),
  );
});

test('work is given up when it is not wanted any more, and lets others go on meanwhile', async () => {
  const event = { kind: 1059, created_at: 1, pubkey: owner, tags: [], content: 'x'.repeat(5_000) };
  const ending = new AbortController();
  let rounds = 0;
  const count = () => {
    rounds += 1;
    if (rounds < 5) setTimeout(count, 0);
    else ending.abort();
  };
  setTimeout(count, 0);
  expect(await withWork({ ...event, tags: [['p', owner]] }, 20, ending.signal)).toBeUndefined();
  expect(rounds).toBe(5);
});

test.each([
  ['invalid: event too large: 11000', true],
  ['error: message is too big', true],
  ['invalid: content exceeds maximum length of 8196', true],
  ['event size limit is 65536 bytes', true],
  ['rate-limited: too many, size of bucket exceeded the limit', false],
  ['invalid: created_at too large', false],
  ['blocked: not on the list', false],
])('"%s" is a refusal for its size: %p', (message, expected) => {
  expect(refusesSize(message)).toBe(expected);
});

test.each([
  ['pow: 25>=24 is not enough', 25],
  ['pow: difficulty 3 is less than 16', 16],
  ['blocked: needs proof-of-work of 20 bits', 20],
  ['blocked: not on the list', undefined],
])('"%s" asks for %p bits', (message, expected) => {
  expect(powIn(message)).toBe(expected);
});

test('what a relay takes is found within a few refusals, never below what makes sense, and forgotten after hours', () => {
  fc.assert(
    fc.property(fc.integer({ min: LEAST_EVENT_BYTES, max: 60_000 }), (limit) => {
      let now = 0;
      const capacity = createRelayCapacity(() => now);
      let size = 64_000;
      for (let attempt = 0; attempt < 8 && size > limit; attempt++) {
        capacity.refused(size);
        size = capacity.maxEventBytes() ?? size;
      }
      expect(size).toBeLessThanOrEqual(limit);
      expect(size).toBeGreaterThanOrEqual(Math.min(limit, LEAST_EVENT_BYTES));
      now += 7 * 3_600_000;
      expect(capacity.maxEventBytes()).toBeUndefined();
    }),
  );
});
