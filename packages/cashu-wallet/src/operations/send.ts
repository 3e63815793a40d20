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
import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { gatherProofs, mostOf } from '../mints/choose-proofs.ts';
import { readMintUrl } from '../mints/mint-list.ts';
import { freshFeesMs, requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import type { StoredProof } from '../store/stored-proof.ts';
import { type Core, newOperationId } from '../wallet-core.ts';
import { MintError, OperationStateError } from '../wallet-errors.ts';
import type { MintUrl, OperationId, SendQuote, SendRequest, SentToken } from '../wallet-types.ts';
import { lookBeforeUse } from './look-ahead.ts';
import { gatherProofsFor } from './own-swap.ts';
import { reopen } from './reopen-mint.ts';
import { type SendOperation, sendSchema } from './send-states.ts';
import { feeWithParts, prepare, settle, usableProofs } from './send-swap.ts';
import { keysetsOf } from './swap.ts';

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
      await gather(core, session, mint, request.amount, signal, id);
      const plan = await prepare(session, mint, request.amount, core.proofs.ready(mint));
      core.reached('send:reserved');
      core.store.write(() => {
        core.journal.insert<SendOperation>({
          id,
          kind: 'send',
          mint,
          amount: request.amount,
          fee: feeWithParts(core, id, plan),
          body: { state: 'prepared', plans: [plan], mintName: nameFor(core, mint, request.mintName) },
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

/** Makes few proofs of many, so that no more than the mint takes at once are needed for this amount. */
async function gather(
  core: Core,
  session: Session,
  mint: MintUrl,
  amount: Sat,
  signal: AbortSignal,
  id: OperationId,
): Promise<void> {
  if (core.proofs.ready(mint).length <= core.policy.maxInputs) return;
  requireActiveKeyset(session);
  const face = addSat(amount, sat(session.getFeesToInclude(amount).toNumber()));
  await gatherProofsFor(core, session, mint, face, signal, id);
}

/** What the token is to call its mint, when not by its address. @throws MintError `not-accepted` unless it means that mint */
function nameFor(core: Core, mint: MintUrl, mintName: string | undefined): string | undefined {
  if (mintName === undefined || mintName === mint) return undefined;
  if (core.mints.names.today(readMintUrl(mintName)) === mint) return mintName;
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
  const session = await core.mints.open(mint, signal, freshFeesMs);
  requireActiveKeyset(session);
  // As the send does: what is shown is what it will find.
  await lookBeforeUse(core, session, mint).catch((error: unknown) => {
    if (!(error instanceof MintError)) throw error;
  });
  const candidates = core.proofs.ready(mint);
  const amount = wanted === 'all' ? mostSendable(session, candidates, core.policy.maxInputs) : wanted;
  // Of nothing: what one sat would take.
  if (amount === 0) throw usableProofs(session, mint, sat(1), candidates).shortage();
  const { usable, shortage } = usableProofs(session, mint, amount, candidates);
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

function describeSent(core: Core, id: OperationId): SentToken {
  const head = core.journal.head(id);
  const body = core.journal.body(id, sendSchema);
  if (!('face' in body)) throw new OperationStateError(id, body.state);
  return { operation: id, mint: head.mint, amount: head.amount, face: body.face, fee: head.fee };
}
