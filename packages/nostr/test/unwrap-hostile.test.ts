import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { NostrEvent, RelayUrl } from '../src/nostr-types.ts';
import { createUnwrap } from '../src/wrap/unwrap.ts';
import { createParty, forge, forgeLegacy, plain, sealIn, wrapAnew } from './support/forge.ts';

const bot = createParty();
const owner = createParty();
const relay = 'wss://relay.example/' as RelayUrl;
const options = { identity: bot, isOwner: () => true, clock: { now: () => Date.now() } };
const unwrap = createUnwrap(options);

const isMessage = (event: NostrEvent) => unwrap(event, relay).verdict === 'message';

/** JSON with one character replaced: still an event, or undefined. */
function mutated(json: string, at: number, replacement: string): NostrEvent | undefined {
  const text = json.slice(0, at) + replacement + json.slice(at + 1);
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON any more: it never gets past the relay layer.
    return undefined;
  }
}

const character = fc.string({ minLength: 1, maxLength: 1, unit: 'binary-ascii' });

for (const [name, genuine] of [
  ['gift wrap', forge(owner, bot.publicKey, 'delete everything')],
  ['NIP-04 DM', forgeLegacy(owner, bot.publicKey, 'delete everything')],
] as const)
  test(`no ${name} with a character changed is a message, and none is an exception`, () => {
    const json = JSON.stringify(genuine);
    expect(isMessage(plain(genuine))).toBe(true);
    fc.assert(
      fc.property(fc.nat(json.length - 1), character, (at, replacement) => {
        const event = mutated(json, at, replacement);
        fc.pre(event !== undefined && JSON.stringify(event) !== json);
        if (event !== undefined) expect(isMessage(event)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  }, 30_000);

test('no seal with a character changed is a message', () => {
  const seal = sealIn(forge(owner, bot.publicKey, 'delete everything'), bot);
  fc.assert(
    fc.property(fc.nat(seal.length - 1), character, (at, replacement) => {
      const forged = seal.slice(0, at) + replacement + seal.slice(at + 1);
      fc.pre(!sameJson(forged, seal));
      expect(isMessage(wrapAnew(forged, bot.publicKey))).toBe(false);
    }),
    { numRuns: 300 },
  );
}, 30_000);

test('anything in place of a seal is rejected', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string({ minLength: 1 })), (sealJson) => {
      expect(isMessage(wrapAnew(sealJson, bot.publicKey))).toBe(false);
    }),
    { numRuns: 300 },
  );
}, 30_000);

test('anything in place of a rumor is rejected', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string({ minLength: 1 })), (rumorJson) => {
      expect(isMessage(forge(owner, bot.publicKey, '', { rumorJson }))).toBe(false);
    }),
    { numRuns: 200 },
  );
}, 30_000);

test('any value in any field of a rumor is a message or a rejection, never an exception', () => {
  const field = fc.constantFrom('id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig', '__proto__');
  fc.assert(
    fc.property(field, fc.jsonValue(), (name, value) => {
      const rumorJson = JSON.stringify({
        pubkey: owner.publicKey,
        kind: 14,
        created_at: 1,
        tags: [],
        content: '',
      });
      const patched = `${rumorJson.slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`;
      const verdict = unwrap(forge(owner, bot.publicKey, '', { rumorJson: patched }), relay);
      if (verdict.verdict === 'message') {
        expect(['id', 'pubkey'].includes(name) && value !== null && value !== '').toBe(false);
        expect(verdict.message).toMatchObject({ sender: owner.publicKey, id: expect.any(String) });
      } else expect(verdict.refusal?.sender).toBe(owner.publicKey);
    }),
    { numRuns: 200 },
  );
}, 30_000);

test('JSON nested as deep as a payload allows is rejected', () => {
  const depth = 30_000;
  const nested = '['.repeat(depth) + ']'.repeat(depth);
  expect(unwrap(wrapAnew(nested, bot.publicKey), relay)).toEqual({ verdict: 'rejected', reason: 'seal' });
});

test('any value in place of an event is rejected', () => {
  const genuine = forge(owner, bot.publicKey, 'x');
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(genuine)), fc.jsonValue(), (field, value) => {
      const event = { ...genuine, [field]: value };
      fc.pre(JSON.stringify(event) !== JSON.stringify(genuine));
      expect(isMessage(event)).toBe(false);
    }),
    { numRuns: 500 },
  );
});

function sameJson(text: string, other: string): boolean {
  try {
    return Bun.deepEquals(JSON.parse(text), JSON.parse(other));
  } catch {
    // One of them is no JSON.
    return false;
  }
}
