/*
 * `wallet encrypt` and `wallet decrypt`. Killed between any two steps, the wallet opens with what .env says then, and the
 * same command again brings it to its end: sealed words and a sealed database do not need each other (the database's key
 * follows from the words), and .env is switched at once.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import {
  createWallet,
  fingerprintOf,
  isSealedFile,
  type Keyring,
  removeSealedWords,
  sealedReference,
  sealWords,
  type WordsKey,
  walletFile,
} from '@nostr-dm-agent/cashu-wallet/open';
import { type HolderConfig, takeOver } from '@nostr-dm-agent/cashu-wallet/remote';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { writeFileAtomically } from '@nostr-dm-agent/kit/files';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createPaidRunStore } from '@nostr-dm-agent/routstr/books';
import { withVariable } from './env-line.ts';

/** Steps between which everything is on disk. */
export type AtRestStep = 'words' | 'rewritten' | 'database' | 'env' | 'done';

export type AtRestParts = {
  /** With the words themselves. */
  readonly holder: Pick<HolderConfig, 'home' | 'wallet'>;
  readonly envFile: string;
  readonly keyring: Keyring;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** For tests that end the process there. */
  readonly reached?: (step: AtRestStep) => void;
};

export type Encrypted = {
  readonly wordsFile: string;
  readonly database: string;
  /** False: somebody reads the database; what was in clear is wiped from unused parts of it when it is opened next. */
  readonly wiped: boolean;
  /** Files with the words or the database as they were. */
  readonly copies: readonly string[];
};

/** Seals words and database; also with another passphrase than before. @throws WalletInUseError, SealedWordsError, EnvLineError */
export async function encryptWallet(parts: AtRestParts, key: WordsKey): Promise<Encrypted> {
  const { holder, envFile, keyring, reached } = parts;
  const { directory, mnemonic } = holder.wallet;
  const database = walletFile(holder.wallet);
  // What can't be switched is found out before anything is.
  switchEnv(envFile, mnemonic, sealedReference(fingerprintOf(mnemonic)), false);
  return withWallet(parts, async (wallet) => {
    const { file: wordsFile, forgetOld } = await sealWords(directory, mnemonic, key, keyring);
    reached?.('words');
    wallet.atRest.turn(true, reached);
    reached?.('database');
    switchEnv(envFile, mnemonic, sealedReference(fingerprintOf(mnemonic)), true);
    reached?.('env');
    await forgetOld();
    reached?.('done');
    return { wordsFile, database, wiped: wallet.atRest.isWiped(), copies: copiesOf(parts) };
  });
}

/** Puts words and database back as they were before. @throws WalletInUseError, EnvLineError */
export async function decryptWallet(parts: AtRestParts): Promise<{ readonly database: string }> {
  const { holder, envFile, keyring, reached } = parts;
  const { directory, mnemonic } = holder.wallet;
  return withWallet(parts, async (wallet) => {
    switchEnv(envFile, mnemonic, mnemonic, true);
    reached?.('env');
    wallet.atRest.turn(false, reached);
    reached?.('database');
    await removeSealedWords(directory, fingerprintOf(mnemonic), keyring);
    reached?.('done');
    return { database: walletFile(holder.wallet) };
  });
}

/** Nobody else has it meanwhile; paid runs are in it, too. */
async function withWallet<T>(
  { holder, log, signal }: AtRestParts,
  work: (wallet: CashuWallet) => Promise<T>,
): Promise<T> {
  // As it is: what is to become of it the work says.
  const config = { ...holder.wallet, sealed: undefined };
  const wallet = await takeOver(holder, () => createWallet(config, { log }), signal);
  try {
    createPaidRunStore(wallet, systemClock);
    return await work(wallet);
  } finally {
    wallet.close();
  }
}

function switchEnv(path: string, words: string, to: string, write: boolean): void {
  const before = readFileSync(path, 'utf8');
  const after = withVariable(before, 'CASHU_MNEMONIC', [words, sealedReference(fingerprintOf(words))], to);
  if (write && after !== before) writeFileAtomically(path, after);
}

/** What holds the words or the money in clear, beside .env and the database: made by `setup`, before migrations, by `restore`. */
function copiesOf({ holder: { home, wallet }, envFile }: AtRestParts): readonly string[] {
  const database = basename(walletFile(wallet));
  const beside = filesIn(wallet.directory).filter(
    (path) => basename(path).startsWith(`${database}.`) && !/-(wal|shm|journal)$/.test(path),
  );
  const words = new RegExp(wallet.mnemonic.split(' ').join('\\s+'), 'i');
  const texts = [...new Set([home, dirname(envFile), wallet.directory])]
    .flatMap(filesIn)
    .filter((path) => /env/.test(basename(path)) && holds(path, words));
  return [...beside.filter((path) => !isSealed(path)), ...texts];
}

const isSealed = (path: string): boolean => isSealedFile(path) === true;

const filesIn = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => join(directory, name));
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
};

function holds(path: string, words: RegExp): boolean {
  try {
    return words.test(readFileSync(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

/** Takes copies away. */
export function deleteCopies(paths: readonly string[]): void {
  for (const path of paths) rmSync(path, { force: true });
}
