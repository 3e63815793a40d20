/*
 * Send: proofs of ours become a token (NUT-03 swap), for a node or for a friend.
 *
 *              prepare               signed
 *   (nothing) ────────► prepared ─────────────► issued ───────► handed_over
 *                        │ │ ▲ └ rotated ┐        │                  │
 *                        │ │ └───────────┘        └──── reclaim ─────┤
 *                        │ └─ spent ──► failed                       ▼
 *                        ├─ refused ──► rolled_back              reclaiming ──► reclaimed
 *                        └─ signed, `own` ──► regrouped              └────────► claimed
 *
 *   state        on disk when it is entered                     killed in it: recovery
 *   ───────────  ─────────────────────────────────────────────  ─────────────────────────────────────────────────
 *   (counters)   numbers of the outputs                         nothing happened; a gap in the numbers
 *   prepared     inputs (reserved), outputs, counters           outputs signed? -> issued. Else inputs spent? -> failed.
 *                                                               Else the identical request again.
 *   issued       the token; change is ready, inputs are spent   the token is still ours: reclaim takes it back
 *   handed_over  that somebody may have it, and who             NUT-07 says whether it was claimed
 *   reclaiming   the receive operation that takes it back       that operation's recovery ends this state too
 *   rolled_back  inputs are ready again; outputs are kept       were they signed after all: `revive` brings them back
 *   failed       unspent inputs are ready again                 nothing to do
 *   regrouped    what was made is ready, inputs are spent       nothing to do
 *
 * The token's text leaves this file through `handOver` alone, which writes down that it did.
 */
import { CTSError, getEncodedToken, type SwapPreview } from '@cashu/cashu-ts';
import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { gatherProofs, mostOf } from '../mints/choose-proofs.ts';
import { explainMintError } from '../mints/mint-errors.ts';
import { readMintUrl } from '../mints/mint-list.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import {
  loadProof,
  operationIdSchema,
  type StoredProof,
  satSchema,
  sumProofs,
} from '../store/stored-proof.ts';
import { type Core, commit, newOperationId } from '../wallet-core.ts';
import {
  InsufficientFundsError,
  MintError,
  OperationStateError,
  SpentElsewhereError,
  UnfinishedOperationError,
} from '../wallet-errors.ts';
import type { MintUrl, OperationId, SendQuote, SendRequest, SentToken } from '../wallet-types.ts';
import { giveBack, lookBeforeUse, takeOlderFor } from './older.ts';
import { reopen } from './reopen-mint.ts';
import {
  collided,
  driveSwap,
  isCollided,
  keysetsOf,
  maxPlans,
  planOf,
  type SwapPlan,
  type Swapped,
  swapPlanSchema,
} from './swap.ts';

const plans = z.array(swapPlanSchema).min(1);
const token = { token: z.string(), face: satSchema };
/** The payment that it is made for, and counted with. */
const partOf = { partOf: operationIdSchema.optional() };
const purpose = {
  /** How the token is to name its mint; absent: by the mint's own address. */
  mintName: z.string().optional(),
  /** All of it stays ours: other proofs are what is wanted, and no token (`own-swap.ts`). */
  own: z.literal(true).optional(),
  ...partOf,
};

export const sendSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('prepared'), plans, ...purpose }),
  z.object({ state: z.literal('issued'), ...token }),
  z.object({ state: z.literal('handed_over'), ...token, to: z.string() }),
  z.object({ state: z.literal('reclaiming'), ...token, to: z.string(), receive: operationIdSchema }),
  z.object({ state: z.literal('reclaimed'), face: satSchema, receive: operationIdSchema }),
  z.object({ state: z.literal('claimed'), face: satSchema, to: z.string() }),
  z.object({ state: z.literal('rolled_back'), plans, ...purpose }),
  z.object({ state: z.literal('failed'), plans }),
  z.object({ state: z.literal('regrouped'), face: satSchema, ...partOf }),
]);
/** A send in one of its states, with what exists in that state. */
export type SendOperation = z.infer<typeof sendSchema>;

/**
 * Makes a token. Holds the mint's lock until the change is there, so that a second send sees it.
 *
 * @throws InsufficientFundsError, MintError, UnfinishedOperationError, SpentElsewhereError
 */
