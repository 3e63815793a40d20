/*
 * Unblinding and checking what a mint signed (NUT-00, NUT-12), in libsecp256k1 instead of cashu-ts's bigints: 2 ms a
 * signature less, of 3.3 (`bench/unblind.ts`), and a paid run has some thirty. Everything else of the curve is cashu-ts's.
 * Points are 33 bytes, compressed; scalars 32 bytes.
 */
import { createHash } from 'node:crypto';
import type {
  HasKeysetKeys,
  OutputDataLike,
  Proof,
  SerializedBlindedSignature,
  SerializedDLEQ,
} from '@cashu/cashu-ts';
import * as secp256k1 from 'tiny-secp256k1';

/** What was to be a point or a scalar of the curve is none, or proves nothing. */
export class CurveError extends Error {
  override readonly name = 'CurveError';
}

/**
 * The proof that an output became by the mint's signature.
 *
 * @throws CurveError when the signature or its DLEQ proof is none, or the keyset has no key for its amount
 */
export function unblind(
  { blindedMessage, blindingFactor, secret }: Omit<OutputDataLike, 'toProof'>,
  signature: SerializedBlindedSignature,
  keyset: HasKeysetKeys,
): Proof {
  const key = keyset.keys[signature.amount.toString()];
  if (key === undefined) throw new CurveError('the keyset has no key for this amount');
  const A = fromHex(key);
  const C_ = fromHex(signature.C_);
  const r = fromHex(blindingFactor.toString(16).padStart(64, '0'));
  const { dleq } = signature;
  if (dleq !== undefined && !isValidDleq(dleq, { A, B_: fromHex(blindedMessage.B_), C_ })) {
    throw new CurveError('the DLEQ proof is wrong');
  }
  return {
    id: signature.id,
    amount: signature.amount,
    C: toHex(plus(C_, times(A, minus(r)))),
    secret: new TextDecoder().decode(secret),
    ...(dleq === undefined
      ? {}
      : { dleq: { s: dleq.s.toLowerCase(), e: dleq.e.toLowerCase(), r: toHex(r) } }),
  };
}

/** NUT-12 for Alice: `C_` is `B_` signed with the key that `A` is of. */
function isValidDleq(
  dleq: SerializedDLEQ,
  { A, B_, C_ }: { readonly A: Uint8Array; readonly B_: Uint8Array; readonly C_: Uint8Array },
): boolean {
  const [e, s] = [fromHex(dleq.e), fromHex(dleq.s)];
  const minusE = minus(e);
  const points = [
    plus(timesBase(s), times(A, minusE), false),
    plus(times(B_, s), times(C_, minusE), false),
    uncompressed(A),
    uncompressed(C_),
  ];
  const hash = createHash('sha256');
  for (const point of points) hash.update(toHex(point));
  return hash.digest().equals(e);
}

const fromHex = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** tiny-secp256k1 throws for what is no point or scalar, and gives null for the point at infinity. */
function onCurve(work: () => Uint8Array | null): Uint8Array {
  let point: Uint8Array | null;
  try {
    point = work();
  } catch (cause) {
    throw new CurveError('not a point or scalar', { cause });
  }
  if (point === null) throw new CurveError('the point at infinity');
  return point;
}
const times = (point: Uint8Array, scalar: Uint8Array): Uint8Array =>
  onCurve(() => secp256k1.pointMultiply(point, scalar, true));
const plus = (a: Uint8Array, b: Uint8Array, compressed = true): Uint8Array =>
  onCurve(() => secp256k1.pointAdd(a, b, compressed));
const timesBase = (scalar: Uint8Array): Uint8Array => onCurve(() => secp256k1.pointFromScalar(scalar, true));
const minus = (scalar: Uint8Array): Uint8Array => onCurve(() => secp256k1.privateNegate(scalar));
const uncompressed = (point: Uint8Array): Uint8Array => onCurve(() => secp256k1.pointCompress(point, false));
