import type { Balance, CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { addSat, type Sat, subtractSat } from '@nostr-dm-agent/kit/sat';

/**
 * The same wallet, in whose balance a token that was made ahead for the next run is ready money: nobody has seen it, and
 * it is back whenever the wallet is asked for it.
 */
export const countAhead = (wallet: CashuWallet, ahead: () => Sat): CashuWallet => ({
  ...wallet,
  balance: () => withAhead(wallet.balance(), ahead()),
});

function withAhead(balance: Balance, ahead: Sat): Balance {
  if (ahead === 0 || balance.sent < ahead) return balance;
  const moved = <T extends Pick<Balance, 'ready' | 'sent'>>(part: T): T => ({
    ...part,
    ready: addSat(part.ready, ahead),
    sent: subtractSat(part.sent, ahead),
  });
  const holder = balance.mints.findIndex(({ sent }) => sent >= ahead);
  return {
    ...moved(balance),
    mints: balance.mints.map((part, index) => (index === holder ? moved(part) : part)),
  };
}
