import type { CashuWallet, OperationId } from '@nostr-dm-agent/cashu-wallet';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { Recipient } from '@nostr-dm-agent/nostr';

/** There are no words, so there is no wallet. */
export class NoWalletError extends Error {
  override readonly name = 'NoWalletError';
  constructor() {
    super('there is no wallet');
  }
}

/** The bot's wallet as commands use it; `wallet-keeper.ts` keeps it going. */
export type WalletAccess = {
  /** undefined: there is none, or it is not open yet. */
  readonly opened: () => CashuWallet | undefined;
  /** For what is read from disk. @throws NoWalletError */
  readonly wallet: () => CashuWallet;
  /**
   * For what moves money: once what an earlier life left open has been looked at, as far as mints answer within a few
   * seconds. @throws NoWalletError
   */
  readonly settled: (signal: AbortSignal) => Promise<CashuWallet>;
  /**
   * Lets somebody know how an operation ends, or, of a token that they are given (`claim`), that it is claimed. To be part
   * of the transaction that stores the promise to do so.
   */
  readonly announceEnd: (operation: OperationId, to: Recipient, claim?: 'claim') => void;
  /** Learns the keysets of new mints, behind. */
  readonly warmUp: () => void;
  /** Admins are told when less than this is left; zero: never. */
  readonly threshold: () => Sat;
  readonly setThreshold: (amount: Sat) => void;
};
