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
import { askMint } from '../mints/mint-errors.ts';
import { requireActiveKeyset, type Session } from '../mints/mint-sessions.ts';
import { makeRequest } from '../payment-requests/make-request.ts';
import { bringFor } from '../store/brought-in.ts';
import { requireRoom } from '../store/holdings.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import { type Core, commit, newOperationId } from '../wallet-core.ts';
import { UnfinishedOperationError } from '../wallet-errors.ts';
import type { MintUrl, OperationId, TopUp, TopUpState } from '../wallet-types.ts';
import { lookAhead } from './look-ahead.ts';
import { driveIssue, mintPlanSchema, mintQuoteSchema, prepareIssue } from './mint-issue.ts';
import { olderMoney, takeOlderFor } from './older.ts';
import { reopen } from './reopen-mint.ts';
import { maxPlans, type Signed } from './swap.ts';

const plans = z.array(mintPlanSchema).min(1);

export const mintSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('quoted'), quote: mintQuoteSchema }),
  z.object({ state: z.literal('prepared'), quote: mintQuoteSchema, plans }),
  /** `mintSaid`: what the mint said of the quote when it was held against it (check-top-ups.ts). */
  z.object({
    state: z.literal('done'),
    quote: mintQuoteSchema,
    mintSaid: z.enum(['issued', 'paid', 'forgotten']).optional(),
  }),
  z.object({ state: z.literal('expired'), quote: mintQuoteSchema }),
  z.object({ state: z.literal('issued_before'), quote: mintQuoteSchema }),
  z.object({ state: z.literal('failed'), quote: mintQuoteSchema, plans }),
]);
/** A top-up in one of its states, with what exists in that state. */
export type MintOperation = z.infer<typeof mintSchema>;

/** What an invoice is to be over, at which mint, and for whom it brings money in. */
type InvoiceRequest = {
  readonly amount: Sat;
  readonly mint?: MintUrl;
  readonly owner?: string;
  readonly note?: string;
};

/** Asks for an invoice. @throws MintError, BalanceCapError */
export async function topUp(
  core: Core,
  request: InvoiceRequest & { readonly invoiceOnly?: true },
  signal: AbortSignal,
): Promise<TopUp> {
  requireRoom(core, request.amount);
  if (request.invoiceOnly) return requestInvoiceOf(core, request, signal);
  const made = await requestInvoiceOf(core, request, signal, (topUp) =>
    makeRequest(core, topUp, request.owner),
  );
  if (made.request !== undefined) core.payee.onChange?.();
  core.reached('payment:asked');
  return made;
}

/**
 * The same for money that is the wallet's already.
 *
 * @param withRequest makes the other way to pay it, in the transaction that stores the invoice
 * @throws MintError
 */
export async function requestInvoiceOf(
  core: Core,
  { amount, mint = core.mints.defaultMint, owner, note }: InvoiceRequest,
  signal: AbortSignal,
  withRequest: (topUp: Pick<TopUp, 'operation' | 'mint' | 'amount'>) => TopUp['request'] = () => undefined,
): Promise<TopUp> {
  const session = await core.mints.open(mint, signal);
  requireActiveKeyset(session);
  const key = session.getMintInfo().isSupported(20).supported ? createRandomSecretKey() : undefined;
  const quote = await askMint(mint, signal, async () => {
    const answer = key
      ? await session.createLockedMintQuote(amount, hex(getPubKeyFromPrivKey(key)))
      : await session.createMintQuoteBolt11(amount);
    return mintQuoteSchema.parse({
      quote: answer.quote,
      request: answer.request,
      // Some mints say 0 for "never".
      expiresAt: answer.expiry ? answer.expiry * 1000 : undefined,
      privateKey: key && hex(key),
    });
  });
  const id = newOperationId();
  const request = core.store.write(() => {
    const body = { state: 'quoted', quote } as const;
    core.journal.insert<MintOperation>({ id, kind: 'mint', mint, amount, body, note });
    bringFor(core.store, id, owner);
    return withRequest({ operation: id, mint, amount });
  });
  return { operation: id, mint, amount, invoice: quote.request, expiresAt: quote.expiresAt, request };
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
        const plan = await prepareIssue(session, head.amount, body.quote);
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
 * did, if it was put back since, or older money that is as much was found. What became of it is told where it is found.
 */
async function isIssuedBefore(
  core: Core,
  session: Session,
  { mint, amount, createdAt }: OperationHead,
): Promise<boolean> {
  await lookAhead(core, session, mint);
  if (core.journal.inState('receive', 'put_back').some((entry) => entry.createdAt >= createdAt)) return true;
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
  const paying = open || core.journal.melting(quote.request) !== undefined;
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
  const { mint, updatedAt } = core.journal.head(id);
  const body = core.journal.body(id, mintSchema, 'prepared');
  const verdict = await driveIssue(session, {
    ...body,
    fresh,
    settled: core.clock.now() - updatedAt > core.policy.settleAfterMs,
    refresh: () => core.mints.refresh(mint, signal),
  });
  switch (verdict.kind) {
    case 'issued':
      core.reached('mint:answered');
      commit(core, id, () => {
        core.proofs.add(mint, verdict.proofs, 'ready', id);
        core.journal.move<MintOperation>(id, ['prepared'], { state: 'done', quote: body.quote });
      });
      core.reached('mint:done');
      return;
    case 'rotated':
      await planAgain(core, verdict.session, id);
      return settle(core, verdict.session, id, signal, true, collisions);
    case 'collided':
      await takeCollided(core, session, id, verdict.signed);
      if (collisions >= maxPlans) throw new UnfinishedOperationError(id, undefined);
      await planAgain(core, session, id);
      return settle(core, session, id, signal, true, collisions + 1);
    case 'issued-elsewhere':
      // By this operation, perhaps: another wallet with these words has found what it made, and spent it.
      if (await isIssuedBefore(core, session, core.journal.head(id))) {
        core.store.write(() =>
          core.journal.move<MintOperation>(id, ['prepared'], { state: 'issued_before', quote: body.quote }),
        );
        return;
      }
      core.store.write(() => {
        core.journal.move<MintOperation>(id, ['prepared'], { ...body, state: 'failed' });
        core.journal.setTrouble(id, 'issued-elsewhere');
      });
      throw new UnfinishedOperationError(id, 'issued-elsewhere', verdict.error);
    case 'partial':
      core.store.write(() => core.journal.setTrouble(id, 'partial-signatures'));
      throw new UnfinishedOperationError(id, 'partial-signatures');
    case 'never-sent':
    case 'unknown':
      throw new UnfinishedOperationError(id, undefined, verdict.error);
  }
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
  const next = await prepareIssue(session, core.journal.head(id).amount, body.quote);
  core.store.write(() =>
    core.journal.move<MintOperation>(id, ['prepared'], { ...body, plans: [...before, next] }),
  );
  core.reached('mint:planned');
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
