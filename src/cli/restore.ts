import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { CopyRefusedError, WalletInUseError } from '@nostr-dm-agent/cashu-wallet';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import { DatabaseTooNewError } from '@nostr-dm-agent/kit/sqlite';
import { paidRunTables } from '@nostr-dm-agent/routstr/books';
import type { Move } from '../backup/read-move.ts';
import { restoreBackup } from '../backup/restore-backup.ts';
import { type Restored, RestoreRefusedError, RestoreStoppedError } from '../backup/restore-parts.ts';
import { SealedFileError } from '../backup/sealed-file.ts';
import { ConfigError } from '../config/config-error.ts';
import { describeConfigError } from '../config/describe-config-error.ts';
import { absolutePath } from '../config/env-schema.ts';
import { formatAgo } from '../replies/format.ts';
import { PassphraseError, takePassphrase } from './passphrase.ts';
import { operatorHint } from './start-failure.ts';

export type RestoreOptions = {
  readonly from: string;
  readonly home?: string;
  readonly walletDir?: string;
  readonly move: readonly Move[];
  readonly replace: boolean;
  readonly passphraseFile?: string;
  readonly envFile?: string;
};

/** `restore --from`: a backup, put in place. @returns the exit code: 0, 1 failed, 2 wrong usage or configuration */
export async function restore(options: RestoreOptions): Promise<number> {
  const directory = process.cwd();
  const userHome = resolve(process.env.HOME ?? homedir());
  const place = (text: string | undefined): string | undefined => {
    const said = text?.trim() ?? '';
    return said === '' ? undefined : absolutePath(said, { directory, userHome });
  };
  const interrupted = new AbortController();
  const onInterrupt = (): void => interrupted.abort();
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    const from = resolve(directory, options.from);
    const passphrase = await takePassphrase(
      { file: options.passphraseFile, isNew: false, question: 'The passphrase of this backup' },
      interrupted.signal,
    );
    const restored = await restoreBackup(
      from,
      passphrase,
      {
        ...{ userHome, directory },
        envFile: resolve(directory, options.envFile ?? '.env'),
        // What the environment of this machine says, the bot will read, too.
        home: place(options.home ?? process.env.BOT_HOME),
        walletDirectory: place(options.walletDir ?? process.env.CASHU_WALLET_DIR),
        moves: options.move,
      },
      {
        replace: options.replace,
        extensions: { paid_runs: paidRunTables.length },
        signal: interrupted.signal,
      },
    );
    process.stdout.write(`${restoredText(restored, Date.now())}\n`);
    return 0;
  } catch (error) {
    const { code, text } = failure(error, interrupted.signal);
    process.stderr.write(`${text}\n`);
    return code;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

function restoredText(restored: Restored, now: number): string {
  const { manifest, home, envFile, wallets, kept, moves, workspaces, unmade, unmoved } = restored;
  return [
    `Restored what was backed up on ${manifest.host} ${formatAgo(now - manifest.madeAt)}: ${[home, ...wallets.map(({ file }) => file), envFile].join(', ')}.`,
    ...moves.map(({ from, to }) => `What was at ${from} is at ${to} now.`),
    ...workspaces.map((path) => `${path} was made and is empty: bring the files of this workspace there.`),
    ...unmade.map(
      (path) =>
        `${path} is a workspace, and this user can’t make it. Make it, or correct BOT_WORKSPACE in ${envFile}, before you start.`,
    ),
    ...unmoved.map((path) => `${path} could not be changed to the new places: its conversations begin anew.`),
    ...kept.map((path) => `What was there before is kept: ${path}.`),
    wallets.some(({ carried }) => carried > 0)
      ? 'What only the wallet that was here knew has come along.'
      : undefined,
    wallets.some(({ unread }) => unread)
      ? 'Not all of what only the wallet that was here knew could be read: it is damaged or of another version. It is kept.'
      : undefined,
    manifest.wordsOpenWith === 'passphrase'
      ? 'The wallet is sealed with a passphrase of its own, which was not in the backup: the bot asks for it on a terminal, or takes it from the file that CASHU_PASSPHRASE_FILE names. Put that where it says.'
      : undefined,
    manifest.wordsOpenWith === 'keyring'
      ? 'The wallet’s words are sealed by a keyring of where it was. If this one does not have it, put the words themselves into CASHU_MNEMONIC.'
      : undefined,
    'Next: start. The bot first says to its relays that it is here; one with the same key that is older stops when it hears that. Then it asks the mints what was done since the backup. Messages from before are listed to you and not acted on. Owners who were removed after the backup are back: !owners.',
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

function failure(error: unknown, signal: AbortSignal): { readonly code: 1 | 2; readonly text: string } {
  if (signal.aborted) return { code: 1, text: 'Interrupted. Nothing was changed.' };
  if (error instanceof ConfigError) return { code: 2, text: describeConfigError(error) };
  if (error instanceof PassphraseError) return { code: 2, text: error.message };
  if (error instanceof RestoreRefusedError) return { code: 1, text: refusal(error) };
  if (error instanceof SealedFileError) return { code: 1, text: fileSentence(error) };
  if (error instanceof WalletInUseError || error instanceof LockHeldError) {
    return {
      code: 1,
      text: 'A bot, or another command, works here. Stop it first. Then give this command again.',
    };
  }
  if (
    error instanceof DatabaseTooNewError ||
    (error instanceof CopyRefusedError && error.problem.kind === 'newer')
  ) {
    return { code: 1, text: 'The backup was made by a newer version of this program. Take that one.' };
  }
  if (error instanceof CopyRefusedError) {
    return { code: 1, text: `The wallet’s database in it can’t be used (${error.problem.kind}).` };
  }
  const stopped = error instanceof RestoreStoppedError ? error : undefined;
  const hint = operatorHint(error, stopped?.place ?? process.cwd(), 'give this command again');
  if (hint === undefined) throw error;
  const state =
    stopped?.begun === true
      ? `What is in place already stays: the same command finishes it, and nothing is lost. No bot starts in ${stopped.home} before.`
      : 'Nothing was changed.';
  return { code: 1, text: `${hint} ${state}` };
}

function refusal({ path, problem }: RestoreRefusedError): string {
  const what = {
    home_there: `${path} is not empty: there is a bot already.`,
    settings_there: `${path} is there, with other settings.`,
    wallet_there: `${path} is there: a wallet with these words.`,
    unwritable: `${path} can’t be written by this user.`,
  }[problem];
  const next =
    problem === 'unwritable'
      ? 'Make it theirs, or name other places (--home, --wallet-dir, --move, --env-file).'
      : '--replace keeps it beside, and puts the backup in its place.';
  return `${what} Nothing was changed. ${next}`;
}

function fileSentence({ file, problem }: SealedFileError): string {
  switch (problem.kind) {
    case 'missing':
      return `There is no ${file}.`;
    case 'unreadable':
      return `${file} can’t be read (${problem.code}).`;
    case 'not_ours':
      return `${file} is no backup of this program (nostr-dm-agent backup makes one; for a copy of the wallet alone: wallet restore --from).`;
    case 'newer':
      return `${file} was made by a newer version of this program. Take that one.`;
    case 'wrong_passphrase':
      return 'That is not its passphrase. Nothing was changed.';
    case 'cut_off':
      return `${file} ends too early: a part of it is missing. Nothing was changed. Copy it once more.`;
    case 'end_damaged':
      return `The end of ${file} is not as it was written: cut off, damaged, or somebody has changed it. Nothing was changed. Copy it once more.`;
    case 'damaged':
      return `${file} is not as it was written: damaged, or somebody has changed it. Nothing was changed.`;
  }
}
