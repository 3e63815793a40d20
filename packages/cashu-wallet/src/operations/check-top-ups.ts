import { MintQuoteState } from '@cashu/cashu-ts';
import { askMint } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import { type Core, newOperationId } from '../wallet-core.ts';
import { MintError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import type { Findings } from './check-findings.ts';
import { claimTopUp, type MintOperation, mintSchema } from './mint.ts';

/** So many quotes of top-ups that are booked are asked about in one check; the others in the next ones. */
const most = 200;

/**
 * Holds every top-up at a mint against its quote: one that was paid and never issued is issued now, however long ago its
 * invoice expired; of one that is booked the mint must say ISSUED. What it has said once is final and not asked again.
 */
export async function checkTopUps(
  core: Core,
  session: Session,
  mint: MintUrl,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const inState = (state: string) => core.journal.inState('mint', state).filter((head) => head.mint === mint);
  const waiting = [...inState('quoted'), ...inState('expired')];
  const booked = inState('done');
  const unsure = booked.filter(({ operation }) => quoteOf(core, operation).mintSaid === undefined).reverse();
  findings.checkedTopUps += booked.length - unsure.length;
  const asked = [...waiting, ...unsure.slice(0, most)];
  for (const [i, head] of asked.entries()) {
    try {
      const look = head.state === 'done' ? checkBooked : checkWaiting;
      await look(core, session, head, findings, signal);
      findings.checkedTopUps += 1;
    } catch (error) {
      signal.throwIfAborted();
      // It is still open, and told as that.
      if (error instanceof UnfinishedOperationError) continue;
      if (!(error instanceof MintError)) throw error;
      const { problem } = error;
      const { kind } = problem;
      if (kind === 'refused' || (problem.kind === 'http' && problem.status === 404)) {
        forget(core, head);
        continue;
      }
      findings.skip({ what: 'top-ups', mint, count: asked.length - i, why: kind });
      if (kind === 'rate-limited') return;
      throw error;
    }
  }
  if (unsure.length > most) {
    findings.skip({ what: 'top-ups', mint, count: unsure.length - most, why: 'too-many' });
  }
}

const quoteOf = (core: Core, id: OperationHead['operation']) => core.journal.body(id, mintSchema, 'done');

async function checkWaiting(
  core: Core,
  _: Session,
  { operation, amount }: OperationHead,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  if ((await claimTopUp(core, operation, signal)) === 'paid')
    findings.add({ kind: 'issued', operation, amount });
}

async function checkBooked(
  core: Core,
  session: Session,
  head: OperationHead,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const { operation, mint, amount } = head;
  const { quote } = quoteOf(core, operation);
  const { state } = await askMint(mint, signal, () => session.checkMintQuoteBolt11(quote.quote));
  if (state === MintQuoteState.UNPAID) {
    findings.addProblem({ kind: 'top-up-unpaid', operation, amount });
    return;
  }
  if (state === MintQuoteState.ISSUED) return note(core, head, 'issued');
  if (state !== MintQuoteState.PAID) return;
  // It was booked with signatures that answered something else; what it was paid for can still be had.
  const id = newOperationId();
  core.store.write(() => {
    note(core, head, 'paid');
    core.journal.insert<MintOperation>({
      id,
      kind: 'mint',
      mint,
      amount,
      body: { state: 'quoted', quote },
      note: `for ${operation}`,
    });
  });
  if ((await claimTopUp(core, id, signal)) === 'paid')
    findings.add({ kind: 'issued', operation: id, amount });
}

/** The mint does not know the quote any more, so it can't be asked again. */
function forget(core: Core, head: OperationHead): void {
  if (head.state === 'done') note(core, head, 'forgotten');
}

function note(core: Core, { operation }: OperationHead, mintSaid: 'issued' | 'paid' | 'forgotten'): void {
  core.store.write(() => {
    const body = quoteOf(core, operation);
    core.journal.move<MintOperation>(operation, ['done'], { ...body, mintSaid });
  });
}
