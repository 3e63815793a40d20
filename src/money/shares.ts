import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { addSat, remainingSat, type Sat, subtractSat } from '@nostr-dm-agent/kit/sat';
import type { Role } from '../config/config.ts';
import { NoWalletError } from '../replies/wallet-error-replies.ts';
import type { Owners } from '../store/owners-table.ts';

/** What one owner brought into the wallet, and what he has of it, where accounts are kept apart. */
export type Account = {
  readonly role: Role;
  /** What he may spend now. An admin's is all that is no other owner's: what nobody brought in is the admins' in common. */
  readonly available: Sat;
  readonly brought: Sat;
  /** With fees. */
  readonly spent: Sat;
  /** Budgets of his runs that are not settled. */
  readonly atStake: Sat;
};

export type Shares = {
  /** undefined: accounts are not kept apart, or he is no owner. */
  readonly of: (owner: string) => Account | undefined;
};

/**
 * The accounts of `BOT_ACCOUNTS=separate`. Nothing is stored: what somebody brought in is the sum of the wallet's
 * operations that were begun for him, and what he spent is in the ledger, so the money and its account never differ.
 * An owner who is removed leaves what he had to the admins.
 */
export function createShares(deps: {
  readonly wallet: () => CashuWallet;
  /** Spent and at stake since a moment (ms). */
  readonly usedSince: (since: number, owner: string) => Sat;
  readonly owners: Pick<Owners, 'list'>;
}): Shares {
  const own = (wallet: CashuWallet, owner: string, since: number): Sat =>
    remainingSat(wallet.shares.brought(owner, since), deps.usedSince(since, owner));

  return {
    of: (owner) => {
      const wallet = opened(deps.wallet);
      const since = wallet?.shares.since();
      const owners = deps.owners.list();
      const role = owners.find(({ publicKey }) => publicKey === owner)?.role;
      if (role === undefined || wallet === undefined || since === undefined) return undefined;
      const spent = wallet.ledger.spentSince(since, owner);
      const others = owners.filter(({ publicKey }) => publicKey !== owner);
      const available =
        role === 'member'
          ? own(wallet, owner, since)
          : remainingSat(
              wallet.balance().ready,
              addSat(...others.map(({ publicKey }) => own(wallet, publicKey, since))),
            );
      return {
        role,
        available,
        brought: wallet.shares.brought(owner, since),
        spent,
        atStake: subtractSat(deps.usedSince(since, owner), spent),
      };
    },
  };
}

function opened(wallet: () => CashuWallet): CashuWallet | undefined {
  try {
    return wallet();
  } catch (error) {
    if (error instanceof NoWalletError) return undefined;
    throw error;
  }
}

/** Begins to keep accounts apart, or ends it, as `BOT_ACCOUNTS` says. What was in the wallet before is the admins'. */
export function applyShareMode(wallet: CashuWallet, mode: 'shared' | 'separate', clock: Clock): void {
  const { since, setSince } = wallet.shares;
  if (mode === 'separate' && since() === undefined) setSince(clock.now());
  if (mode === 'shared' && since() !== undefined) setSince(undefined);
}
