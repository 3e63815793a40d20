import type { OperationId } from '@nostr-dm-agent/cashu-wallet';
import { UnfinishedOperationError } from '@nostr-dm-agent/cashu-wallet';
import { describeWalletError } from '../../replies/wallet-error-replies.ts';
import { replyTo } from '../../runs/messenger.ts';
import type { Call, FullReply, Outcome } from '../command.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** A reply after which its reader is told how operations end. */
export const replyAndAnnounceEnd = (
  { money }: Pick<WalletCommandDeps, 'money'>,
  call: Call,
  reply: string,
  ...operations: readonly OperationId[]
): FullReply => ({
  reply,
  commit: () => {
    for (const operation of operations) money.wallet.announceEnd(operation, replyTo(call.message));
  },
});

/** What was begun and cannot be finished now is said, and its end is told when it is known. */
export async function orAnnounceEnd(
  deps: Pick<WalletCommandDeps, 'money' | 'clock'>,
  call: Call,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnfinishedOperationError)) throw error;
    return replyAndAnnounceEnd(deps, call, describeWalletError(error, deps.clock.now()), error.operation);
  }
}
