import {
  Amount,
  OutputData,
  type OutputDataLike,
  type Proof,
  type SerializedOutputData,
} from '@cashu/cashu-ts';
import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { unblind } from '../crypto/unblind.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';

/** What is written to the database and read back: every row passes one of these. */
export const satSchema = z.number().refine(isSat);
export const operationIdSchema = z
  .string()
  .min(1)
  .transform((id) => id as OperationId);
/** Normalised when it was written. */
export const mintUrlSchema = z
  .string()
  .min(1)
  .transform((url) => url as MintUrl);

/** A proof (NUT-00) with its amount as a number, as JSON has it. */
export const storedProofSchema = z.object({
  id: z.string(),
  amount: satSchema,
  secret: z.string(),
  C: z.string(),
  dleq: z.object({ e: z.string(), s: z.string(), r: z.string().optional() }).optional(),
  witness: z.string().optional(),
});
export type StoredProof = z.infer<typeof storedProofSchema>;

/** An output as it was made: blinded message, blinding factor, secret. Enough to unblind whatever the mint signed. */
export const storedOutputSchema = z.object({
  blindedMessage: z.object({ amount: z.string(), B_: z.string(), id: z.string() }),
  blindingFactor: z.string(),
  secret: z.string(),
});
export type StoredOutput = z.infer<typeof storedOutputSchema>;

/** @throws NotSatError, CTSError when the amount is no safe integer */
export function storeProof(proof: Proof): StoredProof {
  return storedProofSchema.parse({
    id: proof.id,
    amount: proof.amount.toNumber(),
    secret: proof.secret,
    C: proof.C,
    ...(proof.dleq ? { dleq: proof.dleq } : {}),
    ...(proof.witness === undefined
      ? {}
      : { witness: typeof proof.witness === 'string' ? proof.witness : JSON.stringify(proof.witness) }),
  });
}

export function loadProof({ amount, dleq, witness, ...rest }: StoredProof): Proof {
  return {
    ...rest,
    amount: Amount.from(amount),
    ...(dleq
      ? { dleq: dleq.r === undefined ? { e: dleq.e, s: dleq.s } : { e: dleq.e, s: dleq.s, r: dleq.r } }
      : {}),
    ...(witness === undefined ? {} : { witness }),
  };
}

export const storeOutput = (output: OutputDataLike): StoredOutput =>
  storedOutputSchema.parse(OutputData.serialize(output));
export function loadOutput(output: StoredOutput): OutputDataLike {
  const { blindedMessage, blindingFactor, secret } = OutputData.deserialize(
    output satisfies SerializedOutputData,
  );
  const blinded = { blindedMessage, blindingFactor, secret };
  return { ...blinded, toProof: (signature, keyset) => unblind(blinded, signature, keyset) };
}

export const sumProofs = (proofs: readonly StoredProof[]): Sat => {
  const total = proofs.reduce((sum, proof) => sum + proof.amount, 0);
  return satSchema.parse(total);
};
