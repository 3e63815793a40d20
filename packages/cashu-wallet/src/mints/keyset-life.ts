import type { KeyChainCache } from '@cashu/cashu-ts';

/** Money leaves a keyset so long before it ends (NUT-02), where its mint has one that lasts longer. */
export const leaveEarlyMs = 14 * 86_400_000;

type Listed = KeyChainCache['keysets'][number];
const endOf = ({ final_expiry: end }: Listed): number => (end ? end * 1000 : Number.POSITIVE_INFINITY);

/**
 * A mint's keysets as they are at a moment (ms). One that has ended signs no more, whatever the mint calls it; one that is
 * about to end is passed over where there is one that lasts, else all but the one that lasts longest.
 */
export function keysetsAt(keys: KeyChainCache, now: number): KeyChainCache {
  const live = keys.keysets.filter((keyset) => keyset.active && endOf(keyset) > now);
  const latest = Math.max(...live.map(endOf));
  const enough = Math.min(latest, now + leaveEarlyMs);
  return {
    ...keys,
    keysets: keys.keysets.map((keyset) => ({
      ...keyset,
      active: live.includes(keyset) && endOf(keyset) >= enough,
    })),
  };
}

/** Whether anything new can be signed there. */
export const hasActive = ({ keysets }: KeyChainCache): boolean => keysets.some(({ active }) => active);
