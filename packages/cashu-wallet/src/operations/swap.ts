import { Amount, HttpResponseError, type SwapPreview } from '@cashu/cashu-ts';
import { z } from 'zod';
import { isSignedBefore } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import {
  loadOutput,
  loadProof,
  type StoredOutput,
  type StoredProof,
  satSchema,
  storedOutputSchema,
  storedProofSchema,
  storeOutput,
  storeProof,
} from '../store/stored-proof.ts';
import { MintError } from '../wallet-errors.ts';
import { type Attempt, drive } from './drive.ts';

/** One swap request (NUT-03), exactly as it goes to the mint, and what is needed to unblind the answer. */
export const swapPlanSchema = z.object({
  keyset: z.string(),
  amount: satSchema,
  fee: satSchema,
  inputs: z.array(storedProofSchema).min(1),
  keep: z.array(storedOutputSchema),
  send: z.array(storedOutputSchema),
  /** Of one that collided: whether nothing was to be sent. */
  whole: z.boolean().optional(),
});
export type SwapPlan = z.infer<typeof swapPlanSchema>;

/** A mint that rotates its keyset each time it is asked is not asked for ever. */
export const maxPlans = 5;

export type Swapped = { readonly keep: readonly StoredProof[]; readonly send: readonly StoredProof[] };

export function planOf(preview: SwapPreview): SwapPlan {
  return swapPlanSchema.parse({
    keyset: preview.keysetId,
    amount: preview.amount.toNumber(),
    fee: preview.fees.toNumber(),
    inputs: preview.inputs.map(storeProof),
    keep: (preview.keepOutputs ?? []).map(storeOutput),
    send: (preview.sendOutputs ?? []).map(storeOutput),
  });
}

/** Submits the swap; the same plan gives the same bytes each time. Throws what cashu-ts throws. */
async function submitSwap(session: Session, plan: SwapPlan): Promise<Swapped> {
  const { keep, send } = await session.completeSwap({
    amount: Amount.from(plan.amount),
    fees: Amount.from(plan.fee),
    keysetId: plan.keyset,
    inputs: plan.inputs.map(loadProof),
    keepOutputs: plan.keep.map(loadOutput),
    sendOutputs: plan.send.map(loadOutput),
  });
  return { keep: keep.map(storeProof), send: send.map(storeProof) };
}

/** Of which keysets outputs are signed, whoever asked for it (NUT-09). Keys are not needed for that. */
export async function signedAmong(
  session: Session,
  outputs: readonly StoredOutput[],
): Promise<ReadonlySet<string>> {
  const asked = outputs.map((output) => loadOutput(output).blindedMessage);
  const answer = await session.mint.restore({ outputs: asked });
  const signed = new Set(answer.outputs.map(({ B_ }) => B_));
  return new Set(asked.flatMap(({ id, B_ }) => (signed.has(B_) ? [id] : [])));
}

/**
 * Asks for the mint's signatures on exactly these outputs (NUT-09), in their order; undefined where it never signed.
 * With the amount that was signed, which need not be the one that is asked with: outputs depend on their number alone,
 * so an older request may have had them signed for other amounts (and blank ones, NUT-08, have none).
 */
export async function restoreOutputs(
  session: Session,
  outputs: readonly StoredOutput[],
): Promise<readonly (StoredProof | undefined)[]> {
  if (outputs.length === 0) return [];
  const data = outputs.map(loadOutput);
  const answer = await session.mint.restore({ outputs: data.map((d) => d.blindedMessage) });
  const signatures = new Map(answer.outputs.map((output, i) => [output.B_, answer.signatures[i]]));
  return data.map((output): StoredProof | undefined => {
    const signature = signatures.get(output.blindedMessage.B_);
    if (!signature) return undefined;
    const asked = output.blindedMessage;
    if (signature.id !== asked.id) {
      throw nonsense(session, 'a restored signature is not the one that was asked for');
    }
    // NUT-12: what a mint announces is wanted of every signature, also of one that it gives once more.
    if (signature.dleq === undefined && session.getMintInfo().isSupported(12).supported) {
      throw nonsense(session, 'a restored signature has no DLEQ proof');
    }
    asked.amount = signature.amount;
    return storeProof(output.toProof(signature, session.keyChain.getKeyset(signature.id)));
  });
}

export type InputState = 'UNSPENT' | 'PENDING' | 'SPENT';

