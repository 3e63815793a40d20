import { readFileSync } from 'node:fs';
import type { SealedWordsProblem } from '@nostr-dm-agent/cashu-wallet/open';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { VariableName } from './variables.ts';

/** Where sealed words are, and who can say what opens them. */
export type SealedWords = {
  /** `CASHU_MNEMONIC`: `sealed:<wallet>`. */
  readonly reference: string;
  /** `CASHU_WALLET_DIR`. */
  readonly directory: string;
  /** `CASHU_PASSPHRASE_FILE`. */
  readonly passphraseFile: string | undefined;
  /** Asks somebody at the terminal; undefined: gave none. */
  readonly ask: (() => Promise<string | undefined>) | undefined;
};

export type Unsealed =
  | { readonly words: string }
  | { readonly variable: VariableName; readonly problem: string };

/** Whether the words are sealed and `unsealWords` will be needed. */
export const areSealed = (mnemonic: string): boolean => /^sealed:[0-9a-f]{16}$/i.test(mnemonic);

/** The words, by the system's keyring, a file with the passphrase, or somebody at the terminal: as they were sealed. */
export async function unsealWords({
  reference,
  directory,
  passphraseFile,
  ask,
}: SealedWords): Promise<Unsealed> {
  const { openWords, referredWallet, SealedWordsError, systemKeyring } = await import(
    '@nostr-dm-agent/cashu-wallet/open'
  );
  let passphrase: () => Promise<string | undefined> = async () => ask?.();
  if (passphraseFile !== undefined) {
    const read = readPassphrase(passphraseFile);
    if ('problem' in read) return { variable: 'CASHU_PASSPHRASE_FILE', problem: read.problem };
    passphrase = async () => read.passphrase;
  }
  try {
    return {
      words: await openWords(directory, referredWallet(reference) ?? '', {
        passphrase,
        keyring: systemKeyring,
      }),
    };
  } catch (error) {
    if (!(error instanceof SealedWordsError)) throw error;
    const variable = error.problem === 'wrong_passphrase' && passphraseFile !== undefined;
    return {
      variable: variable ? 'CASHU_PASSPHRASE_FILE' : 'CASHU_MNEMONIC',
      problem: problems[error.problem](error.file),
    };
  }
}

const problems: Record<SealedWordsProblem, (file: string) => string> = {
  missing: (file) =>
    `names sealed words, but there is no ${file}; with the words themselves in its place all is as it was`,
  damaged: (file) =>
    `names sealed words, but ${file} is damaged; with the words themselves in its place all is as it was`,
  no_passphrase: () =>
    'is sealed with a passphrase: start it on a terminal, which asks, or name a file that holds it in CASHU_PASSPHRASE_FILE',
  wrong_passphrase: () => 'is not opened by that passphrase; nothing was changed',
  no_keyring: () =>
    'is sealed with the system’s keyring, which does not answer here (secret-service with libsecret, or the keychain; it has to be unlocked)',
  not_in_keyring: () =>
    'is sealed with the system’s keyring, which does not have its key; with the words themselves in its place all is as it was',
};

const longest = 4096;

/** The passphrase in a file, without the line break at its end. */
export function readPassphrase(path: string): { readonly passphrase: string } | { readonly problem: string } {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > longest) return { problem: `names ${path}, which is too large for a passphrase` };
    const passphrase = bytes.toString('utf8').replace(/\r?\n$/, '');
    return passphrase === '' ? { problem: `names ${path}, which is empty` } : { passphrase };
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return { problem: `names ${path}, which can't be read (${code})` };
  }
}
