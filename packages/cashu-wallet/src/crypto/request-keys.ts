import { hkdfSync } from 'node:crypto';
import { isPrivate, xOnlyPointFromScalar } from 'tiny-secp256k1';
import type { Seed } from './seed.ts';

/** What belongs to a payment request by its number: the key that its payments are sent to, and its id (NUT-18 `i`). */
export type RequestKey = {
  readonly id: string;
  /** Hex, x-only. */
  readonly publicKey: string;
  readonly secretKey: Uint8Array;
};

/**
 * From the words alone, so that whoever restores them can read what was sent to an earlier database's requests:
 * HKDF-SHA256 of BIP39's seed, without salt; `info` is `nostr-dm-agent payment request key/<number>` for the key and
 * `… payment request id/<number>` for the id (4 bytes).
 */
export function requestKey({ bytes }: Seed, number: number): RequestKey {
  const derive = (info: string, length: number): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', bytes, '', `nostr-dm-agent payment request ${info}`, length));
  const id = Buffer.from(derive(`id/${number}`, 4)).toString('hex');
  // One in 2^128 is no key; the next one is then.
  for (let info = `key/${number}`; ; info += '+') {
    const secretKey = derive(info, 32);
    if (!isPrivate(secretKey)) continue;
    return { id, secretKey, publicKey: Buffer.from(xOnlyPointFromScalar(secretKey)).toString('hex') };
  }
}
