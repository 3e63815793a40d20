import { type CANCEL_SYMBOL, confirm, intro, isCancel, log, password, select, text } from '@clack/prompts';
import { builtInBackends } from '../backends/backend.ts';
import { BotKeyError, isEncryptedKey, readBotKey } from '../config/bot-key.ts';
import { defaultWorkspaceText } from '../config/default-workspace.ts';
import {
  defaultRelays,
  type Places,
  type Report,
  readOwners,
  readRelays,
  readWorkspaces,
} from '../config/env-schema.ts';
import type { Answers } from './answers.ts';

/** The person at the terminal pressed Ctrl-C or Escape. */
export class SetupCancelledError extends Error {
  override readonly name = 'SetupCancelledError';
}

function answered<T extends string | boolean>(value: T | typeof CANCEL_SYMBOL): T {
  if (isCancel(value)) throw new SetupCancelledError('setup was cancelled');
  return value;
}

/** The first problem that a reader of `env-schema.ts` reports, as clack shows it. */
const check = (read: (text: string, report: Report) => unknown) => (input: string | undefined) => {
  let first: string | undefined;
  read(input ?? '', (problem) => {
    first ??= `This ${problem}`;
  });
  return first;
};

/**
 * Asks on the terminal for what was not answered by a flag.
 * @param old the variables of the present `.env`: suggested again
 * @throws SetupCancelledError
 */
export async function askAnswers(
  given: Answers,
  old: Readonly<Record<string, string>>,
  places: Places,
): Promise<Answers> {
  intro('A coding agent that you reach by Nostr DM');
  const owner =
    given.owner ??
    answered(
      await text({
        message: 'Your own public key (npub1…): who may command the bot',
        placeholder: 'npub1…',
        initialValue: old.BOT_OWNERS ?? '',
        validate: check(readOwners),
      }),
    );
  const key = given.key ?? (await askKey(old.BOT_KEY !== undefined));
  const relays =
    given.relays ??
    answered(
      await text({
        message: 'Relays on which it listens',
        initialValue: old.BOT_RELAYS ?? defaultRelays,
        validate: check(readRelays),
      }),
    );
  const workspace =
    given.workspace ??
    answered(
      await text({
        message: 'The directory in which the agent works (made when it is missing)',
        initialValue: old.BOT_WORKSPACE ?? defaultWorkspaceText,
        validate: check((input, report) => readWorkspaces(input, places, report)),
      }),
    );
  const backend =
    given.backend ??
    answered(
      await select({
        message: 'The program that does the work',
        options: builtInBackends.map((value) => ({ value })),
        initialValue: builtInBackends.find((name) => name === old.BOT_BACKEND) ?? 'opencode',
      }),
    );
  const wallet =
    given.wallet &&
    (old.CASHU_MNEMONIC !== undefined ||
      answered(
        await confirm({ message: 'Give it a Cashu wallet? (12 words, written to .env and shown nowhere)' }),
      ));
  return { ...given, owner, key, relays, workspace, backend, wallet };
}

async function askKey(hasOne: boolean): Promise<string | undefined> {
  const choice = answered(
    await select({
      message: "The bot's own key",
      options: [
        ...(hasOne ? [{ value: 'keep', label: 'keep the one in .env' }] : []),
        { value: 'new', label: 'make a new one' },
        { value: 'given', label: 'use one that I have' },
      ],
    }),
  );
  if (choice !== 'given') return choice === 'new' ? 'new' : undefined;
  for (;;) {
    const key = answered(await password({ message: 'Its secret key (nsec1…, ncryptsec1… or hex)' })).trim();
    if (isEncryptedKey(key)) return key;
    try {
      await readBotKey(key, undefined);
      return key;
    } catch (error) {
      if (!(error instanceof BotKeyError)) throw error;
      log.error('That is no secret key. Once more, or Ctrl-C:');
    }
  }
}

/** Asks for the password of an `ncryptsec1…` key; undefined when the question is cancelled. */
export async function askKeyPassword(): Promise<string | undefined> {
  const answer = await password({ message: "Password of the bot's key (BOT_KEY is encrypted)" });
  return isCancel(answer) ? undefined : answer;
}

/** Asks for the passphrase that seals the words of the wallet; undefined when the question is cancelled. */
export async function askPassphrase(
  message = 'Passphrase of the wallet (CASHU_MNEMONIC is sealed)',
): Promise<string | undefined> {
  const answer = await password({ message, output: process.stderr });
  return isCancel(answer) ? undefined : answer;
}

/** @throws SetupCancelledError */
export const askReplace = async (path: string): Promise<boolean> =>
  answered(await confirm({ message: `${path} exists. Replace it? (The old one is kept.)` }));
