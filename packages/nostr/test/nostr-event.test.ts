import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { nprofileEncode, npubEncode, nsecEncode } from 'nostr-tools/nip19';
import * as reference from 'nostr-tools/pure';
import {
  eventHash,
  generateSecretKey,
  InvalidKeyError,
  parsePublicKey,
  publicKeyOf,
  signEvent,
  verifyEvent,
} from '../src/event.ts';
import type { EventTemplate } from '../src/nostr-types.ts';

const secretKeys = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => bytes.some((byte) => byte !== 0) && (bytes[0] ?? 255) < 255);
const templates: fc.Arbitrary<EventTemplate> = fc.record({
  kind: fc.nat(65535),
  created_at: fc.nat(2 ** 40),
  content: fc.string({ unit: 'binary' }),
  tags: fc.array(fc.array(fc.string({ unit: 'binary' }), { maxLength: 4 }), { maxLength: 4 }),
});

test('what we sign, nostr-tools verifies; what it signs, we verify; ids are equal', () => {
  fc.assert(
    fc.property(templates, secretKeys, (template, secretKey) => {
      const ours = signEvent(template, secretKey);
      const theirs = reference.finalizeEvent({ ...template }, secretKey);
      expect(ours.pubkey).toBe(theirs.pubkey);
      expect(ours.id).toBe(theirs.id);
      expect<string>(eventHash(theirs)).toBe(theirs.id);
      expect(verifyEvent(ours)).toBe(true);
      expect(verifyEvent(theirs)).toBe(true);
      expect(reference.verifyEvent(JSON.parse(JSON.stringify(ours)))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('an event altered in any field does not verify', () => {
  const event = signEvent({ kind: 1, created_at: 1, content: 'a', tags: [['p', 'b']] }, generateSecretKey());
  const other = signEvent({ kind: 1, created_at: 1, content: 'b', tags: [] }, generateSecretKey());
  const altered = {
    kind: 2,
    created_at: 2,
    content: 'b',
    tags: [],
    pubkey: other.pubkey,
    sig: other.sig,
    id: other.id,
  };
  expect(verifyEvent(event)).toBe(true);
  for (const [field, value] of Object.entries(altered))
    expect(verifyEvent({ ...event, [field]: value })).toBe(false);
});

test('a signature by another key over the right id does not verify', () => {
  const mine = signEvent({ kind: 1, created_at: 1, content: 'a', tags: [] }, generateSecretKey());
  const pubkey = publicKeyOf(generateSecretKey());
  expect(verifyEvent({ ...mine, pubkey, id: eventHash({ ...mine, pubkey }) })).toBe(false);
});

test('nonsense in place of an event is false, never an exception', () => {
  const event = signEvent({ kind: 1, created_at: 1, content: 'a', tags: [] }, generateSecretKey());
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(event)), fc.jsonValue(), (field, value) => {
      const forged = { ...event, [field]: value };
      fc.pre(JSON.stringify(forged) !== JSON.stringify(event));
      expect(verifyEvent(forged)).toBe(false);
    }),
  );
  // All ones is outside the field and the group: the curve library throws for it.
  expect(verifyEvent({ ...event, sig: 'f'.repeat(128) })).toBe(false);
  const pubkey = 'f'.repeat(64);
  expect(verifyEvent({ ...event, pubkey, id: eventHash({ ...event, pubkey }) })).toBe(false);
});

test('a public key is read as npub, nprofile, nostr: URI and hex', () => {
  const key = publicKeyOf(generateSecretKey());
  const npub = npubEncode(key);
  const nprofile = nprofileEncode({ pubkey: key, relays: ['wss://relay.example'] });
  for (const text of [
    key,
    key.toUpperCase(),
    npub,
    ` ${npub}\n`,
    `nostr:${npub}`,
    nprofile,
    npub.toUpperCase(),
  ])
    expect(parsePublicKey(text)).toBe(key);
});

test('what is no public key is refused, and the error never quotes it', () => {
  const nsec = nsecEncode(generateSecretKey());
  const refusals: [string, InvalidKeyError['reason']][] = [
    ['', 'format'],
    ['alice', 'format'],
    ['ab'.repeat(31), 'format'],
    [`${npubEncode(publicKeyOf(generateSecretKey()))}x`, 'format'],
    ['f'.repeat(64), 'curve'],
    [nsec, 'secret'],
    [`${nsec}x`, 'secret'],
  ];
  for (const [text, reason] of refusals) {
    const error = captured(() => parsePublicKey(text));
    expect(error).toBeInstanceOf(InvalidKeyError);
    expect(error).toHaveProperty('reason', reason);
    if (text !== '') expect(Bun.inspect(error)).not.toContain(text);
  }
});

function captured(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
