import { createHash } from 'node:crypto';
import { bech32 } from '@scure/base';
import * as secp256k1 from 'tiny-secp256k1';

/** An invoice as BOLT11 has it, in the fields that a payer looks at. */
export type InvoiceFields = {
  /** `bcrt` (regtest), `bc`, `tb`, `tbs`. */
  readonly network: string;
  /** Undefined: the payer chooses. */
  readonly amountMsat: bigint | undefined;
  readonly timestamp: number;
  readonly paymentHash: Uint8Array;
  readonly paymentSecret: Uint8Array;
  /** The text, or the SHA-256 of a longer one (LNURL's metadata). */
  readonly description: string | Uint8Array;
  readonly expirySeconds: number;
};

/** Encodes and signs an invoice (BOLT11). The node's key is 32 bytes. */
export function encodeInvoice(fields: InvoiceFields, nodeKey: Uint8Array): string {
  const prefix = `ln${fields.network}${fields.amountMsat === undefined ? '' : amountOf(fields.amountMsat)}`;
  const description = fields.description;
  const words = [
    ...integerWords(fields.timestamp, 7),
    ...tagged(1, bech32.toWords(fields.paymentHash)),
    ...tagged(16, bech32.toWords(fields.paymentSecret)),
    ...(typeof description === 'string'
      ? tagged(13, bech32.toWords(new TextEncoder().encode(description)))
      : tagged(23, bech32.toWords(description))),
    ...tagged(6, shortestWords(fields.expirySeconds)),
    ...tagged(24, shortestWords(18)),
    // Feature bits 8 (var_onion_optin) and 14 (payment_secret), both required.
    ...tagged(5, [16, 8, 0]),
  ];
  const digest = createHash('sha256').update(prefix, 'utf8').update(packWords(words)).digest();
  const { signature, recoveryId } = secp256k1.signRecoverable(digest, nodeKey);
  const signed = new Uint8Array(65);
  signed.set(signature);
  signed[64] = recoveryId;
  return bech32.encode(prefix, [...words, ...bech32.toWords(signed)], false);
}

/** msat as BOLT11's human-readable amount: the largest multiplier that needs no fraction. */
function amountOf(msat: bigint): string {
  const units: readonly (readonly [string, bigint])[] = [
    ['', 100_000_000_000n],
    ['m', 100_000_000n],
    ['u', 100_000n],
    ['n', 100n],
  ];
  for (const [letter, size] of units) if (msat % size === 0n) return `${msat / size}${letter}`;
  return `${msat * 10n}p`;
}

function tagged(type: number, words: readonly number[]): number[] {
  return [type, ...integerWords(words.length, 2), ...words];
}

function integerWords(value: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Math.floor(value / 32 ** (length - 1 - i)) % 32);
}

function shortestWords(value: number): number[] {
  let length = 1;
  while (32 ** length <= value) length += 1;
  return integerWords(value, length);
}

/** Five-bit words to bytes, the last byte filled up with zero bits, as the signature's digest wants it. */
function packWords(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((words.length * 5) / 8));
  words.forEach((word, i) => {
    for (let bit = 0; bit < 5; bit += 1) {
      const at = i * 5 + bit;
      const byte = bytes[at >> 3] ?? 0;
      bytes[at >> 3] = byte | (((word >> (4 - bit)) & 1) << (7 - (at & 7)));
    }
  });
  return bytes;
}
