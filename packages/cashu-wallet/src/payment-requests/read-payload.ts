import { createHash } from 'node:crypto';
import { Amount, getEncodedToken } from '@cashu/cashu-ts';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { readToken, requireAcceptable } from '../mints/read-token.ts';
import type { Core } from '../wallet-core.ts';
import { TokenRefusedError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import type { PaymentId } from './request-types.ts';

/** A payment as it can be read without any connection. */
export type Payload = {
  /** Names its proofs, whatever order or message they come in. */
  readonly id: PaymentId;
  readonly mint: MintUrl;
  readonly face: Sat;
  /** As a token: short keyset ids, which payloads carry, are then completed when it is redeemed. */
  readonly token: string;
};

/** More in one payment is nonsense, and sums of it could leave the safe integers: 10,000 bitcoin. */
const mostSats = 1_000_000_000_000;
/** Longer secrets are no NUT-10 ones either that anybody makes. */
const longestSecret = 2_000;

const hex = (least: number, most: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${least},${most}}$`, 'i'));
// Wallets that count with big integers write them as text.
const amount = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d{1,16}$/)
      .transform(Number),
  ])
  .refine((value) => Number.isSafeInteger(value) && value > 0 && value <= mostSats);
const payloadSchema = z.object({
  id: z.string().max(200).nullish(),
  mint: z.string().max(500),
  unit: z.string().max(50).nullish(),
  proofs: z.array(z.unknown()).min(1),
});
// What else is in a proof (its DLEQ, a witness) proves nothing that the mint's own word does not.
const proofSchema = z.object({
  id: hex(16, 66),
  amount,
  secret: z.string().min(1).max(longestSecret),
  C: hex(66, 66),
});

/**
 * Reads what a payer sends (NUT-18, `PaymentRequestPayload`), with all the checks that come before any connection.
 *
 * @param request the id of the request that it came for
 * @returns undefined: it is none, or one for another request
 * @throws TokenRefusedError it is one that can't be taken
 */
export function readPayload(
  core: Pick<Core, 'mints' | 'policy'>,
  request: string,
  content: string,
): Payload | undefined {
  const payload = payloadSchema.safeParse(parseJson(content)).data;
  if (payload === undefined || (payload.id ?? request) !== request) return undefined;
  const { length } = payload.proofs;
  const max = core.policy.maxTokenProofs;
  if (length > max) throw new TokenRefusedError({ kind: 'too-many-proofs', proofs: length, max });
  const proofs = z.array(proofSchema).safeParse(payload.proofs).data;
  if (proofs === undefined) throw new TokenRefusedError({ kind: 'malformed' });
  const face = proofs.reduce((sum, proof) => sum + proof.amount, 0);
  if (face > mostSats) throw new TokenRefusedError({ kind: 'malformed' });
  const token = readToken(core, encode(payload.mint, payload.unit ?? 'sat', proofs));
  const mint = requireAcceptable(core, token);
  return { id: idOf(proofs), mint, face: sat(face), token: token.text };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function encode(mint: string, unit: string, proofs: readonly z.infer<typeof proofSchema>[]): string {
  try {
    return getEncodedToken({
      mint,
      unit,
      proofs: proofs.map((proof) => ({ ...proof, amount: Amount.from(proof.amount) })),
    });
  } catch {
    // No cause: what the encoder says may quote a proof.
    throw new TokenRefusedError({ kind: 'malformed' });
  }
}

const idOf = (proofs: readonly { readonly secret: string }[]): PaymentId =>
  createHash('sha256')
    .update(JSON.stringify(proofs.map(({ secret }) => secret).sort()))
    .digest('hex')
    .slice(0, 32) as PaymentId;
