import type { OperationId } from '@nostr-dm-agent/cashu-wallet';
import { keyOf } from '../node/api-key.ts';
import type { InfoOutcome, KeyBalance } from '../node/outcomes.ts';
import type { PaidRun } from './paid-run.ts';
import type { PaidRunDeps, PayingWallet } from './paid-run-deps.ts';

/** What the node says of the key that a row's token is there. @param about the row that is asked for, if it is another */
export async function askForKey(
  { nodes, store }: PaidRunDeps,
  { id, node, body }: Pick<PaidRun, 'id' | 'node'> & { readonly body: { readonly token: string } },
  signal: AbortSignal,
  about = id,
): Promise<InfoOutcome> {
  const info = await nodes.at(node).info(keyOf(body.token), signal);
  store.record(about, 'info', info.state, info.evidence);
  return info;
}

/** In the wallet's books a token is gone when its node has it. Inside a transaction. */
export function confirmClaimed(
  wallet: Pick<PayingWallet, 'confirmClaimed'>,
  { operation }: { readonly operation?: OperationId | undefined },
): void {
  if (operation !== undefined) wallet.confirmClaimed(operation);
}

/** All that a key ever got, in msat. */
export const worthOf = ({ availableMsat, reservedMsat, totalSpentMsat = 0 }: KeyBalance): number =>
  Math.max(0, availableMsat + reservedMsat + totalSpentMsat);
