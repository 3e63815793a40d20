import { NetworkError } from '@cashu/cashu-ts';
import { previewToken } from '../mints/read-token.ts';
import { redeemPayment } from '../payment-requests/redeem-payment.ts';
import type { OperationHead } from '../store/operation-journal.ts';
import type { Core } from '../wallet-core.ts';
import {
  MintError,
  SpentElsewhereError,
  TokenRefusedError,
  UnfinishedOperationError,
  WalletError,
} from '../wallet-errors.ts';
import type {
  MintUrl,
  OperationId,
  OperationSummary,
  RecoveryReport,
  RecoveryScope,
} from '../wallet-types.ts';
import { lookAhead } from './look-ahead.ts';
import { finishMelt } from './melt.ts';
import { claimTopUp } from './mint.ts';
import { finishReceive } from './receive.ts';
import { redeemKept } from './redeem-kept.ts';
import { retryPause } from './retry-pause.ts';
import { revive } from './revive.ts';
import { finishSend } from './send.ts';

/**
 * Finishes or undoes what is open, oldest first, each by its own file's rules; redeems kept tokens and payments; asks about
 * invoices.
 * Mints are worked through side by side, and one that does not answer is not asked again in the same pass: it holds up
 * nobody else, and itself no longer than one request takes. Nothing that goes wrong with one operation keeps the others
 * from being looked at.
 */
export async function recover(
  core: Core,
  signal: AbortSignal,
  scope: RecoveryScope = 'all',
): Promise<RecoveryReport> {
  core.mints.names.tidy();
  const before = core.journal.open();
  const seen = new Set<OperationId>();
  await atEachMint(core, collect(core, scope, before, seen), signal);
  // Payments of ours to invoices of ours: that they were made is known since they were looked at.
  const paid = core.journal.open().filter(({ operation, kind }) => kind === 'mint' && !seen.has(operation));
  await atEachMint(core, group(paid.map((head) => operationTask(core, head))), signal);
  signal.throwIfAborted();
  return report(core, before);
}

/** Payments that strangers have sent, in one pass: anybody can make a mint work through us. */
const mostPayments = 5;

/** Something to be done at a mint. undefined: it needs none, or one that nobody knows. */
type Task = {
  readonly mint: MintUrl | undefined;
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  /** Not now: a later pass does it. */
  readonly postpone?: () => void;
};

/** What there is to do at each mint, in this order. */
function collect(
  core: Core,
  scope: RecoveryScope,
  open: readonly OperationHead[],
  seen: Set<OperationId>,
): ReadonlyMap<MintUrl | undefined, readonly Task[]> {
  const now = core.clock.now();
  const operations = open.filter(
    ({ operation, nextAt }) => !core.turns.isHeld(operation) && (scope === 'all' || nextAt <= now),
  );
  const invoices = core.journal.inState('mint', 'quoted').filter((head) => !head.open);
  for (const { operation } of [...operations, ...invoices]) seen.add(operation);
  // Before anything is finished with numbers that may be somebody else's.
  const mints = scope === 'all' ? core.mints.accepted() : [];
  return group([
    ...mints.map((mint) => ({
      mint,
      run: async (signal: AbortSignal) => lookAhead(core, await core.mints.open(mint, signal), mint),
    })),
    ...operations.map((head) => operationTask(core, head)),
    ...core.kept.waiting(scope).map((kept) => ({
      mint: mintOf(core, kept.token),
      run: (signal: AbortSignal) => redeemKept(core, kept.id, signal),
      postpone: () => core.kept.postpone(kept.id, 'away', now + retryPause(kept.attempts)),
    })),
    ...core.payments.waiting(scope, mostPayments).map(({ id, token }) => ({
      mint: mintOf(core, token),
      run: (signal: AbortSignal) => redeemPayment(core, id, signal),
    })),
    ...invoices.map(({ mint, operation }) => ({
      mint,
      run: (signal: AbortSignal) => claimTopUp(core, operation, signal),
    })),
  ]);
}

const group = (tasks: readonly Task[]): ReadonlyMap<MintUrl | undefined, readonly Task[]> =>
  Map.groupBy(tasks, ({ mint }) => mint);

function mintOf(core: Core, token: string): MintUrl | undefined {
  try {
    return core.mints.find(previewToken(core, token).mint);
  } catch (error) {
    if (error instanceof TokenRefusedError) return undefined;
    throw error;
  }
}

async function atEachMint(
  core: Core,
  tasks: ReadonlyMap<MintUrl | undefined, readonly Task[]>,
  signal: AbortSignal,
): Promise<void> {
  const lanes = [...tasks].map(async ([mint, own]) => {
    let away = false;
    for (const { run, postpone } of own) {
      if (signal.aborted) return;
      if (away) {
        postpone?.();
        continue;
      }
      try {
        await run(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof WalletError))
          core.log.error({ mint, error }, 'recovery met something unexpected');
        away = mint !== undefined && isAway(error);
      }
    }
  });
  await Promise.all(lanes);
}

function operationTask(core: Core, head: OperationHead): Task {
  const { mint, operation, kind } = head;
  const postpone = (): void => {
    const { open, attempts } = core.journal.head(operation);
    if (!open) return;
    core.store.write(() => core.journal.postpone(operation, core.clock.now() + retryPause(attempts)));
  };
  const run = async (signal: AbortSignal): Promise<void> => {
    try {
      await finish(core, head, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!(error instanceof SpentElsewhereError)) {
        core.log.info({ operation, kind, error }, 'an operation is still open');
        throw error;
      }
      core.log.error({ operation, amount: error.amount }, 'proofs of this wallet were spent elsewhere');
      await revive(core, operation, signal);
    } finally {
      if (!signal.aborted) postpone();
    }
  };
  return { mint, run, postpone };
}

function finish(core: Core, { kind, mint, operation }: OperationHead, signal: AbortSignal): Promise<unknown> {
  switch (kind) {
    case 'send':
      return core.mintLock.run(mint, signal, () => finishSend(core, operation, signal));
    case 'receive':
      return finishReceive(core, operation, signal);
    case 'mint':
      return claimTopUp(core, operation, signal);
    case 'melt':
      return finishMelt(core, operation, signal);
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

/** Nobody answers there: whatever else there is to ask can wait. */
function isAway(error: unknown): boolean {
  const cause = error instanceof UnfinishedOperationError ? error.cause : error;
  if (cause instanceof MintError)
    return cause.problem.kind === 'unreachable' || cause.problem.kind === 'timeout';
  return cause instanceof NetworkError;
}
