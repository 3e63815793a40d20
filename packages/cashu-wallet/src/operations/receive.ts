/*
 * Receive: somebody's proofs become ours (NUT-03 swap). Also how a token that we made is taken back.
 *
 *              prepare                signed
 *   (nothing) ────────► prepared ──────────────► done
 *                        │ │ ▲ ├ rotated ──────────┐
 *                        │ │ │ ├ partly spent ─────┤ fresh outputs
 *                        │ │ └─┴───────────────────┘
 *                        │ └─ all spent, nothing signed ──► failed
 *                        └─ refused ──────────────────────► refused
 *
 *   state       on disk when it is entered             killed in it: recovery
 *   ──────────  ─────────────────────────────────────  ───────────────────────────────────────────────────────────
 *   (counters)  numbers of the outputs                 nothing happened; the token is where it came from (DM, node)
 *   prepared    the token's proofs, outputs, counters  outputs signed? -> done. Else inputs spent? -> failed, or on
 *                                                      with those that are not. Else the identical request again:
 *                                                      always forward, for the sender could take the token back.
 *   done        proofs are ready                       nothing to do
 *   failed      the inputs were spent by another       nothing to do: no value of ours was in it
 *   refused     proofs and outputs are kept            nothing to do: the mint does not take the token. Should it
 *                                                      have taken it after all, the next try finds the outputs.
 */

import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { isMintOperationError } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import { loadProof, operationIdSchema, type StoredProof, sumProofs } from '../store/stored-proof.ts';
import { type Core, commit, newOperationId } from '../wallet-core.ts';
import { TokenRefusedError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { KeptTokenId, MintUrl, OperationId, Received } from '../wallet-types.ts';
import { giveBack, isAnothers, takeOlderFor } from './older.ts';
import { reopen } from './reopen-mint.ts';
import { endReclaim, endSend } from './sent-token.ts';
import {
  collided,
  driveSwap,
  findSwapOutcome,
  isCollided,
  keysetsOf,
  maxPlans,
  planOf,
  type SwapPlan,
  type Swapped,
  swapPlanSchema,
} from './swap.ts';

const plans = z.array(swapPlanSchema).min(1);
const origin = {
  /** The send operation whose token is taken back. */
  reclaims: operationIdSchema.optional(),
  kept: z
    .number()
    .transform((id) => id as KeptTokenId)
    .optional(),
};

const receiveSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('prepared'), plans, ...origin }),
  z.object({ state: z.literal('done'), ...origin }),
  z.object({ state: z.literal('failed'), plans, ...origin }),
  z.object({ state: z.literal('refused'), plans, detail: z.string(), ...origin }),
]);
/** A receive in one of its states, with what exists in that state. */
type ReceiveOperation = z.infer<typeof receiveSchema>;

export type ReceiveOrigin = {
  readonly reclaims?: OperationId | undefined;
  readonly kept?: KeptTokenId | undefined;
  /** For people: what it is for. */
  readonly note?: string | undefined;
  /** Written in the transaction that prepares the operation. */
  readonly also?: (id: OperationId) => void;
  /** Asked in that transaction: these are not the proofs to take any more. */
  readonly isStale?: () => boolean;
};

/** Takes these proofs; a reclaim begins here, too. undefined: they were stale, and nothing was begun. */
export async function receiveProofs(
  core: Core,
  session: Session,
  mint: MintUrl,
  proofs: readonly StoredProof[],
  { reclaims, kept, note, also, isStale }: ReceiveOrigin,
  signal: AbortSignal,
): Promise<Received | undefined> {
  const id = newOperationId();
  return core.turns.run(id, signal, async () => {
    const plan = await prepare(session, proofs);
    core.reached('receive:reserved');
    const begun = core.store.write(() => {
      if (isStale?.()) return false;
      core.journal.insert<ReceiveOperation>({
        id,
        kind: 'receive',
        mint,
        amount: plan.amount,
        fee: plan.fee,
        // What is taken back is listed with what it was made for.
        note:
          (reclaims && core.journal.head(reclaims).note) ?? (kept && core.kept.read(kept)?.source) ?? note,
        body: { state: 'prepared', plans: [plan], reclaims, kept },
      });
      core.journal.recordInputs(id, plan.inputs);
      also?.(id);
      return true;
    });
    if (!begun) return undefined;
    core.reached('receive:prepared');
    return settle(core, session, id, signal, true);
  });
}

/**
 * Recovery of `prepared`. undefined: somebody else has finished it meanwhile.
 *
 * @throws TokenRefusedError, UnfinishedOperationError
 */
