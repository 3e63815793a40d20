import type { Logger } from '@nostr-dm-agent/kit/log';
import type { CheckReport } from '../check-types.ts';
import { readMnemonic } from '../crypto/seed.ts';
import type { CashuWallet } from '../faces.ts';
import { readMintUrl } from '../mints/mint-list.ts';
import { createWallet, walletFile } from '../open-wallet.ts';
import { type PutBack, putBack } from '../store/put-back.ts';
import type { Balance, FoundMoney } from '../wallet-types.ts';
import { RemoteError, remoteFactsOf } from './remote-error.ts';
import { type HolderConfig, takeOver } from './wallet-holder.ts';

/** What became of a copy of the database that was put in its place. */
export type RestoredFrom = PutBack & {
  readonly from: string;
  /** Where it is now. */
  readonly file: string;
  /** What was done since the copy was made, as far as the mints tell it. */
  readonly found: readonly FoundMoney[];
  readonly check: CheckReport;
  readonly balance: Balance;
};

/**
 * Puts a copy of the wallet's database in its place, then asks the mints what was done since it was made: numbers that are
 * used, proofs that are spent, what is open. `restore --from` of the command line; nobody else has the wallet meanwhile.
 *
 * @param extensions versions of other packages' tables that this program knows, by their names
 * @throws RemoteError: nothing was changed, or the copy is there and can be looked at again
 */
export async function restoreFrom(
  holder: Pick<HolderConfig, 'home' | 'wallet'>,
  from: string,
  extensions: Readonly<Record<string, number>>,
  parts: {
    readonly log: Logger;
    readonly onCheckpoint?: (checkpoint: string) => void;
    /** Opens others' tables in it: what is secret in them is brought to the form of the rest. */
    readonly opened?: (wallet: CashuWallet) => void;
  },
  signal: AbortSignal,
): Promise<RestoredFrom> {
  const { wallet: config } = holder;
  try {
    const file = walletFile(config);
    const put = await takeOver(
      holder,
      () =>
        putBack(
          { from, to: file, mint: readMintUrl(config.mintUrl) },
          readMnemonic(config.mnemonic),
          extensions,
          parts.onCheckpoint,
        ),
      signal,
    );
    const wallet = createWallet(config, parts);
    try {
      parts.opened?.(wallet);
      return { from, file, ...put, ...(await lookOver(wallet, signal)) };
    } finally {
      wallet.close();
    }
  } catch (error) {
    throw new RemoteError(remoteFactsOf(error), error);
  }
}

async function lookOver(wallet: CashuWallet, signal: AbortSignal) {
  wallet.requests.lookForOlder();
  await wallet.recover(signal);
  const check = await wallet.check(signal);
  const found = wallet.found();
  wallet.foundTold(found.map(({ operation }) => operation));
  return { found, check, balance: wallet.balance() };
}