/** So many are asked about at once; what each is known by costs 60 µs, and others have their turn in between. */
const askedAtOnce = 100;

/** NUT-07, in the order of the proofs. */
export async function statesOf(
  session: Session,
  proofs: readonly StoredProof[],
): Promise<readonly InputState[]> {
  const found: InputState[] = [];
  for (let from = 0; from < proofs.length; from += askedAtOnce) {
    const part = proofs.slice(from, from + askedAtOnce).map(loadProof);
    const states = await session.checkProofsStates(part);
    found.push(...states.map(({ state }) => z.enum(['UNSPENT', 'PENDING', 'SPENT']).parse(state)));
  }
  return found;
}

/**
 * The same where a mint without NUT-07 is not to stop everything: it says nothing of them, and what depends on them is
 * left to its other words.
 */
export async function statesIfKnown(
  session: Session,
  proofs: readonly StoredProof[],
): Promise<readonly (InputState | 'UNKNOWN')[]> {
  try {
    return await statesOf(session, proofs);
  } catch (cause) {
    const refused = cause instanceof HttpResponseError && cause.status >= 400 && cause.status < 500;
    if (!refused || session.getMintInfo().isSupported(7).supported) throw cause;
    return proofs.map(() => 'UNKNOWN');
  }
}

/** NUT-09. Where there is none, nobody can be asked what is signed. */
export const canRestore = (session: Session): boolean => session.getMintInfo().isSupported(9).supported;

/** A signature that was found, and what it was made on. */
export type Signed = { readonly output: StoredOutput; readonly proof: StoredProof };

/** What became of a swap, by the mint's own word. */
type SwapOutcome =
  | { readonly kind: 'signed'; readonly plan: SwapPlan; readonly swapped: Swapped }
  /** Some outputs are signed and some are not: no honest mint does this. */
  | { readonly kind: 'partial' }
  /** Outputs of this plan were signed for an older request with the same numbers: it can never be carried out. */
  | { readonly kind: 'collided'; readonly signed: readonly Signed[]; readonly plan: SwapPlan }
  | { readonly kind: 'pending' }
  | { readonly kind: 'spent'; readonly states: readonly InputState[] }
  | { readonly kind: 'untouched' };

/**
 * Finds out what became of the newest of `plans`. Earlier ones (made before a keyset rotation) are looked for too:
 * their request could have been on its way for longer than anybody thought.
 *
 * Signatures answer a plan only if its inputs are SPENT, all its outputs are signed as they were asked for, and nothing
 * that they make is spent, for nobody has seen it yet. Outputs are looked at before inputs: what is signed, and has
 * unspent inputs after that, was signed for somebody else. Inputs that are spent are looked at only together with
 * outputs that were asked for after them.
 */
export async function findSwapOutcome(session: Session, plans: readonly SwapPlan[]): Promise<SwapOutcome> {
  const newest = plans.at(-1);
  if (newest !== undefined && isCollided(newest)) return { kind: 'collided', signed: [], plan: newest };
  const early = await look(session, plans);
  // Spent, perhaps by our own request after the first look.
  return early.kind === 'spent' ? look(session, plans) : early;
}

