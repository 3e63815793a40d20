import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { WalletConfig } from '@nostr-dm-agent/cashu-wallet';
import { readFileIfThere, writeNewFile } from '@nostr-dm-agent/kit/files';
import { parseSat, sat } from '@nostr-dm-agent/kit/sat';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { parse } from 'dotenv';

/** Where this user's wallet is: the bot's own, where there is a bot. */
export type WalletPlace = {
  /** `BOT_HOME`: where a running bot has its socket, and this plugin its files. */
  readonly home: string;
  readonly wallet: WalletConfig;
  /** Where its words stand: what a person has to back up. */
  readonly wordsIn: string;
};

/** The bot's variables that say where a wallet is, and what it accepts. */
const names = [
  'BOT_HOME',
  'CASHU_MNEMONIC',
  'CASHU_MINT_URL',
  'CASHU_MINTS',
  'CASHU_WALLET_DIR',
  'CASHU_MAX_BALANCE_SAT',
] as const;
type Values = Partial<Record<(typeof names)[number], string>>;

/** The `.env` of the checkout that this file is in: the bot's. */
const checkoutFile = join(import.meta.dir, '../../../.env');
/** Made with the first wallet, in `BOT_HOME`. */
const ownFileName = 'wallet.env';

/** What a person may say to the plugin about it: the options of `opencode.json`. */
export type PlaceOptions = { readonly env?: string | undefined };

/**
 * Looks for the wallet: the process environment, then the file that `options.env` names, the bot's `.env` beside this
 * package, and the file that this plugin made for a user who has no bot.
 *
 * @returns `wallet: undefined` where nobody has one yet
 */
export function findWallet(
  env: Readonly<Record<string, string | undefined>>,
  options: PlaceOptions,
): { readonly home: string; readonly place: WalletPlace | undefined } {
  const userHome = env.HOME ?? homedir();
  const files = options.env === undefined ? [checkoutFile] : [absolute(options.env, userHome)];
  const found: { from: string; values: Values }[] = [{ from: 'the environment', values: pick(env) }];
  for (const file of files) found.push({ from: file, values: readValues(file) });
  const value = (name: keyof Values): string | undefined =>
    found.map(({ values }) => values[name]).find((text) => text !== undefined);
  const home = absolute(value('BOT_HOME') ?? '~/.nostr-dm-agent', userHome);
  const own = join(home, ownFileName);
  found.push({ from: own, values: readValues(own) });
  const words = found.find(({ values }) => values.CASHU_MNEMONIC !== undefined);
  const mnemonic = words?.values.CASHU_MNEMONIC;
  if (words === undefined || mnemonic === undefined) return { home, place: undefined };
  const wallet: WalletConfig = {
    mnemonic,
    mintUrl: value('CASHU_MINT_URL') ?? 'https://mint.minibits.cash/Bitcoin',
    mints: (value('CASHU_MINTS') ?? '')
      .split(',')
      .map((mint) => mint.trim())
      .filter((mint) => mint !== ''),
    directory: absolute(value('CASHU_WALLET_DIR') ?? '~/.cashu-wallet', userHome),
    maxBalance: parseSat(value('CASHU_MAX_BALANCE_SAT') ?? '') ?? sat(100_000),
  };
  return { home, place: { home, wallet, wordsIn: words.from } };
}

/**
 * The wallet, made where there is none: twelve words in a file of their own (0600), which the bot can be given later.
 * `isNew`: a person has to hear where they are.
 */
export function wallet(
  env: Readonly<Record<string, string | undefined>>,
  options: PlaceOptions,
): WalletPlace & { readonly isNew: boolean } {
  const { home, place } = findWallet(env, options);
  if (place !== undefined) return { ...place, isNew: false };
  const text = `# The words of the wallet of opencode's Routstr plugin: whoever has them has its money. Write them down.\nCASHU_MNEMONIC="${generateMnemonic(wordlist, 128)}"\n`;
  mkdirSync(home, { recursive: true, mode: 0o700 });
  // Another process may have made them at the same moment: those count.
  const isNew = writeNewFile(join(home, ownFileName), text);
  const made = findWallet(env, options).place;
  if (made === undefined) throw new Error(`${join(home, ownFileName)} holds no words`);
  return { ...made, isNew };
}

const absolute = (path: string, userHome: string): string => {
  const expanded = path === '~' || path.startsWith('~/') ? join(userHome, path.slice(1)) : path;
  return isAbsolute(expanded) ? expanded : resolve(userHome, expanded);
};

function readValues(file: string): Values {
  const text = readFileIfThere(file);
  return text === undefined ? {} : pick(parse(text));
}

function pick(values: Readonly<Record<string, string | undefined>>): Values {
  const picked: Values = {};
  for (const name of names) {
    const value = values[name]?.trim();
    if (value !== undefined && value !== '') picked[name] = value;
  }
  return picked;
}