export async function send(core: Core, request: SendRequest, signal: AbortSignal): Promise<SentToken> {
  const before = request.key === undefined ? undefined : core.journal.byKey(request.key);
  const mint = before?.mint ?? request.mint ?? core.mints.defaultMint;
  return core.mintLock.run(mint, signal, async () => {
    const known = request.key === undefined ? undefined : core.journal.byKey(request.key);
    if (known) {
      if (known.state === 'prepared') await finishSend(core, known.operation, signal);
      return describeSent(core, known.operation);
    }
    const id = newOperationId();
    return core.turns.run(id, signal, async () => {
      const session = await core.mints.open(mint, signal);
      // It may find that some of what is ready is spent.
      await lookBeforeUse(core, session, mint);
      const plan = await prepare(session, mint, request.amount, core.proofs.ready(mint));
      core.reached('send:reserved');
      core.store.write(() => {
        core.journal.insert<SendOperation>({
          id,
          kind: 'send',
          mint,
          amount: request.amount,
          fee: plan.fee,
          body: { state: 'prepared', plans: [plan], mintName: nameFor(mint, request.mintName) },
          key: request.key,
          note: request.note,
        });
        core.journal.recordInputs(id, plan.inputs);
        core.proofs.reserve(plan.inputs, id);
      });
      core.reached('send:prepared');
      await settle(core, session, id, signal, true);
      return describeSent(core, id);
    });
  });
}

/** What the token is to call its mint, when not by its address. @throws MintError `not-accepted` unless it means that mint */
function nameFor(mint: MintUrl, mintName: string | undefined): string | undefined {
  if (mintName === undefined || mintName === mint) return undefined;
  if (readMintUrl(mintName) === mint) return mintName;
  throw new MintError(mintName, { kind: 'not-accepted', accepted: [mint] });
}

/**
 * What a send would cost now. Nothing is reserved, and no counter is used up.
 *
 * @throws InsufficientFundsError, MintError
 */
export async function quoteSend(
  core: Core,
  {
    amount: wanted,
    mint = core.mints.defaultMint,
  }: Pick<SendRequest, 'mint'> & { readonly amount: Sat | 'all' },
  signal: AbortSignal,
): Promise<SendQuote> {
  const session = await core.mints.open(mint, signal);
  requireActiveKeyset(session);
  const candidates = core.proofs.ready(mint);
  const amount = wanted === 'all' ? mostSendable(session, candidates, core.policy.maxInputs) : wanted;
  const { usable, shortage } = usableProofs(session, mint, amount, candidates);
  if (amount === 0) throw shortage();
  const face = addSat(amount, sat(session.getFeesToInclude(amount).toNumber()));
  const way = gatherProofs(session, usable, face, core.policy.maxInputs);
  if (way === undefined) throw shortage();
  return { mint, amount, face, fee: addSat(way.gatherFee, way.inputFee) };
}

/** The largest amount that a receiver can net of these; 0: none. */
function mostSendable(session: Session, proofs: readonly StoredProof[], maxInputs: number): Sat {
  const known = proofs.filter((proof) => session.keyChain.isUnitKeyset(proof.id));
  const most = mostOf(session, known, maxInputs);
  let amount: number = most;
  while (amount > 0 && amount + session.getFeesToInclude(amount).toNumber() > most) amount -= 1;
  return sat(amount);
}

/** Recovery of `prepared`. Throws what `send` throws. */
export async function finishSend(core: Core, id: OperationId, signal: AbortSignal): Promise<void> {
  await core.turns.run(id, signal, async () => {
    const body = core.journal.body(id, sendSchema);
    if (body.state !== 'prepared') return;
    const session = await reopen(core, id, keysetsOf(body.plans), signal);
    await settle(core, session, id, signal, false);
  });
}

/** From `prepared` to wherever the mint's word leads. Throws what `send` throws. */
export async function settle(
  core: Core,
  session: Session,
  id: OperationId,
  signal: AbortSignal,
  fresh: boolean,
  collisions = 0,
): Promise<Swapped> {
  const head = core.journal.head(id);
  const body = core.journal.body(id, sendSchema, 'prepared');
  const verdict = await driveSwap(session, {
    plans: body.plans,
    fresh,
    settled: core.clock.now() - head.updatedAt > core.policy.settleAfterMs,
    refresh: () => core.mints.refresh(head.mint, signal),
  });
  switch (verdict.kind) {
    case 'signed':
      core.reached('send:answered');
      // Found again by the outputs when it is lost, and on disk before anybody sees the token (`handOver`).
      commit(core, id, () => issue(core, head, 'prepared', verdict.plan, verdict.swapped), 'soon');
      core.reached('send:done');
      return verdict.swapped;
    case 'never-sent':
    case 'refused':
      rollBack(core, id, body);
      throw explainMintError(head.mint, verdict.error);
    case 'rotated':
      await planAgain(core, verdict.session, head);
      return settle(core, verdict.session, id, signal, true, collisions);
    case 'collided': {
      const { plan, signed } = verdict;
      const plans = body.plans.map((each) => (each === plan ? collided(each) : each));
      await takeOlderFor(core, session, id, { mint: head.mint, keysets: [plan.keyset], signed }, () =>
        core.journal.move<SendOperation>(id, ['prepared'], { ...body, plans }),
      );
      core.reached('send:collided');
      if (collisions >= maxPlans) throw new UnfinishedOperationError(id, undefined);
      await planAgain(core, session, head);
      return settle(core, session, id, signal, true, collisions + 1);
    }
    case 'spent': {
      const inputs = body.plans.at(-1)?.inputs ?? [];
      const lost = inputs.filter((_, i) => verdict.states[i] === 'SPENT');
      core.store.write(() => {
        core.proofs.spend(lost, id);
        core.proofs.release(id);
        core.journal.move<SendOperation>(id, ['prepared'], { state: 'failed', plans: body.plans });
        core.journal.dropKey(id);
      });
      throw new SpentElsewhereError(id, sumProofs(lost));
    }
    case 'partial':
      core.store.write(() => core.journal.setTrouble(id, 'partial-signatures'));
      throw new UnfinishedOperationError(id, 'partial-signatures');
    case 'unknown':
      throw new UnfinishedOperationError(id, undefined, verdict.error);
  }
}

