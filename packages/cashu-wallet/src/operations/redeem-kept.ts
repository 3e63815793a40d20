import type { Core } from '../wallet-core.ts';
import { TokenRefusedError, UnknownOperationError, WalletError } from '../wallet-errors.ts';
import type { KeptTokenId, Received } from '../wallet-types.ts';
import { receiveToken } from './receive-token.ts';
import { retryPause } from './retry-pause.ts';

/**
 * Redeems a kept token, or says what it brought when it was redeemed. What goes wrong is written to its row.
 *
 * @throws TokenRefusedError `spent` when its value is somebody else's, and what `receiveToken` throws
 */
export async function redeemKept(core: Core, id: KeptTokenId, signal: AbortSignal): Promise<Received> {
  const kept = core.kept.read(id);
  if (!kept) throw new UnknownOperationError(String(id));
  if (kept.state !== 'new') return readReceived(core, id);
  try {
    const received = await receiveToken(core, kept.token, { cap: false, kept: id }, signal);
    // Another receipt may have had what is in it; that one knows nothing of this row.
    closeRedeemed(core, id, received);
    return received;
  } catch (error) {
    if (signal.aborted || !(error instanceof WalletError)) throw error;
    if (error instanceof TokenRefusedError && error.problem.kind === 'already-received') {
      const { mint, amount, fee } = core.journal.head(error.problem.operation);
      closeRedeemed(core, id, { operation: error.problem.operation, mint, amount, fee });
      return readReceived(core, id);
    }
    if (core.kept.read(id)?.state !== 'new') throw error;
    const problem = error instanceof TokenRefusedError ? error.problem.kind : error.name;
    core.log.warn({ kept: id, source: kept.source, problem }, 'a token that was kept could not be redeemed');
    core.kept.postpone(id, problem, core.clock.now() + retryPause(kept.attempts));
    throw error;
  }
}

function closeRedeemed(core: Core, id: KeptTokenId, received: Received): void {
  core.store.write(() => {
    if (core.kept.read(id)?.state !== 'new') return;
    core.kept.close(id, 'redeemed', received.operation);
    core.tellRedeemed({ kind: 'kept', token: id, received });
  });
}

function readReceived(core: Core, id: KeptTokenId): Received {
  const kept = core.kept.read(id);
  if (kept?.state !== 'redeemed' || kept.operation === undefined) {
    throw new TokenRefusedError({ kind: 'spent' });
  }
  const { operation, mint, amount, fee } = core.journal.head(kept.operation);
  return { operation, mint, amount, fee };
}
