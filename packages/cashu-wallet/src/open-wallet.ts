import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isOnion } from '@nostr-dm-agent/kit/net';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { referredWallet } from './at-rest/sealed-words.ts';
import { openCashuWallet } from './cashu-wallet.ts';
import { readMnemonic } from './crypto/seed.ts';
import type { CashuWallet } from './faces.ts';
import { readMintUrl } from './mints/mint-list.ts';

/** The wallet's part of the environment (docs/design.md#environment), as text. */
export type WalletConfig = {
  /** `CASHU_MNEMONIC`. Never logged. A sealed one (`sealed:…`) names a wallet and opens none. */
  readonly mnemonic: string;
  /** The words are kept sealed (`CASHU_MNEMONIC=sealed:…`): the database is to be, too. */
  readonly sealed?: boolean | undefined;
  /** `CASHU_MINT_URL`. */
  readonly mintUrl: string;
  /** `CASHU_MINTS`. */
  readonly mints: readonly string[];
  /** `CASHU_WALLET_DIR`, absolute. */
  readonly directory: string;
  /** `CASHU_MAX_BALANCE_SAT`. */
  readonly maxBalance: Sat;
};

/**
 * Opens the wallet that the configuration names. Reaches no mint.
 *
 * @throws BadMnemonicError, MintError `not-accepted` for an address that is none, WalletInUseError, DatabaseTooNewError
 */
export function createWallet(
  config: WalletConfig,
  parts: {
    readonly log: Logger;
    readonly clock?: Clock;
    readonly onCheckpoint?: (checkpoint: string) => void;
  },
): CashuWallet {
  const defaultMint = readMintUrl(config.mintUrl);
  return openCashuWallet({
    seed: readMnemonic(config.mnemonic),
    directory: config.directory,
    defaultMint,
    mints: config.mints.map(readMintUrl),
    maxBalance: config.maxBalance,
    ...(config.sealed === undefined ? {} : { sealed: config.sealed }),
    // A mint on loopback is a sandbox: its Lightning is a test network.
    network: defaultMint.startsWith('https:') || isOnion(new URL(defaultMint).hostname) ? 'bc' : undefined,
    ...parts,
  });
}

/** Names the wallet of these words, sealed or not, without giving anything away. @throws BadMnemonicError */
export const fingerprintOf = (mnemonic: string): string =>
  referredWallet(mnemonic) ?? readMnemonic(mnemonic).fingerprint;

/**
 * Where a mint of the configuration is today, as far as this wallet knows that it has moved; read beside whoever has it
 * open. What can't be read, words included, is told by whoever opens it.
 */
export function mintsToday(config: WalletConfig): (url: string) => string {
  const moved = movedMints(config);
  return (url) => {
    try {
      return moved.get(readMintUrl(url)) ?? url;
    } catch {
      return url;
    }
  };
}

function movedMints(config: WalletConfig): ReadonlyMap<string, string> {
  try {
    const file = walletFile(config);
    if (!existsSync(file)) return new Map();
    const db = new Database(file, { readonly: true });
    try {
      db.exec('PRAGMA busy_timeout=5000');
      const rows = db
        .query<{ before: string; mint: string }, []>('SELECT before, mint FROM mint_names')
        .all();
      return new Map(rows.map(({ before, mint }) => [before, mint]));
    } finally {
      db.close();
    }
  } catch {
    return new Map();
  }
}

/** The database of this wallet, whether it is there yet or not. @throws BadMnemonicError */
export const walletFile = ({ directory, mnemonic }: WalletConfig): string =>
  join(directory, `${fingerprintOf(mnemonic)}.db`);