/** Fresh outputs for the same token. The earlier ones stay, should they be signed after all. */
async function planAgain(core: Core, session: Session, head: OperationHead): Promise<void> {
  const id = head.operation;
  const body = core.journal.body(id, sendSchema, 'prepared');
  const plans = body.plans.filter((plan) => !isCollided(plan));
  if (plans.length >= maxPlans) throw new UnfinishedOperationError(id, undefined);
  const next = await prepareAgain(core, session, head, body.plans).catch((cause) => {
    rollBack(core, id, body);
    throw cause;
  });
  core.store.write(() => {
    core.proofs.release(id);
    core.proofs.reserve(next.inputs, id);
    core.journal.recordInputs(id, next.inputs);
    const again = { ...body, plans: [...plans, next] };
    core.journal.move<SendOperation>(id, ['prepared'], again, { fee: next.fee });
  });
}

/** One transaction: inputs spent, change ready, token on disk. Called by recovery for a rolled back send, too. */
export function issue(
  core: Core,
  head: OperationHead,
  from: 'prepared' | 'rolled_back',
  plan: SwapPlan,
  swapped: Swapped,
): void {
  const id = head.operation;
  core.proofs.spend(plan.inputs, id);
  core.proofs.release(id);
  core.proofs.add(head.mint, swapped.keep, 'ready', id);
  const body = core.journal.body(id, sendSchema);
  if ('own' in body && body.own) {
    core.proofs.add(head.mint, swapped.send, 'ready', id);
    const face = sumProofs([...swapped.keep, ...swapped.send]);
    core.journal.move<SendOperation>(
      id,
      [from],
      { state: 'regrouped', face, partOf: body.partOf },
      { fee: plan.fee },
    );
    return;
  }
  core.proofs.add(head.mint, swapped.send, 'sent', id);
  const mint = 'mintName' in body ? (body.mintName ?? head.mint) : head.mint;
  const text = getEncodedToken(
    { mint, proofs: swapped.send.map(loadProof), unit: 'sat' },
    { removeDleq: true },
  );
  const issued = { state: 'issued', token: text, face: sumProofs(swapped.send) } as const;
  core.journal.move<SendOperation>(id, [from], issued, { fee: plan.fee });
}

/** Nothing is signed and nothing spent: the inputs are free again. The outputs stay, should the mint prove us wrong. */
function rollBack(core: Core, id: OperationId, body: Extract<SendOperation, { state: 'prepared' }>): void {
  core.store.write(() => {
    core.proofs.release(id);
    const plan = body.plans.at(-1);
    if (plan !== undefined) giveBack(core, plan.keyset, [...plan.keep, ...plan.send]);
    core.journal.move<SendOperation>(id, ['prepared'], { ...body, state: 'rolled_back' });
    core.journal.dropKey(id);
  });
}

/** The proofs that a send can take from. @throws InsufficientFundsError when they are less than the amount itself */
function usableProofs(
  session: Session,
  mint: MintUrl,
  amount: Sat,
  candidates: readonly StoredProof[],
): { readonly usable: readonly StoredProof[]; readonly shortage: () => InsufficientFundsError } {
  const usable = candidates.filter((proof) => session.keyChain.isUnitKeyset(proof.id));
  const have = sumProofs(usable);
  const shortage = () => {
    const fees = session.getFeesToInclude(amount).add(session.getFeesForProofs(usable)).toNumber();
    return new InsufficientFundsError({ have, need: addSat(amount, sat(fees)), mint });
  };
  if (have < amount) throw shortage();
  return { usable, shortage };
}

