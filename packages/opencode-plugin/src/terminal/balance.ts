import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { KeyFacts, WalletSession } from '@nostr-dm-agent/routstr/remote';

/** What there is to spend: in the wallet, and on the keys at nodes. */
export type Money = {
  readonly wallet: Sat;
  readonly atNodes: Sat;
  readonly keys: readonly { readonly key: KeyFacts; readonly amount: Sat }[];
};

/** Asks the wallet and the nodes. undefined: one of them does not say, and half of the truth would be worse than none. */
export async function lookAtMoney(session: WalletSession, signal: AbortSignal): Promise<Money | undefined> {
  const [balance, open] = await Promise.all([session.balance(signal), session.keys('open', signal)]);
  const kept = open.filter(({ state }) => state === 'kept');
  const seen = await Promise.all(kept.map(({ id }) => session.keyInfo(id, signal)));
  const keys: { key: KeyFacts; amount: Sat }[] = [];
  for (const look of seen) {
    if (look?.seen.state === 'away') return undefined;
    // What the node does not know can't be spent.
    if (look?.seen.state !== 'known') continue;
    keys.push({ key: look.key, amount: addSat(look.seen.available, look.seen.reserved) });
  }
  return { wallet: balance.ready, atNodes: addSat(...keys.map(({ amount }) => amount)), keys };
}

export const total = ({ wallet, atNodes }: Money): Sat => addSat(wallet, atNodes);
