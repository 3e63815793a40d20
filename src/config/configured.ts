import type { Config } from './config.ts';
import { ConfigError } from './config-error.ts';
import { describeConfigError, howToBegin } from './describe-config-error.ts';
import { loadConfig } from './load-config.ts';

export type ConfiguredOptions = { readonly envFile?: string | undefined };

/** A configuration, and what looked like a mistake in it. */
export type Configured = { readonly config: Config; readonly notices: readonly string[] };

const interactive = (): boolean => process.stdin.isTTY === true && process.stdout.isTTY === true;

/**
 * The configuration of this process. When it can't be used, says why on standard error.
 * @returns undefined when it can't be used; then the exit code is 2
 */
export async function configured(options: ConfiguredOptions): Promise<Configured | undefined> {
  try {
    return await load(options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.unconfigured ? howToBegin : describeConfigError(error)}\n`);
    return undefined;
  }
}

/** As `configured`; when there is nothing at all yet and somebody is at the terminal, goes through `setup` first. */
export async function configuredOrSetUp(options: ConfiguredOptions): Promise<Configured | undefined> {
  if (!interactive() || !(await isUnconfigured(options))) return configured(options);
  process.stdout.write(`${howToBegin}\n\n`);
  const [{ runSetup }, { processTerminal }] = await Promise.all([
    import('../setup/setup.ts'),
    import('../setup/setup-terminal.ts'),
  ]);
  const answers = { ...options, wallet: true, force: false, yes: false };
  return (await runSetup(answers, processTerminal())) === 0 ? configured(options) : undefined;
}

async function isUnconfigured(options: ConfiguredOptions): Promise<boolean> {
  try {
    await load(options, false);
    return false;
  } catch (error) {
    return error instanceof ConfigError && error.unconfigured;
  }
}

async function load({ envFile }: ConfiguredOptions, ask = interactive()): Promise<Configured> {
  const notices: string[] = [];
  const config = await loadConfig(process.env, process.cwd(), {
    terminal: process.stderr.isTTY === true,
    onNotice: (notice) => void notices.push(notice),
    ...(envFile === undefined ? {} : { envFile }),
    ...(ask
      ? {
          askPassword: async () => (await import('../setup/questions.ts')).askKeyPassword(),
          askPassphrase: async () => (await import('../setup/questions.ts')).askPassphrase(),
        }
      : {}),
  });
  return { config, notices };
}