/** All of these, in as few proofs as there can be. */
export const prepareWhole = (session: Session, inputs: readonly StoredProof[]): Promise<SwapPreview> =>
  session.ops.receive(inputs.map(loadProof)).asDeterministic().prepare();

/** Outputs that net their holder `amount`, and the change. @throws InsufficientFundsError */
export async function prepare(
  session: Session,
  mint: MintUrl,
  amount: Sat,
  candidates: readonly StoredProof[],
): Promise<SwapPlan> {
  requireActiveKeyset(session);
  const { usable, shortage } = usableProofs(session, mint, amount, candidates);
  try {
    const preview = await session.ops
      .send(amount, usable.map(loadProof))
      .asDeterministic()
      .keepAsDeterministic()
      .includeFees(true)
      .prepare();
    return planOf(preview);
  } catch (cause) {
    if (cause instanceof CTSError && cause.message.startsWith('Not enough funds')) throw shortage();
    throw cause;
  }
}

/** The same amount with outputs of the keyset that signs now: from the same inputs, and more if its fees want it. */
async function prepareAgain(
  core: Core,
  session: Session,
  head: OperationHead,
  before: readonly SwapPlan[],
): Promise<SwapPlan> {
  const last = before.at(-1);
  const own = last?.inputs ?? [];
  if (last?.whole ?? last?.send.length === 0) return planOf(await prepareWhole(session, own));
  return prepare(session, head.mint, head.amount, own).catch((cause) => {
    if (!(cause instanceof InsufficientFundsError)) throw cause;
    return prepare(session, head.mint, head.amount, [...own, ...core.proofs.ready(head.mint)]);
  });
}

function describeSent(core: Core, id: OperationId): SentToken {
  const head = core.journal.head(id);
  const body = core.journal.body(id, sendSchema);
  if (!('face' in body)) throw new OperationStateError(id, body.state);
  return { operation: id, mint: head.mint, amount: head.amount, face: body.face, fee: head.fee };
}

/** A token that is out, or may be: it can be handed over, claimed and taken back. */
const out = ['issued', 'handed_over'] as const;

/** The token, written down as being with `to` before anybody sees it. @throws OperationStateError once it is settled */
export function handOver(core: Core, id: OperationId, to: string): string {
  return core.store.write(() => {
    const { token: text, face } = core.journal.body(id, sendSchema, ...out);
    core.journal.move<SendOperation>(id, out, { state: 'handed_over', token: text, face, to });
    return text;
  });
}

const holderOf = (body: Extract<SendOperation, { state: (typeof out)[number] }>): string =>
  body.state === 'issued' ? '' : body.to;

/** Inside the transaction that prepares the receive operation which takes the token back. */
export function beginReclaim(core: Core, id: OperationId, receive: OperationId): void {
  const body = core.journal.body(id, sendSchema, ...out);
  core.journal.move<SendOperation>(id, out, { ...body, state: 'reclaiming', to: holderOf(body), receive });
}

/** Inside the transaction that ends that receive operation. Not taken back: the token may be claimed, or is as before. */
export function endReclaim(core: Core, id: OperationId, taken: boolean): void {
  const { token: text, face, to, receive } = core.journal.body(id, sendSchema, 'reclaiming');
  if (taken) core.proofs.spend(core.proofs.heldBy(id, 'sent'), id);
  const before: SendOperation =
    to === '' ? { state: 'issued', token: text, face } : { state: 'handed_over', token: text, face, to };
  core.journal.move<SendOperation>(
    id,
    ['reclaiming'],
    taken ? { state: 'reclaimed', face, receive } : before,
  );
}

/** Inside the transaction of the receipt that took the last of a token which came back bit by bit. */
export function endSend(core: Core, id: OperationId, receive: OperationId): void {
  const body = core.journal.body(id, sendSchema);
  if (body.state !== 'issued' && body.state !== 'handed_over') return;
  core.journal.move<SendOperation>(id, out, { state: 'reclaimed', face: body.face, receive });
}

/** The receiver showed that it has the token's value. @throws OperationStateError when there is no token */
export function confirmClaimed(core: Core, id: OperationId): void {
  if (core.journal.head(id).state !== 'claimed') markClaimed(core, id);
}

/** The mint says that every proof of the token is spent, and it was not us. */
export function markClaimed(core: Core, id: OperationId): void {
  core.store.write(() => {
    const body = core.journal.body(id, sendSchema, ...out);
    core.proofs.spend(core.proofs.heldBy(id, 'sent'), id);
    core.journal.move<SendOperation>(id, out, { state: 'claimed', face: body.face, to: holderOf(body) });
  });
}
