/**
 * One signature of a mint unblinded and its DLEQ proof checked, ours against cashu-ts: medians of rounds taken in turn, so
 * that what else the machine does hits both. The ratio counts. `bun bench/unblind.ts`
 */
import {
  Amount,
  createBlindSignature,
  createDLEQProof,
  getPubKeyFromPrivKey,
  OutputData,
  pointFromHex,
} from '@cashu/cashu-ts';
import { unblind } from '@nostr-dm-agent/cashu-wallet/testing/own-crypto';

const [outputs, rounds, worthIt] = [100, 9, 1.5];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const id = '009a1f293253e41e';
const key = new Uint8Array(32).fill(7);
const keyset = { id, keys: { 8: hex(getPubKeyFromPrivKey(key)) } };
const signed = Array.from({ length: outputs }, () => {
  const output = OutputData.createSingleRandomData(8, id);
  const point = pointFromHex(output.blindedMessage.B_);
  const { e, s } = createDLEQProof(point, key);
  const { C_ } = createBlindSignature(point, key, id);
  return {
    output,
    signature: { id, amount: Amount.from(8), C_: C_.toHex(true), dleq: { e: hex(e), s: hex(s) } },
  };
});

function msEach(work: (each: (typeof signed)[number]) => unknown): number {
  const begun = performance.now();
  for (const each of signed) work(each);
  return (performance.now() - begun) / outputs;
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[rounds >> 1] ?? 0;

const times = Array.from({ length: rounds }, () => ({
  theirs: msEach(({ output, signature }) => output.toProof(signature, keyset)),
  ours: msEach(({ output, signature }) => unblind(output, signature, keyset)),
}));
const theirs = median(times.map((time) => time.theirs));
const ours = median(times.map((time) => time.ours));
console.log(
  `unblind with DLEQ: cashu-ts ${theirs.toFixed(2)} ms, ours ${ours.toFixed(2)} ms: ${(theirs / ours).toFixed(1)} times as fast (less than ${worthIt} would not be worth its code)`,
);
if (theirs / ours < worthIt) process.exitCode = 1;
