import { askMint } from '../mints/mint-errors.ts';
import type { Core } from '../wallet-core.ts';
import { OperationStateError, UnfinishedOperationError } from '../wallet-errors.ts';
import type { OperationId, Received, Reclaimed } from '../wallet-types.ts';
import { finishReceive, receiveProofs } from './receive.ts';
import { sendSchema } from './send-states.ts';
import { beginReclaim, markClaimed } from './sent-token.ts';
import { statesIfKnown } from './swap.ts';

/** Takes back what is left of a token. Throws what `takeBack` throws. */
export async function reclaim(core: Core, id: OperationId, signal: AbortSignal): Promise<Reclaimed> {
  const back = await takeBack(core, id, signal);
  if (back === undefined) return { state: 'claimed' };
  const { amount, fee } = back.received;
  return { state: 'reclaimed', amount, fee };
}

/** `before`: by somebody else, and not now. */
type TakenBack = { readonly received: Received; readonly before: boolean };

/**
 * The same, as the receive operation that it is (see there for its safety). The send operation waits for it in
 * `reclaiming`, and both change in the same transactions. undefined: the receiver was there first.
 *
 * @throws MintError, UnfinishedOperationError, OperationStateError when there is no token, TokenRefusedError `dust`
 */
export const takeBack = (core: Core, id: OperationId, signal: AbortSignal): Promise<TakenBack | undefined> =>
  core.turns.run(id, signal, () => takeBackInTurn(core, id, signal));

async function takeBackInTurn(
  core: Core,
  id: OperationId,
  signal: AbortSignal,
): Promise<TakenBack | undefined> {
  const { mint } = core.journal.head(id);
  const body = core.journal.body(id, sendSchema);
  switch (body.state) {
    case 'claimed':
      return undefined;
    case 'reclaimed': {
      const { operation, amount, fee } = core.journal.head(body.receive);
      return { received: { operation, mint, amount, fee }, before: true };
    }
    case 'reclaiming': {
      const received = await finishReceive(core, body.receive, signal);
      // Recovery has finished it: the state says how.
      if (received === undefined) return takeBackInTurn(core, id, signal);
      return { received, before: false };
    }
    case 'issued':
    case 'handed_over': {
      const session = await core.mints.open(mint, signal);
      const held = core.proofs.heldBy(id, 'sent');
      await core.mints.ensureKeys(
        session,
        held.map((proof) => proof.id),
      );
      const states = await askMint(mint, signal, () => statesIfKnown(session, held));
      if (states.includes('PENDING')) throw new UnfinishedOperationError(id, undefined);
      const left = held.filter((_, i) => states[i] !== 'SPENT');
      if (left.length === 0) {
        markClaimed(core, id);
        return undefined;
      }
      const origin = { reclaims: id, also: (receive: OperationId) => beginReclaim(core, id, receive) };
      const received = await receiveProofs(core, session, mint, left, origin, signal);
      return received && { received, before: false };
    }
    default:
      throw new OperationStateError(id, body.state);
  }
}
