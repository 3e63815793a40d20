import * as secp256k1 from 'tiny-secp256k1';
import { InvalidKeyError } from '../event.ts';
import type { PublicKey } from '../types.ts';

/** A payload that does not decrypt: not of the format, not meant for this key, or altered. */
export class DecryptionError extends Error {
  override readonly name = 'DecryptionError';
  readonly reason: 'version' | 'format' | 'mac' | 'padding' | 'utf8';
  constructor(reason: DecryptionError['reason'], options?: ErrorOptions) {
    super(`payload does not decrypt: ${reason}`, options);
    this.reason = reason;
  }
}

/**
 * The x coordinate (32 bytes, unhashed) of the secp256k1 ECDH point, which NIP-04 and NIP-44 start from.
 * @throws InvalidKeyError
 */
export function sharedX(secretKey: Uint8Array, publicKey: PublicKey): Uint8Array {
  if (!secp256k1.isPrivate(secretKey) || !/^[0-9a-f]{64}$/.test(publicKey))
    throw new InvalidKeyError('curve');
  const point = new Uint8Array(33);
  point[0] = 2; // an x-only key stands for the point with even y (BIP340)
  point.set(Buffer.from(publicKey, 'hex'), 1);
  if (!secp256k1.isPointCompressed(point)) throw new InvalidKeyError('curve');
  const shared = secp256k1.pointMultiply(point, secretKey, true);
  if (shared === null) throw new InvalidKeyError('curve');
  return shared.subarray(1);
}
