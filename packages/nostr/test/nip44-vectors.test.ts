import { expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import * as reference from 'nostr-tools/nip44';
import { z } from 'zod';
import { generateSecretKey, InvalidKeyError, parsePublicKey, publicKeyOf } from '../src/event.ts';
import { DecryptionError } from '../src/wrap/decryption.ts';
import { conversationKey, decrypt, encrypt, PlaintextSizeError, paddedLength } from '../src/wrap/nip44.ts';

const FILE = new URL('./fixtures/nip44.vectors.json', import.meta.url);
const hex = z.string().transform((text) => new Uint8Array(Buffer.from(text, 'hex')));
const { v2 } = z
  .object({
    v2: z.object({
      valid: z.object({
        get_conversation_key: z.array(
          z.object({ sec1: hex, pub2: z.string(), conversation_key: z.string() }),
        ),
        calc_padded_len: z.array(z.tuple([z.number(), z.number()])),
        encrypt_decrypt: z.array(
          z.object({
            sec1: hex,
            sec2: hex,
            conversation_key: z.string(),
            nonce: hex,
            plaintext: z.string(),
            payload: z.string(),
          }),
        ),
        encrypt_decrypt_long_msg: z.array(
          z.object({
            conversation_key: hex,
            nonce: hex,
            pattern: z.string(),
            repeat: z.number(),
            plaintext_sha256: z.string(),
            payload_sha256: z.string(),
          }),
        ),
      }),
      invalid: z.object({
        encrypt_msg_lengths: z.array(z.number()),
        get_conversation_key: z.array(z.object({ sec1: hex, pub2: z.string(), note: z.string() })),
        decrypt: z.array(z.object({ conversation_key: hex, payload: z.string(), note: z.string() })),
      }),
    }),
  })
  .parse(JSON.parse(readFileSync(FILE, 'utf8')));

const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const keyBetween = (secret: Uint8Array, other: string) => conversationKey(secret, parsePublicKey(other));

test('the vectors are the published ones, unaltered', () => {
  expect(createHash('sha256').update(readFileSync(FILE)).digest('hex')).toBe(
    '269ed0f69e4c192512cc779e78c555090cebc7c785b609e338a62afc3ce25040',
  );
});

test('conversation keys are those of the vectors', () => {
  for (const { sec1, pub2, conversation_key } of v2.valid.get_conversation_key)
    expect(toHex(keyBetween(sec1, pub2))).toBe(conversation_key);
});

test('keys outside the curve make no conversation key', () => {
  for (const { sec1, pub2, note } of v2.invalid.get_conversation_key)
    expect(() => keyBetween(sec1, pub2), note).toThrow(InvalidKeyError);
});

test('padding is that of the vectors', () => {
  for (const [length, padded] of v2.valid.calc_padded_len) expect(paddedLength(length)).toBe(padded);
});

test('messages encrypt to the vectors, byte for byte, and decrypt from either side', () => {
  for (const { sec1, sec2, conversation_key, nonce, plaintext, payload } of v2.valid.encrypt_decrypt) {
    const key = conversationKey(sec1, publicKeyOf(sec2));
    expect(toHex(key)).toBe(conversation_key);
    expect(encrypt(plaintext, key, nonce)).toBe(payload);
    expect(decrypt(payload, conversationKey(sec2, publicKeyOf(sec1)))).toBe(plaintext);
  }
});

test('long messages encrypt to the vectors', () => {
  for (const vector of v2.valid.encrypt_decrypt_long_msg) {
    const plaintext = vector.pattern.repeat(vector.repeat);
    expect(sha256(plaintext)).toBe(vector.plaintext_sha256);
    const payload = encrypt(plaintext, vector.conversation_key, vector.nonce);
    expect(sha256(payload)).toBe(vector.payload_sha256);
    expect(decrypt(payload, vector.conversation_key)).toBe(plaintext);
  }
});

test('every invalid payload of the vectors is refused', () => {
  for (const { conversation_key, payload, note } of v2.invalid.decrypt)
    expect(() => decrypt(payload, conversation_key), note).toThrow(DecryptionError);
});

test('lengths that the vectors call invalid are never emitted', () => {
  expect(v2.invalid.encrypt_msg_lengths).toEqual([0, 65536, 100_000, 10_000_000]);
  for (const length of v2.invalid.encrypt_msg_lengths)
    expect(() => encrypt('x'.repeat(length), new Uint8Array(32))).toThrow(PlaintextSizeError);
});

test('what is counted is UTF-8 bytes, not characters', () => {
  const key = new Uint8Array(32);
  expect(decrypt(encrypt('é'.repeat(32767), key), key)).toHaveLength(32767);
  expect(() => encrypt('é'.repeat(32768), key)).toThrow(PlaintextSizeError);
});

test('the extended form, from clients that emit it, is read', () => {
  const key = generateSecretKey();
  for (const length of [65536, 65537, 100_000]) {
    const text = 'x'.repeat(length);
    expect(decrypt(reference.encrypt(text, key), key)).toBe(text);
  }
});

test('any text survives, to and from nostr-tools', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 2000, unit: 'binary' }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      (text, key) => {
        const ours = encrypt(text, key);
        expect(decrypt(ours, key)).toBe(text);
        expect(decrypt(reference.encrypt(text, key), key)).toBe(text);
        // Its decoder drops a leading byte order mark.
        expect(reference.decrypt(ours, key)).toBe(text.replace(/^\uFEFF/, ''));
      },
    ),
  );
});

test('a payload is read in one spelling only: no white space, no loose bits at its end', () => {
  const key = generateSecretKey();
  // 99 + 1 bytes: the last base64 character but the padding carries unused bits.
  const payload = encrypt('x'.repeat(33), key);
  const end = /(.)(=+)$/.exec(payload);
  expect(end).not.toBeNull();
  const [tail = '', last = '', padding = ''] = end ?? [];
  const looser = String.fromCharCode(last.charCodeAt(0) + 1) + padding;
  for (const spelling of [
    `${payload.slice(0, 40)}    ${payload.slice(40)}`,
    payload.slice(0, -tail.length) + looser,
  ])
    expect(captured(() => decrypt(spelling, key))).toMatchObject({ problem: 'format' });
});

test('a leading byte order mark is part of the text', () => {
  const key = generateSecretKey();
  expect(decrypt(encrypt('\uFEFFhello', key), key)).toBe('\uFEFFhello');
});

function captured(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

test('no altered payload decrypts', () => {
  const key = generateSecretKey();
  const payload = encrypt('one message of some length, so that there is something to alter', key);
  fc.assert(
    fc.property(
      fc.nat(payload.length - 1),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary-ascii' }),
      (at, replacement) => {
        fc.pre(payload[at] !== replacement);
        expect(() => decrypt(payload.slice(0, at) + replacement + payload.slice(at + 1), key)).toThrow(
          DecryptionError,
        );
      },
    ),
  );
});