async function look(session: Session, plans: readonly SwapPlan[]): Promise<SwapOutcome> {
  // The identical request again: a mint without NUT-09 has its answer in its cache (NUT-19), or refuses it.
  if (!canRestore(session)) return { kind: 'untouched' };
  const restored = await restoreOutputs(session, plans.flatMap(outputsOf));
  let offset = 0;
  const touched = plans.flatMap((plan) => {
    const outputs = outputsOf(plan);
    const signed = outputs.flatMap((output, i): readonly Signed[] => {
      const proof = restored[offset + i];
      return proof === undefined ? [] : [{ output, proof }];
    });
    offset += outputs.length;
    return signed.length === 0 ? [] : [{ plan, signed, whole: signed.length === outputs.length }];
  });
  const inputs = plans.at(-1)?.inputs ?? [];
  const asked = [
    ...inputs,
    ...touched.flatMap(({ plan, signed }) => [...plan.inputs, ...signed.map(({ proof }) => proof)]),
  ];
  const states = await statesIfKnown(session, asked);
  const stateOf = new Map(asked.map(({ secret }, i) => [secret, states[i]]));
  const is = (state: InputState) => (proof: StoredProof) => stateOf.get(proof.secret) === state;
  if (inputs.some(is('PENDING'))) return { kind: 'pending' };
  // Whose signatures they are can't be told.
  if (touched.length > 0 && states.includes('UNKNOWN')) return { kind: 'pending' };
  const [first] = touched;
  if (first === undefined) {
    return inputs.some(is('SPENT'))
      ? { kind: 'spent', states: inputs.map((proof) => (is('SPENT')(proof) ? 'SPENT' : 'UNSPENT')) }
      : { kind: 'untouched' };
  }
  const { plan, signed, whole } = first;
  if (plan.inputs.some(is('PENDING'))) return { kind: 'pending' };
  const ours =
    plan.inputs.every(is('SPENT')) &&
    signed.every(isAsAsked) &&
    !signed.some(({ proof }) => is('SPENT')(proof));
  if (!ours) return { kind: 'collided', plan, signed };
  if (!whole) return { kind: 'partial' };
  const proofs = signed.map(({ proof }) => proof);
  const swapped = { keep: proofs.slice(0, plan.keep.length), send: proofs.slice(plan.keep.length) };
  return { kind: 'signed', plan, swapped };
}

const outputsOf = (plan: SwapPlan): readonly StoredOutput[] => [...plan.keep, ...plan.send];

/** Whether an output is signed for the amount that it was made for. */
export const isAsAsked = ({ output, proof }: Signed): boolean =>
  output.blindedMessage.amount === String(proof.amount);

/** What is left of a plan whose outputs were signed for another request: nobody waits for them any more. */
export const collided = (plan: SwapPlan): SwapPlan => ({
  ...plan,
  ...{ keep: [], send: [], whole: plan.send.length === 0 },
});
export const isCollided = (plan: SwapPlan): boolean => outputsOf(plan).length === 0;

export const isPresent = <T>(value: T | undefined): value is T => value !== undefined;

export const nonsense = (session: Session, detail: string): MintError =>
  new MintError(session.mint.mintUrl, { kind: 'nonsense', detail });

/** The keysets whose keys are needed to finish these plans. */
export const keysetsOf = (plans: readonly SwapPlan[]): readonly string[] =>
  plans.flatMap((plan) => [plan.keyset, ...plan.inputs.map((input) => input.id)]);

export type SwapDrive = Pick<Attempt<never, never, never>, 'fresh' | 'settled'> & {
  readonly plans: readonly SwapPlan[];
  readonly refresh: () => Promise<Session>;
};

/** What is to be done about a swap now. Only `signed` and `spent` say where the money is. */
export type SwapVerdict = Awaited<ReturnType<typeof driveSwap>>;

/** Brings a swap on, or finds out what became of it: outputs (NUT-09) and inputs (NUT-07). */
export async function driveSwap(session: Session, { plans, refresh, fresh, settled }: SwapDrive) {
  const plan = plans.at(-1);
  if (!plan) return { kind: 'unknown', error: new Error('an operation without a plan') } as const;
  const verdict = await drive({
    fresh,
    settled,
    submit: () => submitSwap(session, plan),
    look: async (decided) => {
      const outcome = await findSwapOutcome(session, plans);
      if (outcome.kind === 'spent' && !decided) return 'pending';
      return outcome.kind === 'untouched' || outcome.kind === 'pending' ? outcome.kind : outcome;
    },
    refused: async (error, decided) => {
      if (!canRestore(session)) {
        const states = await statesIfKnown(session, plan.inputs);
        // By our own request, perhaps, whose answer is lost and can't be had again.
        if (states.some((state) => state === 'SPENT' || state === 'PENDING'))
          return { kind: 'unknown', error } as const;
        if (isSignedBefore(error)) return { kind: 'collided', signed: [], plan } as const;
      }
      const refreshed = await refresh();
      const rotated = { kind: 'rotated', session: refreshed } as const;
      if (!refreshed.keyChain.getKeyset(plan.keyset).isActive) return rotated;
      const fee = refreshed.getFeesForProofs(plan.inputs.map(loadProof)).toNumber();
      if (decided && fee !== plan.fee) return rotated;
      return { kind: decided ? 'refused' : 'unknown', error } as const;
    },
  });
  return verdict.kind === 'answered' ? ({ kind: 'signed', plan, swapped: verdict.answer } as const) : verdict;
}
