import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import manifest from '../../package.json' with { type: 'json' };
import type { LeftOut } from '../backup/agent-files.ts';
import { findInstallation, type Installation } from '../backup/installation.ts';
import { SealedFileError } from '../backup/sealed-file.ts';
import { type Backup, BackupError, writeBackup } from '../backup/write-backup.ts';
import { ConfigError } from '../config/config-error.ts';
import { describeConfigError } from '../config/describe-config-error.ts';
import { plural, shorten } from '../replies/format.ts';
import { PassphraseError, takePassphrase } from './passphrase.ts';
import { operatorHint } from './start-failure.ts';

export type BackupOptions = {
  readonly to?: string;
  readonly envFile?: string;
  readonly passphraseFile?: string;
};

/** `backup`: everything but the workspaces in one file. @returns the exit code: 0, 1 failed, 2 wrong usage or configuration */
export async function backup(options: BackupOptions): Promise<number> {
  const now = Date.now();
  const directory = process.cwd();
  const target = targetOf(resolve(directory, options.to ?? ''), now);
  const interrupted = new AbortController();
  const onInterrupt = (): void => interrupted.abort();
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  let home = directory;
  try {
    const installation = findInstallation(process.env, directory, options.envFile);
    home = installation.home;
    const question = 'A passphrase for this backup (kept nowhere: without it the file is worthless)';
    const passphrase = await takePassphrase(
      { file: options.passphraseFile, isNew: true, question },
      interrupted.signal,
    );
    const program = manifest.version;
    const made = await writeBackup(installation, target, passphrase, {
      program,
      now,
      signal: interrupted.signal,
    });
    process.stdout.write(`${backupText(made, installation)}\n`);
    return 0;
  } catch (error) {
    const { code, text } = failure(error, home, interrupted.signal);
    process.stderr.write(`${text}\n`);
    return code;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

/** A folder gets a file of its own name. */
const targetOf = (path: string, now: number): string =>
  isFolder(path) ? join(path, `nostr-dm-agent-${stampOf(now)}.backup`) : path;

/** Where it can't be told, the writing says why. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

/** 2026-11-28-1905 */
const stampOf = (now: number): string =>
  new Date(now).toISOString().slice(0, 16).replace('T', '-').replace(':', '');

function backupText(
  { file, bytes, files, leftOut, wallets, absent, wordsOpenWith }: Backup,
  { home, settings, sealed, missing }: Installation,
): string {
  const what = [
    ...(absent.includes(home) ? [] : ['home']),
    ...(settings === undefined ? [] : ['settings']),
    ...(wallets.length === 0 ? [] : ['wallet with its money']),
  ].join(', ');
  return [
    `${file}: ${plural(files, 'file')} (${what}), ${megabytes(bytes)}, sealed with the passphrase and read once.`,
    'Not in it: the workspaces (push or copy them), and its passphrase. Keep the file and the passphrase off this machine, and apart.',
    sealed && wordsOpenWith === 'keyring'
      ? 'The wallet’s words are sealed by the keyring of this user: on another machine they open by the words on paper alone.'
      : undefined,
    sealed && wordsOpenWith === 'passphrase'
      ? 'The wallet in it stays sealed with its own passphrase (or the words on paper), which is not in the file either.'
      : undefined,
    ...missing.map(
      (name) =>
        `${name} is not in the settings here, so it is not in the backup. If the bot has it from its service manager (LoadCredential), keep it by itself: without it the backup is of little use.`,
    ),
    ...absent.map(
      (path) =>
        `There is no ${path}, so it is not in it. If the bot has run, run this as its user and where its .env and BOT_HOME are.`,
    ),
    ...leftOut.slice(0, mostNamed).map(leftOutLine),
    leftOut.length > mostNamed ? `Left out, too: ${leftOut.length - mostNamed} more.` : undefined,
    `Back, here or on another machine: nostr-dm-agent restore --from ${join('…', file.slice(file.lastIndexOf('/') + 1))}`,
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

const why: Record<LeftOut['why'], string> = {
  too_large: 'it is larger than 4 GiB',
  too_many: 'there are too many files there',
  changing: 'it was written to all the time; try again when its run is over',
  odd: 'it is a link, no plain file, or has a name that is not kept',
};
const mostNamed = 20;
/** Agents give names as they like: also such as would work on a terminal. */
const leftOutLine = (left: LeftOut): string =>
  `Left out: ${shorten(left.path.replace(/\p{C}+/gu, '?'), 300)} (${why[left.why]}).`;

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

function failure(
  error: unknown,
  home: string,
  signal: AbortSignal,
): { readonly code: 1 | 2; readonly text: string } {
  if (signal.aborted) return { code: 1, text: 'Interrupted. No backup was written.' };
  if (error instanceof ConfigError) return { code: 2, text: describeConfigError(error) };
  if (error instanceof PassphraseError) return { code: 2, text: error.message };
  if (error instanceof BackupError) return { code: 1, text: backupSentence(error) };
  if (error instanceof LockHeldError)
    return { code: 1, text: 'Another backup is being made at this moment.' };
  if (error instanceof SealedFileError) {
    return {
      code: 1,
      text: 'What was written could not be read back, so it was thrown away. Is the disk in order?',
    };
  }
  const hint = operatorHint(error, home);
  if (hint === undefined) throw error;
  return { code: 1, text: `No backup was written: ${hint}` };
}

function backupSentence({ path, problem }: BackupError): string {
  switch (problem.kind) {
    case 'exists':
      return `${path} is there already, and a backup never replaces a file. Name another one with --to.`;
    case 'unwritable':
      return `${path} can’t be written (${problem.code}).`;
    case 'unreadable':
      return `No backup was written: ${path} can’t be read (${problem.code}). Run this as the user of the bot.`;
    case 'words_missing':
      return `CASHU_MNEMONIC is sealed, and ${path} is not there: a backup without it would open nothing. If wallet decrypt has just run, try again.`;
    case 'nothing':
      return 'There is nothing here yet: no .env, no BOT_HOME. Run it in the folder of the bot’s .env, or name that with --env-file.';
  }
}
