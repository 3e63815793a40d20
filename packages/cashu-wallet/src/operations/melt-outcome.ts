/* What became of a payment, by the mint's words on its quote and on its inputs together, and what is booked for it. */
import { type MeltQuoteBolt11Response, MeltQuoteState } from '@cashu/cashu-ts';
import { addSat, remainingSat, type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { explainMintError, isMintOperationError } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import { loadOutput, type StoredProof, storeProof, sumProofs } from '../store/stored-proof.ts';
import { type Core, commit } from '../wallet-core.ts';
import { InvoiceRefusedError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { OperationId } from '../wallet-types.ts';
import { type MeltOperation, meltSchema, type UnderWay } from './melt-states.ts';
import { expectPaid } from './mint.ts';
import { addFound, giveBack, takeOlder } from './older.ts';
import { canRestore, type InputState, nonsense, restoreOutputs, type Signed, statesIfKnown } from './swap.ts';

type MeltAnswer = Pick<MeltQuoteBolt11Response, 'state' | 'change' | 'payment_preimage'>;

/** What the mint's words come to. Only `paid` and `undone` say where the money is. */
export type MeltVerdict =
  /** The quote is PAID, and with these inputs: all of them are SPENT. */
  | 'paid'
  | 'pending'
  /** Some input is UNSPENT and none is PENDING: a payment takes all of them or none, so it took none of these. */
  | 'undone'
  /** UNPAID, and every input is SPENT. */
  | 'unpaid-but-spent'
  /** Ask again. */
  | 'unknown';

/**
 * @param facts.decided no request of ours can be carried out any more: the only one was refused, or it is long ago
 * @param facts.lapsed nobody pays the quote with these inputs any more: it has expired, or the mint's own word is that it does not
 */
export function judgeMelt({
  quote,
  inputs,
  decided,
  lapsed,
}: {
  readonly quote: string;
  readonly inputs: readonly (InputState | 'UNKNOWN')[];
  readonly decided: boolean;
  readonly lapsed: boolean;
}): MeltVerdict {
  if (quote === MeltQuoteState.PENDING) return 'pending';
  if (quote !== MeltQuoteState.PAID && quote !== MeltQuoteState.UNPAID) return 'unknown';
  if (inputs.length === 0 || inputs.includes('PENDING')) return 'unknown';
  // A mint without NUT-07: its word on the quote is all there is.
  if (inputs.includes('UNKNOWN')) {
    if (quote === MeltQuoteState.PAID) return 'paid';
    return decided ? 'undone' : 'unknown';
  }
  // PAID among them: by somebody else, with other proofs.
  if (inputs.includes('UNSPENT')) return decided ? 'undone' : 'unknown';
  if (quote === MeltQuoteState.PAID) return 'paid';
  return lapsed ? 'undone' : 'unpaid-but-spent';
}

/** Where an answer comes from: from the payment's own request, from a question, or from one after that request was refused. */
export type HowAnswered = 'answered' | 'asked' | { readonly refusal: unknown };

/** Does what the mint's words come to. Throws what `withdraw` throws. */
export async function applyAnswer(
  core: Core,
  session: Session,
  id: OperationId,
  answer: MeltAnswer,
  how: HowAnswered,
): Promise<void> {
  const body = core.journal.body(id, meltSchema, 'prepared', 'pending');
  const { plan, state, quote } = body;
  const unfinished = (cause: unknown) => new UnfinishedOperationError(id, undefined, cause);
  const asked = answer.state !== MeltQuoteState.PENDING;
  const inputs = asked
    ? await statesIfKnown(session, plan.inputs).catch((cause: unknown) => {
        throw unfinished(cause);
      })
    : [];
  const refusal = typeof how === 'object' ? how.refusal : undefined;
  const { createdAt, updatedAt } = core.journal.head(id);
  const { settleAfterMs, watchExpiredMs } = core.policy;
  const now = core.clock.now();
  const settled = now - updatedAt > settleAfterMs;
  const decided = refusal !== undefined || settled;
  const until = quote.expiresAt === undefined ? createdAt + watchExpiredMs : quote.expiresAt + settleAfterMs;
  const lapsed = decided && (isMintOperationError(refusal) || now > Math.max(createdAt, until));
  switch (judgeMelt({ quote: answer.state, inputs, decided, lapsed })) {
    case 'paid':
      return bookPaid(core, session, id, answer, settled || how === 'answered');
    case 'pending':
      if (state === 'prepared')
        core.store.write(() => core.journal.move<MeltOperation>(id, [state], { ...body, state: 'pending' }));
      return;
    case 'undone':
      rollBack(
        core,
        id,
        plan.inputs.filter((_, i) => inputs[i] === 'SPENT'),
      );
      throw answer.state === MeltQuoteState.PAID
        ? new InvoiceRefusedError({ kind: 'already-paid', ...spentOn(core.journal.feeOfParts(id)) }, refusal)
        : refusedInvoice(refusal, core.journal.feeOfParts(id));
    case 'unpaid-but-spent':
      core.store.write(() => core.journal.setTrouble(id, 'unpaid-but-spent'));
      throw new UnfinishedOperationError(id, 'unpaid-but-spent');
    case 'unknown':
      throw unfinished(
        refusal ??
          nonsense(session, `melt quote is ${String(answer.state)}, its inputs ${inputs.join(', ')}`),
      );
  }
}

/** @param final the mint has had the time to sign the change */
async function bookPaid(
  core: Core,
  session: Session,
  id: OperationId,
  answer: MeltAnswer,
  final: boolean,
): Promise<void> {
  const body = core.journal.body(id, meltSchema, 'prepared', 'pending');
  const { amount, mint } = core.journal.head(id);
  const change = await readChange(core, session, body, amount, answer).catch((cause: unknown) => {
    // What it says of its own signatures, or what it should have said, does not hold: nothing of it is taken for change.
    const trouble =
      final && explainMintError(mint, cause).problem.kind === 'nonsense' ? 'bad-change' : undefined;
    if (trouble !== undefined) core.store.write(() => core.journal.setTrouble(id, trouble));
    throw new UnfinishedOperationError(id, trouble, cause);
  });
  // Some mints say PAID before they have signed the change.
  if (!final && change.proofs.length === 0 && body.plan.outputs.length > 0)
    throw new UnfinishedOperationError(id, undefined);
  const settle = () => book(core, id, body, change.proofs, answer);
  if (change.older.length === 0) commit(core, id, settle);
  else {
    const older = { mint, keysets: [body.plan.keyset], signed: change.older, also: settle };
    await takeOlder(core, session, older).catch((cause: unknown) => {
      throw new UnfinishedOperationError(id, undefined, cause);
    });
  }
  core.reached('melt:done');
}

/** One transaction: inputs spent, change ready, preimage kept. Called by `revive` for a rolled back payment, too. */
export function book(
  core: Core,
  id: OperationId,
  { state, quote, plan }: UnderWay,
  change: readonly StoredProof[],
  answer: Pick<MeltAnswer, 'payment_preimage'>,
): void {
  const { amount, mint } = core.journal.head(id);
  const paidOver = remainingSat(sumProofs(plan.inputs), addSat(amount, sumProofs(change)));
  const fee = addSat(paidOver, core.journal.feeOfParts(id));
  core.proofs.spend(plan.inputs, id);
  core.proofs.add(mint, change, 'ready', id);
  const paid = { state: 'paid', quote, preimage: preimageOf(answer) } as const;
  core.journal.move<MeltOperation>(id, [state], paid, { fee });
  expectPaid(core, quote.request);
}

/** What a mint gives in its place is of no use to anybody, and could be anything. */
const preimageOf = ({ payment_preimage: given }: Pick<MeltAnswer, 'payment_preimage'>): string | undefined =>
  typeof given === 'string' && /^[0-9a-f]{64}$/i.test(given) ? given : undefined;

type Change = {
  readonly proofs: readonly StoredProof[];
  /** Signed for an older request with the same numbers: no change of this payment. */
  readonly older: readonly Signed[];
};

/**
 * The change, from the quote or (not every mint shows it twice, or shows all of it) by its exact outputs (NUT-09). What
 * is restored is this payment's only if it is no more than can have been left, and nothing of it is spent: nobody has
 * seen it yet.
 */
export async function readChange(
  core: Core,
  session: Session,
  { plan }: Pick<UnderWay, 'plan'>,
  amount: Sat,
  { change }: Pick<MeltAnswer, 'change'>,
): Promise<Change> {
  if (plan.outputs.length === 0) return { proofs: [], older: [] };
  await core.mints.ensureKeys(session, [plan.keyset]);
  let faulty: unknown;
  if (change && change.length > 0) {
    try {
      const proofs = session.createMeltChangeProofs(plan.outputs.map(loadOutput), change).map(storeProof);
      return { proofs, older: [] };
    } catch (cause) {
      faulty = cause;
    }
  }
  if (!canRestore(session)) {
    if (faulty !== undefined) throw faulty;
    return { proofs: [], older: [] };
  }
  const restored = await restoreOutputs(session, plan.outputs);
  const signed = plan.outputs.flatMap((output, i): readonly Signed[] => {
    const proof = restored[i];
    return proof === undefined ? [] : [{ output, proof }];
  });
  if (signed.length === 0 && faulty !== undefined) throw faulty;
  const proofs = signed.map(({ proof }) => proof);
  const left = remainingSat(sumProofs(plan.inputs), amount);
  const ours = sumProofs(proofs) <= left && !(await statesIfKnown(session, proofs)).includes('SPENT');
  return ours ? { proofs, older: [] } : { proofs: [], older: signed };
}

/** The inputs are free again, but for `lost`, which are spent elsewhere; that is told as older money is. */
export function rollBack(core: Core, id: OperationId, lost: readonly StoredProof[] = []): void {
  const body = core.journal.body(id, meltSchema, 'prepared', 'pending');
  core.store.write(() => {
    core.proofs.release(id);
    giveBack(core, body.plan.keyset, body.plan.outputs);
    core.journal.move<MeltOperation>(id, [body.state], { ...body, state: 'rolled_back' });
    if (lost.length > 0) addFound(core, core.journal.head(id).mint, [], [], lost);
  });
}

const spentOn = (cost: Sat) => (cost === 0 ? {} : { spent: cost });

/** @param cost what swaps that were made for the payment have cost */
export function refusedInvoice(cause: unknown, cost: Sat = zeroSat): InvoiceRefusedError {
  const spent = spentOn(cost);
  const detail = cause instanceof Error ? cause.message : 'the mint did not pay it';
  const paid = isMintOperationError(cause) && cause.code === 20006;
  return new InvoiceRefusedError(
    paid ? { kind: 'already-paid', ...spent } : { kind: 'refused', detail, ...spent },
    cause,
  );
}
