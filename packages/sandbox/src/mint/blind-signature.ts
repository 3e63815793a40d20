/*
 * What a mint does on the curve (NUT-00, NUT-12), in libsecp256k1: a signature takes a tenth of what cashu-ts's bigints take,
 * and stories make thousands. By the specification alone, so that a wallet's error is not repeated here.
 */
import { createHash, randomBytes } from 'node:crypto';
import * as secp256k1 from 'tiny-secp256k1';

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const domain = 'Secp256k1_HashToCurve_Cashu_';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex');
const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The public key of a private one: 33 bytes, compressed. */
export const publicKeyOf = (key: Uint8Array): Uint8Array => onCurve(secp256k1.pointFromScalar(key, true));

function onCurve(point: Uint8Array | null): Uint8Array {
  if (point === null) throw new RangeError('the point at infinity');
  return point;
}
const times = (point: Uint8Array, scalar: Uint8Array): Uint8Array =>
  onCurve(secp256k1.pointMultiply(point, scalar, true));

/** Where a message lies on the curve. */
function hashToCurve(message: string): Uint8Array {
  const digest = sha256(domain, message);
  const counter = Buffer.alloc(4);
  for (let i = 0; ; i += 1) {
    counter.writeUInt32LE(i);
    const point = Buffer.concat([Uint8Array.of(2), sha256(digest, counter)]);
    if (secp256k1.isPoint(point)) return point;
  }
}

/** `Y` of a proof: where its secret lies on the curve, hex (NUT-00). */
export const yOf = (secret: string): string => hex(hashToCurve(secret));

/** Whether `C`, hex, is the signature of this secret. @throws when it is no point */
export const isSigned = (secret: string, C: string, key: Uint8Array): boolean =>
  hex(times(hashToCurve(secret), key)) === hex(secp256k1.pointCompress(bytes(C), true));

/** The signature of a blinded message, hex, and the proof that it was made with this key. @throws when it is no point */
export function signBlinded(blinded: string, key: Uint8Array) {
  const B_ = bytes(blinded);
  const C_ = times(B_, key);
  const r = secretNumber();
  const e = sha256(
    ...[publicKeyOf(r), times(B_, r), publicKeyOf(key), C_].map((point) =>
      hex(secp256k1.pointCompress(point, false)),
    ),
  );
  const s = (numberOf(r) + numberOf(e) * numberOf(key)) % order;
  return { C_: hex(C_), dleq: { e: hex(e), s: s.toString(16).padStart(64, '0') } };
}

const numberOf = (scalar: Uint8Array): bigint => BigInt(`0x${hex(scalar)}`);
function secretNumber(): Uint8Array {
  for (;;) {
    const candidate = randomBytes(32);
    if (secp256k1.isPrivate(candidate)) return candidate;
  }
}
