import type { EndingMoney, Upkeep } from '@nostr-dm-agent/cashu-wallet';
import type { Meta } from '../store/meta-table.ts';

const key = 'wallet_ending_told';
const nameOf = ({ held, keyset, ended }: EndingMoney): string =>
  [held, keyset, ended ? 'ended' : ''].join(' ');

/** Notices money in keysets that end and cannot be left: once before it ends, and once when it has. */
export function createEndingWatch(meta: Meta, atomically: (change: () => void) => void) {
  return {
    /** @param tell is called in the transaction that remembers that it was */
    look: (wallet: Pick<Upkeep, 'ending'>, tell: (money: EndingMoney) => void): void => {
      const ending = wallet.ending();
      const before = meta.get(key) ?? '';
      const now = ending.map(nameOf).join(',');
      if (now === before) return;
      const told = new Set(before.split(','));
      atomically(() => {
        meta.set(key, now);
        for (const money of ending) if (!told.has(nameOf(money))) tell(money);
      });
    },
  };
}