export async function finishReceive(
  core: Core,
  id: OperationId,
  signal: AbortSignal,
): Promise<Received | undefined> {
  return core.turns.run(id, signal, async () => {
    const head = core.journal.head(id);
    if (head.state !== 'prepared') return undefined;
    const body = core.journal.body(id, receiveSchema, 'prepared');
    const session = await reopen(core, id, keysetsOf(body.plans), signal);
    return settle(core, session, id, signal, false);
  });
}

/** From `prepared` to wherever the mint's word leads. */
async function settle(
  core: Core,
  session: Session,
  id: OperationId,
  signal: AbortSignal,
  fresh: boolean,
  collisions = 0,
): Promise<Received> {
  const head = core.journal.head(id);
  const body = core.journal.body(id, receiveSchema, 'prepared');
  const verdict = await driveSwap(session, {
    plans: body.plans,
    fresh,
    settled: core.clock.now() - head.updatedAt > core.policy.settleAfterMs,
    refresh: () => core.mints.refresh(head.mint, signal),
  });
  switch (verdict.kind) {
    case 'signed':
      core.reached('receive:answered');
      commit(core, id, () => book(core, id, head.mint, body, verdict.plan, verdict.swapped));
      core.reached('receive:done');
      return { operation: id, mint: head.mint, amount: verdict.plan.amount, fee: verdict.plan.fee };
    case 'rotated': {
      const inputs = body.plans.at(-1)?.inputs ?? [];
      const next = await prepare(verdict.session, inputs).catch((error: unknown) => {
        // The fee has grown beyond what it is worth: that is its end, and a token of ours stays what it was.
        if (ifDust(error) === undefined)
          close(core, id, body, { ...body, state: 'refused', detail: 'its fee is more than it is worth' });
        throw error;
      });
      return goOn(core, verdict.session, id, body, next, signal);
    }
    case 'collided': {
      const { plan, signed } = verdict;
      const plans = body.plans.map((each) => (each === plan ? collided(each) : each));
      await takeOlderFor(core, session, id, { mint: head.mint, keysets: [plan.keyset], signed }, () =>
        core.journal.move<ReceiveOperation>(id, ['prepared'], { ...body, plans }),
      );
      core.reached('receive:collided');
      if (collisions >= maxPlans) throw new UnfinishedOperationError(id, undefined);
      const next = await prepare(session, plans.at(-1)?.inputs ?? []);
      return goOn(core, session, id, { ...body, plans }, next, signal, collisions + 1);
    }
    case 'spent': {
      const left = (body.plans.at(-1)?.inputs ?? []).filter((_, i) => verdict.states[i] === 'UNSPENT');
      const next = left.length > 0 ? await prepare(session, left).catch(ifDust) : undefined;
      if (next) return goOn(core, session, id, body, next, signal);
      const earlier = await findEarlier(core, session, body);
      // What the token came from is settled with the earlier one.
      close(core, id, earlier ? {} : body, { ...body, state: 'failed' });
      if (earlier) return earlier;
      throw new TokenRefusedError({ kind: 'spent' });
    }
    case 'refused': {
      const detail = verdict.error instanceof Error ? verdict.error.message : '';
      close(core, id, body, { ...body, state: 'refused', detail });
      const forged = isMintOperationError(verdict.error) && verdict.error.code === 10001;
      throw new TokenRefusedError(
        forged ? { kind: 'bad-signature' } : { kind: 'refused', detail },
        verdict.error,
      );
    }
    case 'partial':
      core.store.write(() => core.journal.setTrouble(id, 'partial-signatures'));
      throw new UnfinishedOperationError(id, 'partial-signatures');
    case 'never-sent':
    case 'unknown':
      throw new UnfinishedOperationError(id, undefined, verdict.error);
  }
}

/** One transaction: the proofs are ours, and whatever the token came from is settled. */
function book(
  core: Core,
  id: OperationId,
  mint: MintUrl,
  { reclaims, kept }: ReceiveOrigin,
  plan: SwapPlan,
  swapped: Swapped,
  from: 'prepared' | 'refused' = 'prepared',
): void {
  core.proofs.add(mint, swapped.keep, 'ready', id);
  if (reclaims === undefined) takeSent(core, id, plan.inputs);
  const { amount, fee } = plan;
  core.journal.move<ReceiveOperation>(id, [from], { state: 'done', reclaims, kept }, { amount, fee });
  const received = { operation: id, mint, amount, fee };
  if (reclaims !== undefined) {
    endReclaim(core, reclaims, true);
    core.tellRedeemed({ kind: 'reclaimed', sent: reclaims, received });
  }
  if (kept !== undefined) {
    core.kept.close(kept, 'redeemed', id);
    core.tellRedeemed({ kind: 'kept', token: kept, received });
  }
}

