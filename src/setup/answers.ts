import { generateSecretKey } from '@nostr-dm-agent/nostr';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { nsecEncode } from 'nostr-tools/nip19';
import { absolutePath, type Places, readWorkspaces } from '../config/env-schema.ts';

/** What `setup` was told on the command line or in its questions, as it was written. */
export type Answers = {
  /** As in `BOT_OWNERS`. */
  readonly owner?: string | undefined;
  /** hex, nsec or ncryptsec; `new` makes one even if there is one already. */
  readonly key?: string | undefined;
  readonly relays?: string | undefined;
  readonly workspace?: string | undefined;
  readonly backend?: string | undefined;
  readonly model?: string | undefined;
  /** Whether the wallet gets its words. */
  readonly wallet: boolean;
};

/**
 * The variables of the new `.env`: the answers over what the old one had. A key and a mnemonic that are there stay,
 * because there is money and an identity behind them.
 */
export function variablesOf(
  answers: Answers,
  old: Readonly<Record<string, string>>,
  places: Places,
): Record<string, string> {
  const { CASHU_MNEMONIC: oldMnemonic, ...rest } = old;
  const mnemonic = nonEmpty(oldMnemonic) ?? generateMnemonic(wordlist, 128);
  const made: Readonly<Record<string, string | undefined>> = {
    BOT_KEY: keyOf(answers.key, old.BOT_KEY),
    BOT_OWNERS: nonEmpty(answers.owner),
    BOT_RELAYS: nonEmpty(answers.relays),
    BOT_WORKSPACE:
      answers.workspace === undefined ? undefined : absoluteWorkspaces(answers.workspace, places),
    BOT_BACKEND: nonEmpty(answers.backend),
    BOT_MODEL: nonEmpty(answers.model),
    CASHU_MNEMONIC: answers.wallet ? mnemonic : undefined,
  };
  const variables: Record<string, string> = { ...rest };
  for (const [name, value] of Object.entries(made)) if (value !== undefined) variables[name] = value;
  return variables;
}

const keyOf = (answer: string | undefined, old: string | undefined): string =>
  (answer === 'new' ? undefined : (nonEmpty(answer) ?? nonEmpty(old))) ?? nsecEncode(generateSecretKey());

/** The bot may later be started from another directory. What can't be read stays, for the check that follows to explain. */
function absoluteWorkspaces(text: string, places: Places): string | undefined {
  let wrong = false;
  const workspaces = readWorkspaces(text, places, () => {
    wrong = true;
  });
  if (wrong || workspaces.length === 0) return nonEmpty(text);
  const [only] = workspaces;
  if (!/^\s*[\w.-]+\s*=/.test(text) && only !== undefined) return absolutePath(text, places);
  return workspaces.map(({ name, directory }) => `${name}=${directory}`).join(',');
}

const nonEmpty = (text: string | undefined): string | undefined => (text?.trim() ? text.trim() : undefined);
