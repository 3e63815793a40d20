import { hkdfSync, randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';

/**
 * Seals secrets for the disk: XChaCha20-Poly1305 under a key that HKDF-SHA256 derives from the bot's secret key, for
 * this purpose alone. What is sealed opens only with the same key and for the same `context`, so that a sealed text
 * can't be moved to another row.
 */
export type Sealer = {
  /** `sealed1.` and base64url, without white space. The same text never gives the same result twice. */
  readonly seal: (text: string, context: SealContext) => string;
  /** @throws SealError */
  readonly open: (sealed: string, context: SealContext) => string;
};

/** What a secret belongs to, e.g. `['connection', owner, 'anthropic']`. Bound to it, not stored with it. */
export type SealContext = readonly [purpose: string, ...ids: string[]];

/** A sealed text that does not open. Keeps no cause and no text. */
export class SealError extends Error {
  override readonly name = 'SealError';
  /** `format`: no sealed text of a known version. `key`: sealed with another key, for something else, or altered. */
  readonly reason: 'format' | 'key';
  constructor(reason: SealError['reason']) {
    super(reason === 'key' ? 'sealed with another key, for something else, or altered' : 'not a sealed text');
    this.reason = reason;
  }
}

/** A sealed text wherever it stands. */
export const sealedPattern = /sealed1\.[A-Za-z0-9_-]{54,}/;

const prefix = 'sealed1.';
const salt = 'nostr-dm-agent';
const info = 'nostr-dm-agent/seal/v1/xchacha20-poly1305';
const nonceBytes = 24;

/** @param secretKey the bot's secret key (32 bytes); only what is derived from it is kept */
export function createSealer(secretKey: Uint8Array): Sealer {
  const key = new Uint8Array(hkdfSync('sha256', secretKey, salt, info, 32));
  const cipher = (nonce: Uint8Array, context: SealContext) =>
    xchacha20poly1305(key, nonce, Buffer.from(JSON.stringify(context)));
  return {
    seal: (text, context) => {
      const nonce = new Uint8Array(randomBytes(nonceBytes));
      const sealed = cipher(nonce, context).encrypt(Buffer.from(text));
      return prefix + Buffer.concat([nonce, sealed]).toString('base64url');
    },
    open: (sealed, context) => {
      if (!sealed.startsWith(prefix)) throw new SealError('format');
      const bytes = new Uint8Array(Buffer.from(sealed.slice(prefix.length), 'base64url'));
      if (bytes.length < nonceBytes + 16) throw new SealError('format');
      const cipherOf = cipher(bytes.subarray(0, nonceBytes), context);
      try {
        return Buffer.from(cipherOf.decrypt(bytes.subarray(nonceBytes))).toString();
      } catch {
        // Poly1305 did not match; the library's error says no more than that.
        throw new SealError('key');
      }
    },
  };
}
