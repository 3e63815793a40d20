/*
 * Mint: somebody pays an invoice, and the mint signs proofs for it (NUT-04, NUT-23).
 *
 *              quote            paid               signed
 *   (nothing) ───────► quoted ───────► prepared ────────────► done
 *                        │ ▲             │ ▲ └ rotated ┐
 *     a day past expiry  │ │ paid late   │ └───────────┘ fresh outputs
 *                        ▼ │             └ issued, and not to us ──► failed
 *                      expired
 *
 *   state       on disk when it is entered           killed in it: recovery
 *   ──────────  ───────────────────────────────────  ────────────────────────────────────────────────────────────
 *   quoted      quote, and its private key (NUT-20)  the invoice was never shown, or is asked about: paid -> prepared.
 *                                                    It is open once a melt of ours has paid it (`move.ts`).
 *   (counters)  numbers of the outputs               nothing happened; a gap in the numbers
 *   prepared    outputs, the signature for them      outputs signed? -> done. Else the identical request again.
 *   done        proofs are ready                     nothing to do
 *   expired     all of the above                     asked about when somebody wants to know (a payment can come late)
 *   issued_before  the quote                         nothing to do: an earlier life of this database took it (older.ts)
 *   failed      outputs are kept                     somebody who knew the quote's id took it: a person must look
 *
 * The quote is on disk before anybody sees the invoice. An invoice's expiry is advice: it can be paid after it.
 */
import { createRandomSecretKey, getPubKeyFromPrivKey, MintQuoteState } from '@cashu/cashu-ts';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { askMint, isDefiniteRefusal } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import { bringFor } from '../store/brought-in.ts';
import { requireRoom } from '../store/holdings.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import {
  loadOutput,
  type StoredProof,
  storedOutputSchema,
  storeOutput,
  storeProof,
} from '../store/stored-proof.ts';
import { type Core, commit, newOperationId } from '../wallet-core.ts';
import { MintError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { MintUrl, OperationId, TopUp, TopUpState } from '../wallet-types.ts';
import { lookAhead, olderMoney, takeOlderFor } from './older.ts';
import { reopen } from './reopen-mint.ts';
import { isAsAsked, isPresent, maxPlans, restoreOutputs, type Signed, statesOf } from './swap.ts';

const quoteSchema = z.object({
  quote: z.string(),
  request: z.string(),
  /** Milliseconds since the Unix epoch. */
  expiresAt: z.number().optional(),
  /** Hex; nobody else can have the quote issued (NUT-20). Absent where the mint cannot lock. */
  privateKey: z.string().optional(),
});
const planSchema = z.object({
  keyset: z.string(),
  /** None any more: they were signed for an older request (`older.ts`). */
  outputs: z.array(storedOutputSchema),
  signature: z.string().optional(),
  legacySignature: z.string().optional(),
});
type MintPlan = z.infer<typeof planSchema>;
const plans = z.array(planSchema).min(1);

export const mintSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('quoted'), quote: quoteSchema }),
  z.object({ state: z.literal('prepared'), quote: quoteSchema, plans }),
  z.object({ state: z.literal('done'), quote: quoteSchema }),
  z.object({ state: z.literal('expired'), quote: quoteSchema }),
  z.object({ state: z.literal('issued_before'), quote: quoteSchema }),
  z.object({ state: z.literal('failed'), quote: quoteSchema, plans }),
]);
/** A top-up in one of its states, with what exists in that state. */
type MintOperation = z.infer<typeof mintSchema>;

/** What an invoice is to be over, at which mint, and for whom it brings money in. */
type InvoiceRequest = { readonly amount: Sat; readonly mint?: MintUrl; readonly owner?: string };

/** Asks for an invoice. @throws MintError, BalanceCapError */
export async function topUp(core: Core, request: InvoiceRequest, signal: AbortSignal): Promise<TopUp> {
  requireRoom(core, request.amount);
  return requestInvoiceOf(core, request, signal);
}

/** The same for money that is the wallet's already. @throws MintError */
export async function requestInvoiceOf(
  core: Core,
  { amount, mint = core.mints.defaultMint, owner }: InvoiceRequest,
  signal: AbortSignal,
): Promise<TopUp> {
  const session = await core.mints.open(mint, signal);
  requireActiveKeyset(session);
  const key = session.getMintInfo().isSupported(20).supported ? createRandomSecretKey() : undefined;
  const quote = await askMint(mint, signal, async () => {
    const answer = key
      ? await session.createLockedMintQuote(amount, hex(getPubKeyFromPrivKey(key)))
      : await session.createMintQuoteBolt11(amount);
    return quoteSchema.parse({
      quote: answer.quote,
      request: answer.request,
      // Some mints say 0 for "never".
      expiresAt: answer.expiry ? answer.expiry * 1000 : undefined,
      privateKey: key && hex(key),
    });
  });
  const id = newOperationId();
  core.store.write(() => {
    const body = { state: 'quoted', quote } as const;
    core.journal.insert<MintOperation>({ id, kind: 'mint', mint, amount, body });
    bringFor(core.store, id, owner);
  });
  return { operation: id, mint, amount, invoice: quote.request, expiresAt: quote.expiresAt };
}

