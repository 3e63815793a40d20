/* One request to sign what an invoice has paid for (NUT-04), and what became of it, by the mint's word on its quote. */
import { MintQuoteState } from '@cashu/cashu-ts';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { isSignedBefore } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import {
  loadOutput,
  type StoredProof,
  storedOutputSchema,
  storeOutput,
  storeProof,
} from '../store/stored-proof.ts';
import { type Attempt, drive } from './drive.ts';
import { canRestore, isAsAsked, isPresent, restoreOutputs, type Signed, statesIfKnown } from './swap.ts';

export const mintQuoteSchema = z.object({
  quote: z.string(),
  request: z.string(),
  /** Milliseconds since the Unix epoch. */
  expiresAt: z.number().optional(),
  /** Hex; nobody else can have the quote issued (NUT-20). Absent where the mint cannot lock. */
  privateKey: z.string().optional(),
});
export const mintPlanSchema = z.object({
  keyset: z.string(),
  /** None any more: they were signed for an older request (`older.ts`). */
  outputs: z.array(storedOutputSchema),
  signature: z.string().optional(),
  legacySignature: z.string().optional(),
});
type MintPlan = z.infer<typeof mintPlanSchema>;
type Issue = { readonly quote: z.infer<typeof mintQuoteSchema>; readonly plans: readonly MintPlan[] };

/** Outputs for a quote that is paid. @throws MintError */
export async function prepareIssue(
  session: Session,
  amount: Sat,
  quote: z.infer<typeof mintQuoteSchema>,
): Promise<MintPlan> {
  requireActiveKeyset(session);
  const preview = await session.prepareMint(
    'bolt11',
    amount,
    // Without its expiry: cashu-ts would refuse to issue a quote that was paid late.
    { quote: quote.quote, request: quote.request, unit: 'sat' },
    quote.privateKey === undefined ? {} : { privkey: quote.privateKey },
    { type: 'deterministic', counter: 0 },
  );
  return mintPlanSchema.parse({
    keyset: preview.keysetId,
    outputs: preview.outputData.map(storeOutput),
    // Schnorr signatures are random: the same request again needs this very one.
    signature: preview.payload.signature,
    legacySignature: preview.legacySignature,
  });
}

async function submitMint(session: Session, quote: string, plan: MintPlan): Promise<readonly StoredProof[]> {
  const outputs = plan.outputs.map(loadOutput);
  const proofs = await session.completeMint({
    method: 'bolt11',
    keysetId: plan.keyset,
    quote: { quote },
    outputData: outputs,
    payload: {
      quote,
      outputs: outputs.map((output) => output.blindedMessage),
      ...(plan.signature === undefined ? {} : { signature: plan.signature }),
    },
    ...(plan.legacySignature === undefined ? {} : { legacySignature: plan.legacySignature }),
  });
  return proofs.map(storeProof);
}

function fullySigned(
  plans: readonly MintPlan[],
  restored: readonly (StoredProof | undefined)[],
): readonly StoredProof[] | undefined {
  let offset = 0;
  for (const plan of plans) {
    const proofs = restored.slice(offset, offset + plan.outputs.length).filter(isPresent);
    offset += plan.outputs.length;
    if (proofs.length === plan.outputs.length) return proofs;
  }
  return undefined;
}

type IssueOutcome =
  | { readonly kind: 'issued'; readonly proofs: readonly StoredProof[] }
  | { readonly kind: 'untouched' }
  /** Some outputs are signed and some are not: no honest mint does this. */
  | { readonly kind: 'partial' }
  /** The mint is at it. */
  | { readonly kind: 'pending' }
  /** Outputs were signed for an older request with the same numbers. */
  | { readonly kind: 'collided'; readonly signed: readonly Signed[] };

/**
 * Whether the quote was issued, and to us: its outputs are signed as they were asked for, nothing of what they make is
 * spent (nobody has seen it yet), and the mint says ISSUED, asked after the outputs.
 */
async function findIssued(session: Session, { quote, plans }: Issue): Promise<IssueOutcome> {
  if (plans.at(-1)?.outputs.length === 0) return { kind: 'collided', signed: [] };
  // The identical request again, and then the mint's word on its quote.
  if (!canRestore(session)) return { kind: 'untouched' };
  const outputs = plans.flatMap((plan) => plan.outputs);
  const restored = await restoreOutputs(session, outputs);
  const signed = outputs.flatMap((output, i): readonly Signed[] => {
    const proof = restored[i];
    return proof === undefined ? [] : [{ output, proof }];
  });
  if (signed.length === 0) return { kind: 'untouched' };
  const { state } = await session.checkMintQuoteBolt11(quote.quote);
  if (state === MintQuoteState.UNPAID || state === MintQuoteState.PAID) return { kind: 'collided', signed };
  if (state !== MintQuoteState.ISSUED) return { kind: 'pending' };
  const states = await statesIfKnown(
    session,
    signed.map(({ proof }) => proof),
  );
  if (!signed.every(isAsAsked) || states.includes('SPENT')) return { kind: 'collided', signed };
  const proofs = fullySigned(plans, restored);
  return proofs === undefined ? { kind: 'partial' } : { kind: 'issued', proofs };
}

type IssueDrive = Issue &
  Pick<Attempt<never, never, never>, 'fresh' | 'settled'> & { readonly refresh: () => Promise<Session> };

/** Brings an issue on, or finds out what became of it: outputs (NUT-09), and the quote. */
export async function driveIssue(session: Session, { fresh, settled, refresh, ...issue }: IssueDrive) {
  const { quote, plans } = issue;
  const plan = plans.at(-1);
  if (!plan) return { kind: 'unknown', error: new Error('an operation without a plan') } as const;
  const verdict = await drive({
    fresh,
    settled,
    submit: () => submitMint(session, quote.quote, plan),
    look: async () => {
      const outcome = await findIssued(session, issue);
      return outcome.kind === 'untouched' || outcome.kind === 'pending' ? outcome.kind : outcome;
    },
    // Is it the keyset, is the quote somebody else's, or is it not paid after all?
    refused: async (error) => {
      const refreshed = await refresh();
      if (!refreshed.keyChain.getKeyset(plan.keyset).isActive)
        return { kind: 'rotated', session: refreshed } as const;
      const { state } = await refreshed.checkMintQuoteBolt11(quote.quote);
      if (!canRestore(refreshed)) {
        return state === MintQuoteState.PAID && isSignedBefore(error)
          ? ({ kind: 'collided', signed: [] } as const)
          : ({ kind: 'unknown', error } as const);
      }
      if (state !== MintQuoteState.ISSUED || !settled) return { kind: 'unknown', error } as const;
      // Once more: it could have been issued to us after the last look.
      const restored = await restoreOutputs(
        refreshed,
        plans.flatMap(({ outputs }) => outputs),
      );
      return { kind: restored.some(isPresent) ? 'unknown' : 'issued-elsewhere', error } as const;
    },
  });
  return verdict.kind === 'answered' ? ({ kind: 'issued', proofs: verdict.answer } as const) : verdict;
}
