import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chacha20 } from '@noble/ciphers/chacha.js';
import type { PublicKey } from '../nostr-types.ts';
import { DecryptionError, decodeUtf8 } from './decryption.ts';
import { sharedX } from './ecdh.ts';

// By hand, with noble's ChaCha20: nostr-tools' nip44 takes 3 times as long for a message whose key is known, which is 6 %
// of a wrap, and loads noble's curves, which are 20 ms at start (bench/unwrap.ts).

/** UTF-8 bytes that one payload holds without the extended form, which not every client can read. */
const MAX_PLAINTEXT_BYTES = 65535;
const VERSION = 2;
const NONCE_BYTES = 32;
const MAC_BYTES = 32;

/** Too much (or nothing) to encrypt. `bytes` is the size in UTF-8. */
export class PlaintextSizeError extends Error {
  override readonly name = 'PlaintextSizeError';
  readonly bytes: number;
  constructor(bytes: number) {
    super(`plaintext has ${bytes} bytes; NIP-44 takes 1 to ${MAX_PLAINTEXT_BYTES}`);
    this.bytes = bytes;
  }
}

/** HMAC-SHA256 over the parts in a row. */
function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = new Bun.CryptoHasher('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/**
 * The key of all messages between two parties, 32 bytes: HKDF-extract of the ECDH x coordinate with salt `nip44-v2`.
 * @throws InvalidKeyError when either key is not on the curve
 */
export const conversationKey = (secretKey: Uint8Array, publicKey: PublicKey): Uint8Array =>
  hmac(Buffer.from('nip44-v2'), sharedX(secretKey, publicKey));

/** HKDF-expand to 76 bytes: what one message is encrypted and authenticated with. */
function messageKeys(key: Uint8Array, nonce: Uint8Array) {
  const first = hmac(key, nonce, Uint8Array.of(1));
  const second = hmac(key, first, nonce, Uint8Array.of(2));
  const third = hmac(key, second, nonce, Uint8Array.of(3));
  const macKey = Buffer.concat([second.subarray(12), third.subarray(0, 12)]);
  return { cipherKey: first, cipherNonce: second.slice(0, 12), macKey };
}

/** Bytes that `length` bytes of plaintext are padded to, the length prefix not counted (NIP-44 `calc_padded_len`). */
export function paddedLength(length: number): number {
  if (length <= 32) return 32;
  const nextPower = 2 ** (Math.floor(Math.log2(length - 1)) + 1);
  const chunk = nextPower <= 256 ? 32 : nextPower / 8;
  return chunk * (Math.floor((length - 1) / chunk) + 1);
}

/**
 * Encrypts with NIP-44 version 2; base64. `nonce` is 32 random bytes and is given only by tests.
 * Never emits the extended form for more than 65535 bytes: peers can't announce that they read it.
 * @throws PlaintextSizeError
 */
export function encrypt(
  plaintext: string,
  key: Uint8Array,
  nonce: Uint8Array = randomBytes(NONCE_BYTES),
): string {
  const bytes = Buffer.from(plaintext);
  if (bytes.length < 1 || bytes.length > MAX_PLAINTEXT_BYTES) throw new PlaintextSizeError(bytes.length);
  const padded = Buffer.alloc(2 + paddedLength(bytes.length));
  padded.writeUInt16BE(bytes.length);
  padded.set(bytes, 2);
  const { cipherKey, cipherNonce, macKey } = messageKeys(key, nonce);
  const ciphertext = chacha20(cipherKey, cipherNonce, padded);
  const mac = hmac(macKey, nonce, ciphertext);
  return Buffer.concat([Uint8Array.of(VERSION), nonce, ciphertext, mac]).toString('base64');
}

/**
 * Decrypts a NIP-44 version 2 payload, the extended form for more than 65535 bytes included.
 * @throws DecryptionError
 */
export function decrypt(payload: string, key: Uint8Array): string {
  const data = decodePayload(payload);
  const nonce = data.subarray(1, 1 + NONCE_BYTES);
  const ciphertext = data.subarray(1 + NONCE_BYTES, -MAC_BYTES);
  const { cipherKey, cipherNonce, macKey } = messageKeys(key, nonce);
  if (!timingSafeEqual(hmac(macKey, nonce, ciphertext), data.subarray(-MAC_BYTES)))
    throw new DecryptionError('mac');
  return unpad(chacha20(cipherKey, cipherNonce, ciphertext));
}

function decodePayload(payload: string): Uint8Array {
  if (payload.startsWith('#')) throw new DecryptionError('version');
  let data: Uint8Array;
  try {
    data = Uint8Array.fromBase64(payload, { lastChunkHandling: 'strict' });
  } catch (cause) {
    throw new DecryptionError('format', { cause });
  }
  // The shortest message has 32 padded bytes. `fromBase64` skips white space, which the format does not know.
  if (data.length < 99 || Math.ceil(data.length / 3) * 4 !== payload.length)
    throw new DecryptionError('format');
  if (data[0] !== VERSION) throw new DecryptionError('version');
  return data;
}

function unpad(padded: Uint8Array): string {
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength);
  const short = view.getUint16(0);
  const prefix = short === 0 ? 6 : 2;
  const length = short === 0 ? view.getUint32(2) : short;
  const minimum = short === 0 ? MAX_PLAINTEXT_BYTES + 1 : 1;
  if (length < minimum || padded.length !== prefix + paddedLength(length))
    throw new DecryptionError('padding');
  return decodeUtf8(padded.subarray(prefix, prefix + length));
}
