import { expect, test } from 'bun:test';
import {
  Amount,
  createBlindSignature,
  createDLEQProof,
  getPubKeyFromPrivKey,
  OutputData,
  type Proof,
  pointFromHex,
  type SerializedBlindedSignature,
} from '@cashu/cashu-ts';
import fc from 'fast-check';
import { CurveError, unblind } from '../src/crypto/unblind.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex');

test('NUT-12: the published proof, and nothing near it', () => {
  const A = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
  const B_ = '02a9acc1e48c25eeeb9289b5031cc57da9fe72f3fe2861d264bdc074209b107ba2';
  const e = '9818e061ee51d5c8edc3342369a554998ff7b4381c8652d724cdf46429be73d9';
  const s = '9818e061ee51d5c8edc3342369a554998ff7b4381c8652d724cdf46429be73da';
  const amount = Amount.from(8);
  const take = (blinded: string, C_: string, dleq: { e: string; s: string }) =>
    unblind(
      {
        blindedMessage: { amount, id: 'k', B_: blinded },
        blindingFactor: 1n,
        secret: new TextEncoder().encode('s'),
      },
      { id: 'k', amount, C_, dleq },
      { id: 'k', keys: { 8: A } },
    );
  expect(take(B_, B_, { e, s })).toMatchObject({ secret: 's', dleq: { e, s } });
  expect(() => take(B_, B_, { e: s, s: e })).toThrow(CurveError);
  expect(() => take(A, B_, { e, s })).toThrow(CurveError);
  expect(() => take(B_, A, { e, s })).toThrow(CurveError);
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
test('whatever a mint signs becomes the proof that cashu-ts makes of it', () => {
  fc.assert(
    fc.property(scalar, fc.boolean(), (key, withDleq) => {
      const keyset = keysetOf(key);
      const output = OutputData.createSingleRandomData(amount, keyset.id);
      const { dleq, ...bare } = signed(output, key);
      const signature = withDleq && dleq ? { ...bare, dleq } : bare;
      const proof: Proof = unblind(output, signature, keyset);
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
        expect(() => unblind(output, { ...good, ...bad }, by)).toThrow(CurveError);
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
