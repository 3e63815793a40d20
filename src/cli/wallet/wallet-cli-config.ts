import { homedir } from 'node:os';
import { join } from 'node:path';
import type { WalletConfig } from '@nostr-dm-agent/cashu-wallet';
import { ConfigError } from '../../config/config-error.ts';
import { openEnvFile } from '../../config/env-file.ts';
import { environmentSchema } from '../../config/env-schema.ts';
import { areSealed, unsealWords } from '../../config/sealed-words.ts';
import { takeWayOut } from '../../config/take-way-out.ts';
import { isVariableName, variables } from '../../config/variables.ts';

/** What the wallet's command line needs of the environment. It works without the bot's key and owners. */
export type WalletCliConfig = {
  /** `BOT_HOME`: where a running bot has its socket. */
  readonly home: string;
  /** Its words may be sealed: a name of the wallet alone. */
  readonly wallet: WalletConfig;
  /** Gets the words, where they are sealed. @throws ConfigError */
  readonly unseal?: () => Promise<string>;
};

const needed = {
  BOT_HOME: true,
  BOT_PROXY: true,
  CASHU_MNEMONIC: true,
  CASHU_PASSPHRASE_FILE: true,
  CASHU_MINT_URL: true,
  CASHU_MINTS: true,
  CASHU_WALLET_DIR: true,
  CASHU_MAX_BALANCE_SAT: true,
} as const;

/**
 * The wallet's part of `.env` and the process environment (which wins), read as `loadConfig` reads all of it.
 *
 * @throws ConfigError
 */
export function loadWalletCliConfig(
  processEnv: Readonly<Record<string, string | undefined>>,
  directory: string,
  envFile: string | undefined,
): WalletCliConfig {
  const file = openEnvFile(envFile ?? join(directory, '.env'))?.values ?? {};
  const given: Record<string, string> = {};
  for (const name of Object.keys(needed)) {
    const value = (processEnv[name] ?? file[name] ?? '').trim();
    if (value !== '') given[name] = value;
  }
  takeWayOut(given.BOT_PROXY);
  const places = { directory, userHome: processEnv.HOME ?? homedir() };
  const parsed = environmentSchema(places).pick(needed).safeParse(given);
  if (parsed.error !== undefined) {
    throw new ConfigError(
      parsed.error.issues.flatMap(({ path, message }) => {
        const variable = String(path[0]);
        return isVariableName(variable) ? [{ variable, problem: message, example: variables[variable] }] : [];
      }),
      false,
    );
  }
  const env = parsed.data;
  if (env.CASHU_MNEMONIC === undefined) {
    const problem = 'is not set, so there is no wallet (`bun run setup` makes one)';
    throw new ConfigError(
      [{ variable: 'CASHU_MNEMONIC', problem, example: variables.CASHU_MNEMONIC }],
      false,
    );
  }
  const sealed = areSealed(env.CASHU_MNEMONIC);
  return {
    home: env.BOT_HOME,
    ...(sealed
      ? { unseal: unsealerOf(env.CASHU_MNEMONIC, env.CASHU_WALLET_DIR, env.CASHU_PASSPHRASE_FILE) }
      : {}),
    wallet: {
      mnemonic: env.CASHU_MNEMONIC,
      sealed: sealed || undefined,
      mintUrl: env.CASHU_MINT_URL,
      mints: env.CASHU_MINTS,
      directory: env.CASHU_WALLET_DIR,
      maxBalance: env.CASHU_MAX_BALANCE_SAT,
    },
  };
}

/** Asks for the passphrase on the terminal, where there is one. */
const unsealerOf = (reference: string, directory: string, passphraseFile: string | undefined) => async () => {
  const ask =
    process.stdin.isTTY === true && process.stderr.isTTY === true
      ? async () => (await import('../../setup/questions.ts')).askPassphrase()
      : undefined;
  const unsealed = await unsealWords({ reference, directory, passphraseFile, ask });
  if ('words' in unsealed) return unsealed.words;
  const { variable, problem } = unsealed;
  throw new ConfigError([{ variable, problem, example: variables[variable] }], false);
};

/** The words, opened where they are sealed. @throws ConfigError */
export const wordsOf = async ({ wallet, unseal }: WalletCliConfig): Promise<string> =>
  (await unseal?.()) ?? wallet.mnemonic;
