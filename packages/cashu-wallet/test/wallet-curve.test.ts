import { expect, test } from 'bun:test';
import {
  hashToCurve as byCashu,
  createBlindSignature,
  createDLEQProof,
  getPubKeyFromPrivKey,
  OutputData,
  type Proof,
  pointFromHex,
  type SerializedBlindedSignature,
} from '@cashu/cashu-ts';
import fc from 'fast-check';
import { CurveError, hashToCurve, isValidDleq, WalletOutput } from '../src/crypto/curve.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex');

test('NUT-00: the published points of secrets', () => {
  for (const [secret, point] of [
    [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '024cce997d3b518f739663b757deaec95bcd9473c30a14ac2fd04023a739d1a725',
    ],
    [
      '0000000000000000000000000000000000000000000000000000000000000001',
      '022e7158e11c9506f1aa4248bf531298daa7febd6194f003edcd9b93ade6253acf',
    ],
    // Found at the second try and later.
    [
      '0000000000000000000000000000000000000000000000000000000000000002',
      '026cdbe15362df59cd1dd3c9c11de8aedac2106eca69236ecd9fbe117af897be4f',
    ],
  ] as const) {
    expect(hex(hashToCurve(bytes(secret)))).toBe(point);
  }
});

test('any secret is the point that cashu-ts finds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (secret) => {
      expect(hex(hashToCurve(secret))).toBe(byCashu(new TextEncoder().encode(secret)).toHex(true));
    }),
  );
});

test('NUT-12: the published proof, and nothing near it', () => {
  const A = bytes('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798');
  const B_ = bytes('02a9acc1e48c25eeeb9289b5031cc57da9fe72f3fe2861d264bdc074209b107ba2');
  const e = bytes('9818e061ee51d5c8edc3342369a554998ff7b4381c8652d724cdf46429be73d9');
  const s = bytes('9818e061ee51d5c8edc3342369a554998ff7b4381c8652d724cdf46429be73da');
  expect(isValidDleq({ e, s }, { A, B_, C_: B_ })).toBe(true);
  expect(isValidDleq({ e: s, s: e }, { A, B_, C_: B_ })).toBe(false);
  expect(isValidDleq({ e, s }, { A, B_: A, C_: B_ })).toBe(false);
  expect(isValidDleq({ e, s }, { A, B_, C_: A })).toBe(false);
});

/** What a mint makes of an output, and the keyset that it says it did it with. */
const amount = 8;
function signed(output: OutputData, key: Uint8Array): SerializedBlindedSignature {
  const point = pointFromHex(output.blindedMessage.B_);
  const { C_ } = createBlindSignature(point, key, output.blindedMessage.id);
  const { e, s } = createDLEQProof(point, key);
  return {
    id: output.blindedMessage.id,
    amount: output.blindedMessage.amount,
    C_: C_.toHex(true),
    dleq: { e: hex(e), s: hex(s) },
  };
}
const scalar = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((key) => key[0] !== 0xff && key.some((byte) => byte !== 0));
const keysetOf = (key: Uint8Array): { id: string; keys: Record<string, string> } => ({
  id: '00ad268c4d1f5826',
  keys: { [amount]: hex(getPubKeyFromPrivKey(key)) },
});
const ours = ({ blindedMessage, blindingFactor, secret }: OutputData): WalletOutput =>
  new WalletOutput(blindedMessage, blindingFactor, secret);

test('whatever a mint signs becomes the proof that cashu-ts makes of it', () => {
  fc.assert(
    fc.property(scalar, fc.boolean(), (key, withDleq) => {
      const keyset = keysetOf(key);
      const output = OutputData.createSingleRandomData(amount, keyset.id);
      const { dleq, ...bare } = signed(output, key);
      const signature = withDleq && dleq ? { ...bare, dleq } : bare;
      const proof: Proof = ours(output).toProof(signature, keyset);
      expect(JSON.stringify(proof)).toBe(JSON.stringify(output.toProof(signature, keyset)));
    }),
    { numRuns: 40 },
  );
});

test('a signature by another key, for another amount, or altered is refused', () => {
  fc.assert(
    fc.property(scalar, scalar, fc.nat({ max: 31 }), (key, other, at) => {
      fc.pre(hex(key) !== hex(other));
      const keyset = keysetOf(key);
      const output = OutputData.createSingleRandomData(amount, keyset.id);
      const good = signed(output, key);
      const { e = '', s = '' } = good.dleq ?? {};
      const altered = (text: string): string => {
        const changed = bytes(text);
        changed[at] = (changed[at] ?? 0) ^ 1;
        return hex(changed);
      };
      const refused = (bad: Partial<SerializedBlindedSignature>, by = keyset): void =>
        expect(() => ours(output).toProof({ ...good, ...bad }, by)).toThrow(CurveError);
      refused({}, keysetOf(other));
      refused({ C_: signed(output, other).C_ });
      refused({ dleq: { e: altered(e), s } });
      refused({ dleq: { e, s: altered(s) } });
      refused({ dleq: { e: 'zz', s } });
      refused({ C_: '02' });
      refused({}, { ...keyset, keys: {} });
    }),
    { numRuns: 20 },
  );
});
