import { MeltQuoteState } from '@cashu/cashu-ts';
import type { Core } from '../core.ts';
import {
  InvoiceRefusedError,
  MintError,
  SpentElsewhereError,
  TokenRefusedError,
  UnfinishedOperationError,
  WalletError,
} from '../errors.ts';
import type { OperationHead } from '../store/journal.ts';
import type { KeptToken } from '../store/kept-tokens.ts';
import type { MintUrl, OperationId, OperationSummary, RecoveryReport, RecoveryScope } from '../types.ts';
import { book, finishMelt, meltStates, readChange } from './melt.ts';
import { claimTopUp } from './mint.ts';
import { finishReceive, receive } from './receive.ts';
import { finishSend, issue, sendStates } from './send.ts';
import { findSwapOutcome, keysetsOf } from './swap.ts';

/**
 * Finishes or undoes what is open, oldest first, each by its own file's rules; redeems kept tokens; asks about invoices.
 * A mint that cannot be reached is not asked again in the same pass. Nothing that goes wrong with one operation keeps
 * the others from being looked at.
 */
export async function recover(
  core: Core,
  scope: RecoveryScope,
  signal: AbortSignal,
): Promise<RecoveryReport> {
  const before = core.journal.open();
  const away = new Set<MintUrl>();
  const attempt = async (mint: MintUrl, work: () => Promise<unknown>): Promise<unknown> => {
    signal.throwIfAborted();
    try {
      if (!away.has(mint)) await work();
      return undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      if (!(error instanceof WalletError))
        core.log.error({ mint, error }, 'recovery met something unexpected');
      if (isAway(error)) away.add(mint);
      return error;
    }
  };

  for (const head of before) {
    if (core.busy.has(head.operation) || (scope === 'due' && head.nextAt > core.clock.now())) continue;
    const error = await attempt(head.mint, () => finish(core, head, signal));
    if (error instanceof SpentElsewhereError) {
      core.log.error(
        { operation: head.operation, amount: error.amount },
        'proofs of this wallet were spent elsewhere',
      );
      await attempt(head.mint, () => revive(core, head.operation, signal));
    } else if (error !== undefined) {
      core.log.info({ operation: head.operation, kind: head.kind, error }, 'an operation is still open');
    }
    const now = core.journal.head(head.operation);
    if (now.open)
      core.store.write(() => core.journal.postpone(now.operation, core.clock.now() + pause(now.attempts)));
  }
  // After the operations: what one of them has redeemed is not looked at again.
  for (const item of core.kept.waiting(scope)) await redeemKept(core, item, signal);
  for (const head of core.journal.inState('mint', 'quoted')) {
    await attempt(head.mint, () => claimTopUp(core, head.operation, signal));
  }
  return report(core, before);
}

function finish(core: Core, head: OperationHead, signal: AbortSignal): Promise<unknown> {
  switch (head.kind) {
    case 'send':
      return core.lock(head.mint, signal, () => finishSend(core, head.operation, signal));
    case 'receive':
      return finishReceive(core, head.operation, signal);
    case 'mint':
      return claimTopUp(core, head.operation, signal);
    case 'melt':
      return finishMelt(core, head.operation, signal);
  }
}

function report(core: Core, before: readonly OperationHead[]): RecoveryReport {
  const now = before.map((head): OperationSummary => core.journal.head(head.operation));
  const open = core.journal.open();
  return {
    settled: now.filter((head) => !head.open),
    waiting: open.filter((head) => head.trouble === undefined),
    troubled: open.filter((head) => head.trouble !== undefined),
  };
}

/** Redeems one kept token; what goes wrong is written to its row, and returned. */
export async function redeemKept(
  core: Core,
  item: KeptToken,
  signal: AbortSignal,
): Promise<WalletError | undefined> {
  try {
    await receive(core, item.token, { cap: false, kept: item.id }, signal);
    return undefined;
  } catch (error) {
    if (signal.aborted || !(error instanceof WalletError)) throw error;
    if (error instanceof TokenRefusedError && error.problem.kind === 'already-received') {
      const { operation } = error.problem;
      core.store.write(() => {
        core.kept.close(item.id, 'redeemed', operation);
        const { mint, amount, fee } = core.journal.head(operation);
        core.tellRedeemed({ kind: 'kept', token: item.id, received: { operation, mint, amount, fee } });
      });
      return undefined;
    }
    if (core.kept.read(item.id)?.state !== 'new') return error;
    const problem = error instanceof TokenRefusedError ? error.problem.kind : error.name;
    core.log.warn(
      { kept: item.id, source: item.source, problem },
      'a token that was kept could not be redeemed',
    );
    core.kept.postpone(item.id, problem, core.clock.now() + pause(item.attempts));
    return error;
  }
}

/**
 * An operation that was undone and went through all the same: called when its inputs turn out to be spent.
 * `id` is the operation that found them so. Returns what was brought back to life.
 */
export async function revive(
  core: Core,
  id: OperationId,
  signal: AbortSignal,
): Promise<readonly OperationId[]> {
  const revived: OperationId[] = [];
  for (const head of core.journal.rolledBackSharingInputsWith(id)) {
    const session = await core.mints.refresh(head.mint, signal);
    if (head.kind === 'send') {
      const { plans } = core.journal.body(head.operation, sendStates.rolledBack);
      await core.mints.ensureKeys(session, keysetsOf(plans));
      const outcome = await findSwapOutcome(session, plans);
      if (outcome.kind !== 'signed') continue;
      core.store.write(() => issue(core, head, 'rolled_back', outcome.plan, outcome.swapped));
      revived.push(head.operation);
    } else if (head.kind === 'melt') {
      const body = core.journal.body(head.operation, meltStates.rolledBack);
      const answer = await session.checkMeltQuoteBolt11(body.quote.quote);
      if (answer.state !== MeltQuoteState.PAID) continue;
      const change = await readChange(core, session, body.plan, answer);
      core.store.write(() =>
        book(core, head, ['rolled_back'], body, change, answer.payment_preimage ?? undefined),
      );
      revived.push(head.operation);
    }
  }
  return revived;
}

/** Half a minute, doubled each time, an hour at most. */
const pause = (attempts: number): number => Math.min(30_000 * 2 ** Math.min(attempts, 10), 3_600_000);

function isAway(error: unknown): boolean {
  const mintError = error instanceof UnfinishedOperationError ? error.cause : error;
  if (error instanceof InvoiceRefusedError) return false;
  return (
    mintError instanceof MintError &&
    (mintError.problem.kind === 'unreachable' || mintError.problem.kind === 'timeout')
  );
}
