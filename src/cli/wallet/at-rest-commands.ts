import { confirm, isCancel } from '@clack/prompts';
import { WalletInUseError } from '@nostr-dm-agent/cashu-wallet';
import { SealedWordsError, type WordsKey } from '@nostr-dm-agent/cashu-wallet/open';
import { PassphraseError, takePassphrase } from '../passphrase.ts';
import { CommandFailure } from './command-failure.ts';
import { decryptWallet, deleteCopies, type Encrypted, encryptWallet } from './encrypt.ts';
import { EnvLineError } from './env-line.ts';
import type { WalletOutput } from './terminal-output.ts';

export type EncryptOptions = { readonly keyring: boolean; readonly deleteCopies: boolean };

/** `wallet encrypt`. */
export async function encrypt(output: WalletOutput, options: EncryptOptions): Promise<undefined> {
  const parts = await output.atRest();
  const key: WordsKey = options.keyring
    ? { kind: 'keyring' }
    : { kind: 'passphrase', passphrase: await newPassphrase(output) };
  const encrypted = await encryptWallet(parts, key).catch((error: unknown) => fail(error, parts.envFile));
  const deleted = encrypted.copies.length > 0 && (await mayDelete(output, encrypted, options));
  if (deleted) deleteCopies(encrypted.copies);
  output.answer({ ...encrypted, opensWith: key.kind, deleted }, encryptedText(encrypted, key, deleted));
}

/** `wallet decrypt`. */
export async function decrypt(output: WalletOutput): Promise<undefined> {
  const parts = await output.atRest();
  const answer = await decryptWallet(parts).catch((error: unknown) => fail(error, parts.envFile));
  output.answer(
    answer,
    `The words are in ${parts.envFile} again, and ${answer.database} is in clear. Whoever reads either has the money.`,
  );
}

async function mayDelete(
  output: WalletOutput,
  { copies }: Encrypted,
  { deleteCopies: asked }: EncryptOptions,
): Promise<boolean> {
  if (asked || !output.interactive || output.json) return asked;
  output.remark(
    `These hold the words or the money in clear:\n${copies.map((path) => `  ${path}`).join('\n')}`,
  );
  const answer = await confirm({ message: 'Delete them?', initialValue: false });
  return !isCancel(answer) && answer;
}

function encryptedText(
  { wordsFile, database, wiped, copies }: Encrypted,
  key: WordsKey,
  deleted: boolean,
): string {
  const opener =
    key.kind === 'keyring'
      ? 'the system’s keyring opens them'
      : 'the passphrase opens them, nothing else does';
  return [
    `The words are sealed in ${wordsFile}: ${opener}. .env names them alone.`,
    `What can be spent is sealed in ${database}. Amounts, times, mints and nodes stay readable.`,
    wiped
      ? undefined
      : 'Somebody reads the database: what was there in clear is wiped from its unused parts when it is opened next.',
    'Keep the words on paper all the same: they open everything, also without this file.',
    key.kind === 'passphrase'
      ? 'A bot that starts without a terminal needs CASHU_PASSPHRASE_FILE (docs/running.md).'
      : undefined,
    copies.length === 0
      ? undefined
      : deleted
        ? `Deleted, with the words or the money in clear: ${copies.join(', ')}.`
        : `These hold the words or the money in clear: ${copies.join(', ')}. wallet encrypt --delete-copies deletes them.`,
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

async function newPassphrase({ signal }: WalletOutput): Promise<string> {
  const question =
    'A passphrase for the words of the wallet (kept nowhere; the words on paper are the way round it)';
  try {
    return await takePassphrase({ isNew: true, question }, signal);
  } catch (error) {
    if (!(error instanceof PassphraseError)) throw error;
    throw new CommandFailure('WalletUsageError', error.message, error);
  }
}

function fail(error: unknown, envFile: string): never {
  if (error instanceof WalletInUseError) {
    const { holder } = error;
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
    const message = `The wallet is in use by ${who}: the bot. Stop it first. Nothing was changed.`;
    throw new CommandFailure(error.name, message, error);
  }
  if (error instanceof SealedWordsError) {
    const message =
      'There is no keyring that answers here (secret-service with libsecret, or the keychain; it has to be unlocked). Nothing was changed. Without --keyring a passphrase does it.';
    throw new CommandFailure(error.name, message, error);
  }
  if (error instanceof EnvLineError || isMissing(error)) {
    const reason = error instanceof EnvLineError ? error.problem : 'not_there';
    throw new CommandFailure(
      'EnvLineError',
      `${envLineProblems[reason](envFile)} Nothing was changed.`,
      error,
    );
  }
  throw error;
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

const envLineProblems: Record<EnvLineError['problem'], (file: string) => string> = {
  not_there: (file) =>
    `CASHU_MNEMONIC is not in ${file}, so it can’t be changed there: it comes from the process environment.`,
  other: (file) => `${file} has other words than the process environment, which wins. Make them one first.`,
  form: (file) =>
    `CASHU_MNEMONIC in ${file} is written in a way that can’t be changed safely: put it on one line.`,
};
