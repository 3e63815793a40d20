import { scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';

/** What trying out one passphrase takes, by scrypt (RFC 7914): 128 · n · r bytes of memory, p times. */
export type PassphraseCost = { readonly n: number; readonly r: number; readonly p: number };

/** As it stands in a file. Bounded: a file is no reason to use up the memory. */
export const passphraseCostShape = {
  n: z
    .number()
    .int()
    .min(2)
    .max(1 << 20)
    // Others than powers of two there are none of, and scrypt throws.
    .refine((n) => Math.log2(n) % 1 === 0),
  r: z.number().int().min(1).max(16),
  p: z.number().int().min(1).max(16),
};

const derive = promisify<string, Uint8Array, number, object, Buffer>(scrypt);

/** 32 bytes of a passphrase and a salt. The same passphrase typed on another keyboard (NFKC) makes the same. */
export const passphraseKey = (
  passphrase: string,
  salt: Uint8Array,
  { n, r, p }: PassphraseCost,
): Promise<Buffer> => derive(passphrase.normalize('NFKC'), salt, 32, { N: n, r, p, maxmem: 256 * n * r });