/** Asks once whether the invoice was paid, and takes the money when it was. @throws MintError, UnfinishedOperationError */
export async function claimTopUp(core: Core, id: OperationId, signal: AbortSignal): Promise<TopUpState> {
  return core.turns.run(id, signal, async () => {
    const head = core.journal.head(id);
    const body = core.journal.body(id, mintSchema);
    switch (body.state) {
      case 'done':
      case 'issued_before':
        return 'paid';
      case 'failed':
        throw new UnfinishedOperationError(id, 'issued-elsewhere');
      case 'prepared': {
        const keysets = body.plans.map((plan) => plan.keyset);
        await settle(core, await reopen(core, id, keysets, signal), id, signal, false);
        return 'paid';
      }
      case 'quoted':
      case 'expired': {
        const session = await core.mints.open(head.mint, signal);
        const ask = () => session.checkMintQuoteBolt11(body.quote.quote);
        const answer = await askMint(head.mint, signal, ask);
        if (answer.state === MintQuoteState.UNPAID) return expire(core, head, body);
        if (answer.state === MintQuoteState.ISSUED && (await isIssuedBefore(core, session, head))) {
          core.store.write(() =>
            core.journal.move<MintOperation>(id, ['quoted', 'expired'], {
              state: 'issued_before',
              quote: body.quote,
            }),
          );
          return 'paid';
        }
        // ISSUED, and we have no outputs: the plan below will find out that it was not issued to us.
        const plan = await prepare(session, head.amount, body.quote);
        core.reached('mint:reserved');
        core.store.write(() =>
          core.journal.move<MintOperation>(id, ['quoted', 'expired'], {
            state: 'prepared',
            quote: body.quote,
            plans: [plan],
          }),
        );
        core.reached('mint:prepared');
        await settle(core, session, id, signal, true);
        return 'paid';
      }
    }
  });
}

/**
 * The mint says ISSUED of a quote for which this database never planned outputs. A life that this database is a copy of
 * did, if older money that is as much was found. What became of it is told where it is found.
 */
async function isIssuedBefore(
  core: Core,
  session: Session,
  { mint, amount }: OperationHead,
): Promise<boolean> {
  await lookAhead(core, session, mint);
  const older = olderMoney(core).filter((money) => money.mint === mint);
  return older.reduce((sum, { recovered, spent }) => sum + recovered + spent, 0) >= amount;
}

function expire(
  core: Core,
  { operation, open }: OperationHead,
  { state, quote }: Extract<MintOperation, { state: 'quoted' | 'expired' }>,
): TopUpState {
  const { expiresAt } = quote;
  // What we pay ourselves is asked about for as long as it takes.
  const paying = open || core.journal.melting(quote.request);
  if (paying || expiresAt === undefined || core.clock.now() < expiresAt) return 'unpaid';
  if (state === 'quoted' && core.clock.now() > expiresAt + core.policy.watchExpiredMs)
    abandon(core, operation);
  return 'expired';
}

/** Nobody is going to pay it. It is not asked about any more, unless somebody wants to know. */
export function abandon(core: Core, id: OperationId): void {
  core.store.write(() => {
    const { quote } = core.journal.body(id, mintSchema, 'quoted');
    core.journal.move<MintOperation>(id, ['quoted'], { state: 'expired', quote });
  });
}

/**
 * Inside the transaction that books the payment of this invoice: when it is one of ours, its money is on its way in,
 * and the mint is asked for it until it comes.
 */
export function expectPaid(core: Core, invoice: string): void {
  for (const { operation } of core.journal.mintsOf(invoice)) {
    const body = core.journal.body(operation, mintSchema);
    if (body.state !== 'quoted' && body.state !== 'expired') continue;
    const quoted = { state: 'quoted', quote: body.quote } as const;
    core.journal.move<MintOperation>(operation, ['quoted', 'expired'], quoted, { open: true });
  }
}