/** Proofs of tokens of ours that came back in part, with others': a send is over when nothing of it is out any more. */
function takeSent(core: Core, id: OperationId, inputs: readonly StoredProof[]): void {
  const sends = new Set(inputs.map(({ secret }) => core.proofs.sentBySecret(secret)));
  core.proofs.setStateFrom(inputs, 'sent', 'spent');
  for (const send of sends) {
    if (send !== undefined && core.proofs.heldBy(send, 'sent').length === 0) endSend(core, send, id);
  }
}

function close(
  core: Core,
  id: OperationId,
  origin: ReceiveOrigin,
  body: Extract<ReceiveOperation, { state: 'failed' | 'refused' }>,
): void {
  core.store.write(() => {
    const plan = body.plans.at(-1);
    if (plan !== undefined) giveBack(core, plan.keyset, plan.keep);
    core.journal.move<ReceiveOperation>(id, ['prepared'], body);
    if (origin.reclaims !== undefined) endReclaim(core, origin.reclaims, false);
    if (origin.kept !== undefined && body.state === 'failed') core.kept.close(origin.kept, 'spent', id);
  });
}

/** What a receipt was made for. */
export const receiptOf = (core: Core, id: OperationId): Pick<ReceiveOrigin, 'kept' | 'reclaims'> =>
  core.journal.body(id, receiveSchema);

/** The same token, refused once and then taken by the mint all the same: its outputs are found and booked. */
async function findEarlier(
  core: Core,
  session: Session,
  { plans, reclaims, kept }: Extract<ReceiveOperation, { state: 'prepared' }>,
): Promise<Received | undefined> {
  const inputs = plans.at(-1)?.inputs ?? [];
  const refused = core.journal.withInputs(inputs).filter(({ state }) => state === 'refused');
  for (const head of refused) {
    const body = core.journal.body(head.operation, receiveSchema, 'refused');
    await core.mints.ensureKeys(session, keysetsOf(body.plans));
    const outcome = await findSwapOutcome(session, body.plans);
    if (outcome.kind !== 'signed') continue;
    const { plan, swapped } = outcome;
    if (isAnothers(core, swapped.keep, plan.keep)) continue;
    commit(core, head.operation, () =>
      book(core, head.operation, head.mint, { reclaims, kept }, plan, swapped, 'refused'),
    );
    return { operation: head.operation, mint: head.mint, amount: plan.amount, fee: plan.fee };
  }
  return undefined;
}

/** The same operation with fresh outputs; the earlier ones stay, should they be signed after all. */
async function goOn(
  core: Core,
  session: Session,
  id: OperationId,
  body: Extract<ReceiveOperation, { state: 'prepared' }>,
  next: SwapPlan,
  signal: AbortSignal,
  collisions = 0,
): Promise<Received> {
  const plans = body.plans.filter((plan) => !isCollided(plan));
  if (plans.length >= maxPlans) throw new UnfinishedOperationError(id, undefined);
  const again = { ...body, plans: [...plans, next] };
  const { amount, fee } = next;
  core.store.write(() => core.journal.move<ReceiveOperation>(id, ['prepared'], again, { amount, fee }));
  core.reached('receive:planned');
  return settle(core, session, id, signal, true, collisions);
}

/** @throws TokenRefusedError `dust`, `bad-signature`; MintError */
async function prepare(session: Session, inputs: readonly StoredProof[]): Promise<SwapPlan> {
  requireActiveKeyset(session);
  const proofs = inputs.map(loadProof);
  const total = sumProofs(inputs);
  const fee: Sat = sat(session.getFeesForProofs(proofs).toNumber());
  if (fee >= total) throw new TokenRefusedError({ kind: 'dust', amount: total, fee });
  try {
    return planOf(await session.ops.receive(proofs).asDeterministic().prepare());
  } catch (cause) {
    if (cause instanceof Error && cause.message.includes('DLEQ')) {
      throw new TokenRefusedError({ kind: 'bad-signature' }, cause);
    }
    throw cause;
  }
}

function ifDust(error: unknown): undefined {
  if (error instanceof TokenRefusedError && error.problem.kind === 'dust') return undefined;
  throw error;
}
