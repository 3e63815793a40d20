import { Amount, type SwapPreview } from '@cashu/cashu-ts';
import { z } from 'zod';
import { isDefiniteRefusal } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import { NotSentError } from '../mints/mint-transport.ts';
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

/** NUT-07, in the order of the proofs. */
export async function statesOf(
  session: Session,
  proofs: readonly StoredProof[],
): Promise<readonly InputState[]> {
  if (proofs.length === 0) return [];
  const states = await session.checkProofsStates(proofs.map(loadProof));
  return states.map(({ state }) => z.enum(['UNSPENT', 'PENDING', 'SPENT']).parse(state));
}

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
  const states = await statesOf(session, asked);
  const stateOf = new Map(asked.map(({ secret }, i) => [secret, states[i]]));
  const is = (state: InputState) => (proof: StoredProof) => stateOf.get(proof.secret) === state;
  if (inputs.some(is('PENDING'))) return { kind: 'pending' };
  const [first] = touched;
  if (first === undefined) {
    return inputs.some(is('SPENT'))
      ? { kind: 'spent', states: states.slice(0, inputs.length) }
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

/** What is to be done about a swap now. Only `signed` and `spent` say where the money is. */
export type SwapVerdict =
  | { readonly kind: 'signed'; readonly plan: SwapPlan; readonly swapped: Swapped }
  /** The one request that was ever made did not leave this machine. */
  | { readonly kind: 'never-sent'; readonly error: unknown }
  /** The mint said no; nothing is signed, no input is spent, and no earlier request can still be on its way. */
  | { readonly kind: 'refused'; readonly error: unknown }
  /** The same, and the reason is that the outputs' keyset signs no more, or takes another fee. `session` knows better. */
  | { readonly kind: 'rotated'; readonly session: Session }
  | { readonly kind: 'spent'; readonly states: readonly InputState[] }
  | { readonly kind: 'partial' }
  | Extract<SwapOutcome, { readonly kind: 'collided' }>
  /** Not known yet: the mint is away, inputs are pending, or a request may still be on its way. */
  | { readonly kind: 'unknown'; readonly error: unknown };

export type SwapDrive = {
  readonly plans: readonly SwapPlan[];
  /** Nothing was ever submitted. */
  readonly fresh: boolean;
  /** An earlier request, if there was one, is so old that it cannot be carried out any more. */
  readonly settled: boolean;
  readonly refresh: () => Promise<Session>;
};

/**
 * Brings a swap on, or finds out what became of it: submit, and when the answer is not plain success: outputs
 * (NUT-09), inputs (NUT-07), the identical request once more, and outputs and inputs again. An error of the mint
 * never decides where money is; it only says whether asking the same again can help.
 */
export async function driveSwap(session: Session, drive: SwapDrive): Promise<SwapVerdict> {
  const plan = drive.plans.at(-1);
  if (!plan) return { kind: 'unknown', error: new Error('an operation without a plan') };
  let error: unknown;
  let requests = drive.fresh ? 0 : 1;
  const submit = async (): Promise<Swapped | undefined> => {
    requests += 1;
    try {
      return await submitSwap(session, plan);
    } catch (cause) {
      error = cause;
      return undefined;
    }
  };
  try {
    if (drive.fresh) {
      const swapped = await submit();
      if (swapped) return { kind: 'signed', plan, swapped };
      if (error instanceof NotSentError) return { kind: 'never-sent', error };
    }
    for (let round = 0; round < 2; round += 1) {
      const outcome = await findSwapOutcome(session, drive.plans);
      if (outcome.kind === 'pending') return { kind: 'unknown', error };
      // No earlier request of ours can be half done: the only one was refused, or time has passed.
      const decided = drive.settled || (requests === 1 && drive.fresh && isDefiniteRefusal(error));
      if (outcome.kind === 'spent' && !decided) return { kind: 'unknown', error };
      if (outcome.kind !== 'untouched') return outcome;
      if (isDefiniteRefusal(error)) {
        const refreshed = await drive.refresh();
        if (!refreshed.keyChain.getKeyset(plan.keyset).isActive)
          return { kind: 'rotated', session: refreshed };
        const fee = refreshed.getFeesForProofs(plan.inputs.map(loadProof)).toNumber();
        if (decided && fee !== plan.fee) return { kind: 'rotated', session: refreshed };
        return decided ? { kind: 'refused', error } : { kind: 'unknown', error };
      }
      if (round === 1) break;
      const swapped = await submit();
      if (swapped) return { kind: 'signed', plan, swapped };
    }
    return { kind: 'unknown', error };
  } catch (cause) {
    return { kind: 'unknown', error: error ?? cause };
  }
}
