import type { Core } from '../core.ts';
import { OperationStateError, UnfinishedOperationError } from '../errors.ts';
import { explainMintError } from '../mints/mint-errors.ts';
import { sumProofs } from '../store/codec.ts';
import type { OperationId, Reclaimed } from '../types.ts';
import { finishReceive, receiveProofs, receiveStates } from './receive.ts';
import { beginReclaim, markClaimed, sendSchema } from './send.ts';
import { statesOf } from './swap.ts';

/**
 * Takes back what is left of a token. It is a receive operation (see there for its safety); the send operation waits
 * for it in `reclaiming`, and both change in the same transactions.
 *
 * @throws MintError, UnfinishedOperationError, OperationStateError when there is no token, TokenRefusedError `dust`
 */
export async function reclaim(core: Core, id: OperationId, signal: AbortSignal): Promise<Reclaimed> {
  const head = core.journal.head(id);
  const body = core.journal.body(id, sendSchema);
  switch (body.state) {
    case 'claimed':
      return { state: 'claimed' };
    case 'reclaimed': {
      const { amount, fee } = core.journal.head(body.receive);
      return { state: 'reclaimed', amount, fee };
    }
    case 'reclaiming': {
      core.journal.body(body.receive, receiveStates.prepared);
      const { amount, fee } = await finishReceive(core, body.receive, signal);
      return { state: 'reclaimed', amount, fee };
    }
    case 'issued':
    case 'handed_over': {
      const session = await core.mints.open(head.mint, signal);
      const held = core.proofs.heldBy(id, 'sent');
      await core.mints.ensureKeys(
        session,
        held.map((proof) => proof.id),
      );
      const states = await statesOf(session, held).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw explainMintError(head.mint, cause);
      });
      if (states.includes('PENDING')) throw new UnfinishedOperationError(id, undefined);
      const left = held.filter((_, i) => states[i] === 'UNSPENT');
      if (left.length === 0) {
        markClaimed(core, id);
        return { state: 'claimed' };
      }
      const { amount, fee } = await receiveProofs(
        core,
        session,
        head.mint,
        left,
        { reclaims: id, also: (receive) => beginReclaim(core, id, receive) },
        signal,
      );
      return { state: 'reclaimed', amount, fee };
    }
    default:
      throw new OperationStateError(id, body.state);
  }
}

/** Asks whether a token was claimed. True once all of it is spent. @throws MintError */
export async function isClaimed(core: Core, id: OperationId, signal: AbortSignal): Promise<boolean> {
  const { mint } = core.journal.head(id);
  const held = core.proofs.heldBy(id, 'sent');
  const states = await statesOf(await core.mints.open(mint, signal), held);
  if (sumProofs(held) === 0 || !states.every((state) => state === 'SPENT')) return false;
  markClaimed(core, id);
  return true;
}
