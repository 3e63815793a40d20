import type { Balance, CashuWallet, MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { addSat, type Sat, subtractSat } from '@nostr-dm-agent/kit/sat';

/**
 * The same wallet, in whose balance tokens that were made ahead for the next runs are ready money: nobody has seen them, and
 * they are back whenever the wallet is asked for them.
 *
 * @param ahead what they are worth, at each mint
 */
export const countAhead = (wallet: CashuWallet, ahead: () => ReadonlyMap<MintUrl, Sat>): CashuWallet => ({
  ...wallet,
  balance: () => withAhead(wallet.balance(), ahead()),
});

/** @param ahead what such tokens are worth, at each mint; more than was sent from it is not believed */
export function withAhead(balance: Balance, ahead: ReadonlyMap<MintUrl, Sat>): Balance {
  const moved = <T extends Pick<Balance, 'ready' | 'sent'>>(part: T, amount: Sat): T => ({
    ...part,
    ready: addSat(part.ready, amount),
    sent: subtractSat(part.sent, amount),
  });
  const shares = balance.mints.map((part) => {
    const amount = ahead.get(part.mint);
    return amount === undefined || part.sent < amount ? undefined : { part, amount };
  });
  const found = shares.filter((share) => share !== undefined);
  return {
    ...moved(balance, addSat(...found.map(({ amount }) => amount))),
    mints: balance.mints.map((part, index) => {
      const amount = shares[index]?.amount;
      return amount === undefined ? part : moved(part, amount);
    }),
  };
}
