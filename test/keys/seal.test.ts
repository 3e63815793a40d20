import { expect, test } from 'bun:test';
import { hkdfSync } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import fc from 'fast-check';
import { generateSecretKey } from 'nostr-tools/pure';
import { createSealer, SealError, sealedPattern } from '../../src/keys/seal.ts';
import { createVault, resealAll, sealedOtherwise } from '../../src/keys/sealed-connections.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createConnectionStore } from '../../src/store/connections-table.ts';

const key = generateSecretKey();
const sealer = createSealer(key);
const owner = 'a'.repeat(64);
const anthropic = ['connection', owner, 'anthropic'] as const;

const reasonOf = (open: () => string): string => {
  try {
    return `opened: ${open()}`;
  } catch (error) {
    return error instanceof SealError ? error.reason : String(error);
  }
};

test('what is sealed opens again with the same key for the same thing, whatever it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const sealed = sealer.seal(text, anthropic);
      expect(sealedPattern.exec(sealed)?.[0]).toBe(sealed);
      expect(createSealer(key).open(sealed, anthropic)).toBe(text);
    }),
  );
});

test('the same key sealed twice looks different, and shows nothing of itself', () => {
  const first = sealer.seal('sk-ant-secret', anthropic);
  expect(sealer.seal('sk-ant-secret', anthropic)).not.toBe(first);
  expect(Buffer.from(first.slice(8), 'base64url').toString('latin1')).not.toContain('secret');
});

test('a sealed text does not open for another owner, another provider or another purpose', () => {
  const sealed = sealer.seal('sk-ant-secret', anthropic);
  for (const context of [
    ['connection', 'b'.repeat(64), 'anthropic'],
    ['connection', owner, 'openai'],
    ['message', owner, 'anthropic'],
    ['connection', owner],
  ] as const) {
    expect(reasonOf(() => sealer.open(sealed, context))).toBe('key');
  }
});

test('a sealed text does not open with another key, nor when a bit of it was changed', () => {
  const sealed = sealer.seal('sk-ant-secret', anthropic);
  expect(reasonOf(() => createSealer(generateSecretKey()).open(sealed, anthropic))).toBe('key');
  const bytes = Buffer.from(sealed.slice(8), 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(at) ^ 1, at);
    expect(reasonOf(() => sealer.open(`sealed1.${altered.toString('base64url')}`, anthropic))).toBe('key');
  }
});

test('what is no sealed text is told from what another key has sealed', () => {
  for (const text of ['', 'sk-ant-secret', 'sealed1.', 'sealed1.AAAA', 'sealed2.AAAA']) {
    expect(reasonOf(() => sealer.open(text, anthropic))).toBe('format');
  }
});

test('the key is derived for this purpose alone: neither the bot’s own key nor another derivation opens it', () => {
  const sealed = sealer.seal('sk-ant-secret', anthropic);
  const bytes = new Uint8Array(Buffer.from(sealed.slice(8), 'base64url'));
  const context = Buffer.from(JSON.stringify(anthropic));
  const openWith = (candidate: Uint8Array) =>
    Buffer.from(xchacha20poly1305(candidate, bytes.subarray(0, 24), context).decrypt(bytes.subarray(24)));
  const derive = (info: string) => new Uint8Array(hkdfSync('sha256', key, 'nostr-dm-agent', info, 32));
  expect(() => openWith(key)).toThrow();
  expect(() => openWith(derive('nostr-dm-agent/seal/v2/xchacha20-poly1305'))).toThrow();
  // Pins the format on disk: a release that derives or lays out otherwise could not open what is stored.
  expect(openWith(derive('nostr-dm-agent/seal/v1/xchacha20-poly1305')).toString()).toBe('sk-ant-secret');
});

test('another seal mends what was locked, and nothing that a provider refused', () => {
  const db = openDatabase(':memory:', botMigrations);
  const store = createConnectionStore(db, { now: Date.now });
  const [before, after] = [createSealer(generateSecretKey()), createSealer(generateSecretKey())];
  const owner = 'a'.repeat(64) as PublicKey;
  for (const provider of ['groq', 'openai', 'xai']) {
    const credential = createVault(before).seal(owner, provider, `the key for ${provider}`);
    store.put({ owner, provider, kind: 'api', credential, error: undefined });
  }
  store.mark(owner, 'openai', 'error', '401 no such key');
  store.mark(owner, 'xai', 'error', sealedOtherwise);
  expect(resealAll(store, before, after)).toEqual({ resealed: 3, already: 0, locked: 0 });
  expect(store.list(owner).map(({ provider, status, error }) => [provider, status, error])).toEqual([
    ['groq', 'connected', undefined],
    ['openai', 'error', '401 no such key'],
    ['xai', 'connected', undefined],
  ]);
  const { credential = '' } = store.get(owner, 'openai') ?? {};
  expect(createVault(after).open(owner, 'openai', credential)).toBe('the key for openai');
  expect(resealAll(store, before, after)).toEqual({ resealed: 0, already: 3, locked: 0 });
  db.close();
});
