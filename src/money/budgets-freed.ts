import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';

/** The same wallet; what was set aside for tasks to come is back in it before it gives money away. */
export const withBudgetsFreed = (
  wallet: CashuWallet,
  free: (signal: AbortSignal) => Promise<void>,
): CashuWallet => ({
  ...wallet,
  quoteSend: async (request, signal) => {
    await free(signal);
    return wallet.quoteSend(request, signal);
  },
  send: async (request, signal) => {
    await free(signal);
    return wallet.send(request, signal);
  },
  quotePayment: async (request, signal) => {
    await free(signal);
    return wallet.quotePayment(request, signal);
  },
});
