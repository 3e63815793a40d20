import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { DecryptionError, decodeUtf8 } from './decryption.ts';

// nostr-tools' nip04 takes no shared secret that is known already, so that each message costs it an ECDH by noble: 400
// times as long as this (bench/unwrap.ts).

/**
 * Encrypts with NIP-04 (AES-256-CBC): `<base64>?iv=<base64>`. Hides neither length nor alteration; used only
 * to answer those who wrote in it.
 * @param key the 32 bytes of `sharedX(secretKey, publicKey)`
 */
export function encrypt(plaintext: string, key: Uint8Array): string {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return `${ciphertext.toString('base64')}?iv=${iv.toString('base64')}`;
}

/**
 * Decrypts a NIP-04 payload. There is no MAC: only for content whose event signature was verified before.
 * @param key the 32 bytes of `sharedX(secretKey, publicKey)`
 * @throws DecryptionError
 */
export function decrypt(payload: string, key: Uint8Array): string {
  const parts = /^([A-Za-z0-9+/]+={0,2})\?iv=([A-Za-z0-9+/]{22}==)$/.exec(payload);
  if (parts === null) throw new DecryptionError('format');
  const [, ciphertext = '', iv = ''] = parts;
  const decipher = createDecipheriv('aes-256-cbc', key, Buffer.from(iv, 'base64'));
  let plaintext: Buffer;
  try {
    plaintext = Buffer.concat([decipher.update(ciphertext, 'base64'), decipher.final()]);
  } catch (cause) {
    throw new DecryptionError('padding', { cause });
  }
  return decodeUtf8(plaintext);
}
