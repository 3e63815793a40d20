import * as secp256k1 from 'tiny-secp256k1';
import { InvalidKeyError } from '../event.ts';
import type { PublicKey } from '../nostr-types.ts';

/**
 * The x coordinate (32 bytes, unhashed) of the secp256k1 ECDH point, which NIP-04 and NIP-44 start from. Not
 * nostr-tools': noble's curve takes 4 times as long (bench/unwrap.ts), in each message twice.
 * @throws InvalidKeyError
 */
export function sharedX(secretKey: Uint8Array, publicKey: PublicKey): Uint8Array {
  if (!secp256k1.isPrivate(secretKey) || !/^[0-9a-f]{64}$/.test(publicKey))
    throw new InvalidKeyError('curve');
  // An x-only key stands for the point with even y (BIP340).
  const point = Buffer.from(`02${publicKey}`, 'hex');
  const shared = secp256k1.isPointCompressed(point) && secp256k1.pointMultiply(point, secretKey, true);
  if (!shared) throw new InvalidKeyError('curve');
  return shared.subarray(1);
}
