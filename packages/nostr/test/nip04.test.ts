import { expect, test } from 'bun:test';
import fc from 'fast-check';
import * as reference from 'nostr-tools/nip04';
import { generateSecretKey, publicKeyOf } from '../src/event.ts';
import { DecryptionError } from '../src/wrap/decryption.ts';
import { sharedX } from '../src/wrap/ecdh.ts';
import { decrypt, encrypt } from '../src/wrap/nip04.ts';

const ours = generateSecretKey();
const theirs = generateSecretKey();
const key = sharedX(ours, publicKeyOf(theirs));

test('any text survives, to and from nostr-tools', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      expect(sharedX(theirs, publicKeyOf(ours))).toEqual(key);
      expect(decrypt(encrypt(text, key), key)).toBe(text);
      expect(decrypt(reference.encrypt(theirs, publicKeyOf(ours), text), key)).toBe(text);
      expect(reference.decrypt(theirs, publicKeyOf(ours), encrypt(text, key))).toBe(
        text.replace(/^\uFEFF/, ''),
      );
    }),
    { numRuns: 40 },
  );
});

test('what is no payload is a DecryptionError', () => {
  const payload = encrypt('hello', key);
  const broken = [
    '',
    '?iv=',
    'hello',
    payload.replace('?iv=', ''),
    `${payload}?iv=AA==`,
    payload.slice(0, -4),
    `!${payload}`,
  ];
  for (const text of broken) expect(() => decrypt(text, key)).toThrow(DecryptionError);
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => decrypt(text, key)).toThrow(DecryptionError);
    }),
  );
});
