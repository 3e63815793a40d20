import type { Core } from '../wallet-core.ts';
import { TokenRefusedError, UnknownOperationError, WalletError } from '../wallet-errors.ts';
import type { KeptState, KeptTokenId, OperationId, Received } from '../wallet-types.ts';
import { receiptOf } from './receive.ts';
import { alreadyReceived, receiveToken } from './receive-token.ts';
import { retryPause } from './retry-pause.ts';

/**
 * Redeems a kept token, or says what it brought when it was redeemed. What goes wrong is written to its row. Proofs that
 * had come in before as something else, or are of a token of ours, are no money that it brings, however they are written.
 *
 * @throws TokenRefusedError `spent` when its value is somebody else's, `already-received` when it brought nothing, and
 *   what `receiveToken` throws
 */
export async function redeemKept(core: Core, id: KeptTokenId, signal: AbortSignal): Promise<Received> {
  const kept = core.kept.read(id);
  if (!kept) throw new UnknownOperationError(String(id));
  if (kept.state !== 'new') return readReceived(core, id);
  try {
    const received = await receiveToken(core, kept.token, { cap: false, kept: id }, signal);
    // Another receipt may have had what is in it; that one knows nothing of this row.
    settle(core, id, received.operation);
  } catch (error) {
    if (signal.aborted || !(error instanceof WalletError)) throw error;
    if (error instanceof TokenRefusedError && error.problem.kind === 'already-received') {
      settle(core, id, error.problem.operation);
      return readReceived(core, id);
    }
    if (core.kept.read(id)?.state !== 'new') throw error;
    const problem = error instanceof TokenRefusedError ? error.problem.kind : error.name;
    core.log.warn({ kept: id, source: kept.source, problem }, 'a token that was kept could not be redeemed');
    core.kept.postpone(id, problem, core.clock.now() + retryPause(kept.attempts));
    throw error;
  }
  return readReceived(core, id);
}

/** Whether a receipt is of this kept token: made for it, or by somebody who had the same token in hand meanwhile. */
function isOf(core: Core, id: KeptTokenId, operation: OperationId): boolean {
  const kept = core.kept.read(id);
  const { kept: of, reclaims } = receiptOf(core, operation);
  if (of !== undefined || kept === undefined) return of === id;
  return reclaims === undefined && core.journal.head(operation).createdAt >= kept.created_at;
}

function settle(core: Core, id: KeptTokenId, operation: OperationId): void {
  core.store.write(() => {
    if (core.kept.read(id)?.state !== 'new') return;
    core.kept.close(id, 'redeemed', operation);
    if (!isOf(core, id, operation)) return;
    const { mint, amount, fee } = core.journal.head(operation);
    core.tellRedeemed({ kind: 'kept', token: id, received: { operation, mint, amount, fee } });
  });
}

/** What became of a kept token, as far as it is known. */
export function keptState(core: Core, id: KeptTokenId): KeptState {
  const kept = core.kept.read(id);
  if (kept?.state !== 'redeemed' || kept.operation === undefined) return kept?.state ?? 'spent';
  return isOf(core, id, kept.operation) ? 'redeemed' : 'known';
}

function readReceived(core: Core, id: KeptTokenId): Received {
  const kept = core.kept.read(id);
  if (kept?.state !== 'redeemed' || kept.operation === undefined) {
    throw new TokenRefusedError({ kind: 'spent' });
  }
  if (!isOf(core, id, kept.operation)) throw alreadyReceived(core, kept.operation);
  const { operation, mint, amount, fee } = core.journal.head(kept.operation);
  return { operation, mint, amount, fee };
}
