import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readMnemonic, referredWallet } from '@nostr-dm-agent/cashu-wallet/open';
import { readFileIfThere } from '@nostr-dm-agent/kit/files';
import { parse } from 'dotenv';
import { ConfigError } from '../config/config-error.ts';
import { type CredentialName, readCredentials } from '../config/credentials.ts';
import { openEnvFile } from '../config/env-file.ts';
import { environmentSchema } from '../config/env-schema.ts';
import { mnemonicProblem } from '../config/mnemonic.ts';
import { areSealed } from '../config/sealed-words.ts';
import { isVariableName, type VariableName, variables } from '../config/variables.ts';
import { assignment } from '../setup/env-text.ts';

/** What there is of a bot on this machine, but its workspaces. Absolute paths. */
export type Installation = {
  readonly userHome: string;
  /** What relative paths in the settings are relative to. */
  readonly directory: string;
  readonly home: string;
  readonly walletDirectory: string;
  /** Fingerprints: that of `CASHU_MNEMONIC` first, then that of opencode's plugin where it has one of its own. */
  readonly wallets: readonly string[];
  /** The words of the first are in a file that a passphrase or a keyring opens. */
  readonly sealed: boolean;
  /** Secrets that neither says: a service has them from its manager (`$CREDENTIALS_DIRECTORY`), and this process has not. */
  readonly missing: readonly CredentialName[];
  /** `.env`, with what the process environment says otherwise; undefined: neither says anything. */
  readonly settings: string | undefined;
};

type Environment = Readonly<Record<string, string | undefined>>;

const needed = {
  BOT_HOME: true,
  CASHU_MNEMONIC: true,
  CASHU_MINT_URL: true,
  CASHU_WALLET_DIR: true,
} as const;

/** Looks where everything is. Needs no key and no passphrase. @throws ConfigError */
export function findInstallation(
  processEnv: Environment,
  directory: string,
  envFile: string | undefined,
): Installation {
  const path = envFile ?? join(directory, '.env');
  const file = openEnvFile(path);
  const text = file === undefined ? undefined : (readFileIfThere(path) ?? '');
  // Secrets that a service manager or a container hands over as files belong to it, too.
  const environment = { ...readCredentials(processEnv.CREDENTIALS_DIRECTORY).values, ...processEnv };
  const values = { ...file?.values, ...given(environment) };
  const userHome = resolve(processEnv.HOME ?? homedir());
  const places = placesIn(values, { directory, userHome });
  const own = parse(readFileIfThere(join(places.home, 'wallet.env')) ?? '').CASHU_MNEMONIC;
  const named = fingerprintIn(values.CASHU_MNEMONIC);
  // Whose words are elsewhere: all that are there.
  const words = named.length > 0 ? named : walletsIn(places.walletDirectory);
  return {
    ...{ userHome, directory, ...places },
    wallets: [...new Set([...words, ...fingerprintIn(own)])],
    missing: (['BOT_KEY', 'CASHU_MNEMONIC'] as const).filter((name) => (values[name] ?? '').trim() === ''),
    sealed: areSealed((values.CASHU_MNEMONIC ?? '').trim()),
    settings: settingsOf(text, file?.values ?? {}, given(environment)),
  };
}

/** Where settings say that home and wallet are, and which mint is the default. @throws ConfigError */
export function placesIn(
  values: Environment,
  places: { readonly directory: string; readonly userHome: string },
): { readonly home: string; readonly walletDirectory: string; readonly mintUrl: string } {
  const asked: Record<string, string> = {};
  for (const name of Object.keys(needed)) {
    const value = (values[name] ?? '').trim();
    if (value !== '') asked[name] = value;
  }
  const parsed = environmentSchema(places).pick(needed).safeParse(asked);
  if (parsed.error !== undefined) {
    throw new ConfigError(
      parsed.error.issues.flatMap(({ path: [name], message }) => {
        const variable = String(name);
        return isVariableName(variable) ? [{ variable, problem: message, example: variables[variable] }] : [];
      }),
      false,
    );
  }
  const { BOT_HOME: home, CASHU_WALLET_DIR: walletDirectory, CASHU_MINT_URL: mintUrl } = parsed.data;
  return { home, walletDirectory, mintUrl };
}

/** The program's own variables that the process environment sets. */
function given(processEnv: Environment): Partial<Record<VariableName, string>> {
  const found: Partial<Record<VariableName, string>> = {};
  for (const name of Object.keys(variables)) {
    const value = processEnv[name] ?? '';
    if (isVariableName(name) && value.trim() !== '') found[name] = value;
  }
  return found;
}

const fingerprintIn = (mnemonic: string | undefined): readonly string[] => {
  const text = (mnemonic ?? '').trim();
  if (text === '' || (!areSealed(text) && mnemonicProblem(text) !== undefined)) return [];
  return [referredWallet(text) ?? readMnemonic(text).fingerprint];
};

const walletsIn = (folder: string): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder).flatMap((name) => /^([0-9a-f]{16})\.db$/.exec(name)?.[1] ?? [])
    : [];

/** dotenv takes the last of several lines. */
function settingsOf(
  text: string | undefined,
  inFile: Environment,
  inProcess: Environment,
): string | undefined {
  const lines = Object.entries(inProcess).flatMap(([name, value]) =>
    value === undefined || inFile[name] === value ? [] : [assignment(name, value)],
  );
  if (lines.length === 0) return text;
  const remark = '# From the process environment of the bot that this is a backup of.';
  return [text ?? '', remark, ...lines, ''].join('\n');
}
