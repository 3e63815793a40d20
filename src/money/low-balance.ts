import type { Overview } from '@nostr-dm-agent/cashu-wallet';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { Meta } from '../store/meta-table.ts';

const defaultThreshold = sat(1000);

/** The wallet has less than the threshold. */
export type LowBalance = {
  readonly ready: Sat;
  readonly threshold: Sat;
  /** A top-up that would do for a while. */
  readonly suggested: Sat;
};

/** Of `!wallet alert`. */
export const alertThreshold = (meta: Pick<Meta, 'get'>): Sat => {
  const stored = meta.get('wallet_alert');
  return stored === undefined ? defaultThreshold : sat(Number(stored));
};

/** Notices when the wallet runs low: once each time; a wallet that never had as much has not fallen. */
export function createLowBalanceWatch(meta: Meta, atomically: (change: () => void) => void) {
  const threshold = (): Sat => alertThreshold(meta);
  return {
    threshold,
    setThreshold: (amount: Sat): void => meta.set('wallet_alert', String(amount)),
    /** @param tell is called in the transaction that remembers that it was */
    look: (wallet: Overview, tell: (low: LowBalance) => void): void => {
      const { ready, reserved, incoming } = wallet.balance();
      const limit = threshold();
      const enough = ready + reserved + incoming >= limit;
      if (enough === (meta.get('wallet_enough') === '1')) return;
      atomically(() => {
        meta.set('wallet_enough', enough ? '1' : '0');
        if (enough || limit === 0) return;
        const suggested = Math.max(1, Math.min(limit * 5, wallet.info().maxBalance) - ready);
        tell({ ready, threshold: limit, suggested: sat(suggested) });
      });
    },
  };
}
