import type { Session } from '../mints/mint-sessions.ts';
import type { Core } from '../wallet-core.ts';
import { MintError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { OperationId } from '../wallet-types.ts';

/**
 * The mint of an operation that is to be finished, asked for its keysets now, with the keys that the operation needs.
 *
 * @throws UnfinishedOperationError while the mint is away
 */
export async function reopen(
  core: Core,
  id: OperationId,
  keysets: Iterable<string>,
  signal: AbortSignal,
): Promise<Session> {
  try {
    const session = await core.mints.refresh(core.journal.head(id).mint, signal);
    await core.mints.ensureKeys(session, keysets);
    return session;
  } catch (error) {
    throw error instanceof MintError ? new UnfinishedOperationError(id, undefined, error) : error;
  }
}