/** From `prepared` to wherever the mint's word leads. */
async function settle(
  core: Core,
  session: Session,
  id: OperationId,
  signal: AbortSignal,
  fresh: boolean,
  collisions = 0,
): Promise<void> {
  const head = core.journal.head(id);
  const body = core.journal.body(id, mintSchema, 'prepared');
  const plan = body.plans.at(-1);
  if (!plan) throw new UnfinishedOperationError(id, undefined);
  let error: unknown;
  const submit = () =>
    submitMint(session, body.quote.quote, plan).catch((cause: unknown) => {
      error = cause;
      return undefined;
    });
  try {
    let proofs = fresh ? await submit() : undefined;
    for (let round = 0; !proofs && round < 2; round += 1) {
      const outcome = await findIssued(session, body);
      if (outcome.kind === 'collided') {
        await takeCollided(core, session, id, outcome.signed);
        if (collisions >= maxPlans) throw new UnfinishedOperationError(id, undefined, error);
        await planAgain(core, session, id);
        return await settle(core, session, id, signal, true, collisions + 1);
      }
      if (outcome.kind === 'pending') break;
      if (outcome.kind === 'partial') {
        core.store.write(() => core.journal.setTrouble(id, 'partial-signatures'));
        throw new UnfinishedOperationError(id, 'partial-signatures');
      }
      if (outcome.kind === 'issued') {
        proofs = outcome.proofs;
        break;
      }
      if (isDefiniteRefusal(error)) return await afterRefusal(core, id, body, error, signal);
      if (round === 0) proofs = await submit();
    }
    if (!proofs) throw new UnfinishedOperationError(id, undefined, error);
    core.reached('mint:answered');
    const signed = proofs;
    commit(core, id, () => {
      core.proofs.add(head.mint, signed, 'ready', id);
      core.journal.move<MintOperation>(id, ['prepared'], { state: 'done', quote: body.quote });
    });
    core.reached('mint:done');
  } catch (cause) {
    if (cause instanceof UnfinishedOperationError || cause instanceof MintError) throw cause;
    throw new UnfinishedOperationError(id, undefined, error ?? cause);
  }
}

type Prepared = Extract<MintOperation, { state: 'prepared' }>;
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
async function findIssued(session: Session, { quote, plans }: Prepared): Promise<IssueOutcome> {
  if (plans.at(-1)?.outputs.length === 0) return { kind: 'collided', signed: [] };
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
  const states = await statesOf(
    session,
    signed.map(({ proof }) => proof),
  );
  if (!signed.every(isAsAsked) || states.includes('SPENT')) return { kind: 'collided', signed };
  const proofs = fullySigned(plans, restored);
  return proofs === undefined ? { kind: 'partial' } : { kind: 'issued', proofs };
}

async function takeCollided(
  core: Core,
  session: Session,
  id: OperationId,
  signed: readonly Signed[],
): Promise<void> {
  const { mint } = core.journal.head(id);
  const body = core.journal.body(id, mintSchema, 'prepared');
  const taken = new Set(signed.map(({ output }) => output.secret));
  const plans = body.plans.map((plan) =>
    plan.outputs.some(({ secret }) => taken.has(secret)) ? { ...plan, outputs: [] } : plan,
  );
  const keysets = body.plans.map((plan) => plan.keyset);
  await takeOlderFor(core, session, id, { mint, keysets, signed }, () =>
    core.journal.move<MintOperation>(id, ['prepared'], { ...body, plans }),
  );
  core.reached('mint:collided');
}

/** Fresh outputs for the same quote. The earlier ones stay, should they be signed after all. */
async function planAgain(core: Core, session: Session, id: OperationId): Promise<void> {
  const body = core.journal.body(id, mintSchema, 'prepared');
  const before = body.plans.filter((plan) => plan.outputs.length > 0);
  if (before.length >= maxPlans) throw new UnfinishedOperationError(id, undefined);
  const next = await prepare(session, core.journal.head(id).amount, body.quote);
  core.store.write(() =>
    core.journal.move<MintOperation>(id, ['prepared'], { ...body, plans: [...before, next] }),
  );
}

/** The mint said no, and nothing of ours is signed: is it the keyset, is the quote somebody else's, or is it not paid after all? */
async function afterRefusal(
  core: Core,
  id: OperationId,
  body: Prepared,
  error: unknown,
  signal: AbortSignal,
): Promise<void> {
  const { mint } = core.journal.head(id);
  const session = await core.mints.refresh(mint, signal);
  const keyset = body.plans.at(-1)?.keyset ?? '';
  if (!session.keyChain.getKeyset(keyset).isActive && body.plans.length < maxPlans) {
    await planAgain(core, session, id);
    return settle(core, session, id, signal, true);
  }
  const { state } = await session.checkMintQuoteBolt11(body.quote.quote);
  const age = core.clock.now() - core.journal.head(id).updatedAt;
  if (state !== MintQuoteState.ISSUED || age <= core.policy.settleAfterMs) {
    throw new UnfinishedOperationError(id, undefined, error);
  }
  // Once more: it could have been issued to us after the last look.
  const restored = await restoreOutputs(
    session,
    body.plans.flatMap((plan) => plan.outputs),
  );
  if (restored.some(isPresent)) throw new UnfinishedOperationError(id, undefined, error);
  core.store.write(() => {
    core.journal.move<MintOperation>(id, ['prepared'], { ...body, state: 'failed' });
    core.journal.setTrouble(id, 'issued-elsewhere');
  });
  throw new UnfinishedOperationError(id, 'issued-elsewhere', error);
}

async function prepare(session: Session, amount: Sat, quote: z.infer<typeof quoteSchema>): Promise<MintPlan> {
  requireActiveKeyset(session);
  const preview = await session.prepareMint(
    'bolt11',
    amount,
    // Without its expiry: cashu-ts would refuse to issue a quote that was paid late.
    { quote: quote.quote, request: quote.request, unit: 'sat' },
    quote.privateKey === undefined ? {} : { privkey: quote.privateKey },
    { type: 'deterministic', counter: 0 },
  );
  return planSchema.parse({
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

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
