import type { Books } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { addSat, remainingSat, type Sat, subtractSat } from '@nostr-dm-agent/kit/sat';
import type { Role } from '../config/config.ts';
import type { Owners } from '../store/owners-table.ts';
import type { WalletAccess } from './wallet-access.ts';

/** What one owner brought into the wallet, and what is left of it, where shares are kept apart. */
export type Share = {
  readonly role: Role;
  /** What they may spend now. An admin's is all that is no other owner's: what nobody brought in is the admins' in common. */
  readonly available: Sat;
  readonly brought: Sat;
  /** With fees. */
  readonly spent: Sat;
  /** Budgets of their runs that are not settled. */
  readonly atStake: Sat;
};

export type Shares = {
  /** undefined: shares are not kept apart, or this is no owner. */
  readonly of: (owner: string) => Share | undefined;
};

/**
 * The shares of `BOT_ACCOUNTS=separate`. Nothing is stored: what somebody brought in is the sum of the wallet's
 * operations that were begun for them, and what they spent is in the ledger, so the money and the shares never differ.
 * An owner who is removed leaves what they had to the admins.
 *
 * @param usedSince spent and at stake since a moment (ms)
 */
export function createShares(
  wallet: Pick<WalletAccess, 'opened'>,
  usedSince: (since: number, owner: string) => Sat,
  owners: Pick<Owners, 'list'>,
): Shares {
  const own = ({ shares }: Pick<Books, 'shares'>, owner: string, since: number): Sat =>
    remainingSat(shares.brought(owner, since), usedSince(since, owner));

  return {
    of: (owner) => {
      const opened = wallet.opened();
      const since = opened?.shares.since();
      const role = owners.list().find(({ publicKey }) => publicKey === owner)?.role;
      if (role === undefined || opened === undefined || since === undefined) return undefined;
      const spent = opened.ledger.spentSince(since, owner);
      const ofOthers = () =>
        owners
          .list()
          .filter(({ publicKey }) => publicKey !== owner)
          .map(({ publicKey }) => own(opened, publicKey, since));
      return {
        role,
        available:
          role === 'member'
            ? own(opened, owner, since)
            : remainingSat(opened.balance().ready, addSat(...ofOthers())),
        brought: opened.shares.brought(owner, since),
        spent,
        atStake: subtractSat(usedSince(since, owner), spent),
      };
    },
  };
}

/** Begins to keep shares apart, or ends it, as `BOT_ACCOUNTS` says. What was in the wallet before is the admins'. */
export function applyShareMode(
  wallet: Pick<Books, 'shares'>,
  mode: 'shared' | 'separate',
  clock: Clock,
): void {
  const { since, setSince } = wallet.shares;
  if (mode === 'separate' && since() === undefined) setSince(clock.now());
  if (mode === 'shared' && since() !== undefined) setSince(undefined);
}
