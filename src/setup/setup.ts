import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { npubEncode } from 'nostr-tools/nip19';
import { createAgentJail } from '../backends/agent-jail.ts';
import type { Wall } from '../backends/jail/types.ts';
import { type QrSurface, terminalQr } from '../cli/terminal-qr.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { readCredentials } from '../config/credentials.ts';
import { makeDefaultWorkspace } from '../config/default-workspace.ts';
import { describeConfigError } from '../config/describe-config-error.ts';
import { readEnvFile } from '../config/env-file.ts';
import type { Places } from '../config/env-schema.ts';
import { loadConfig } from '../config/load-config.ts';
import { rootWarning, wallNotice, wallWarning } from '../replies/wall-replies.ts';
import { type Answers, variablesOf } from './answers.ts';
import { envText, UnwritableValueError } from './env-text.ts';
import { credentialsFor, type Handover, installService, NoSystemdError } from './install-service.ts';
import { askAnswers, askKeyPassword, askReplace, SetupCancelledError } from './questions.ts';
import { FileExistsError, writeSecretFile } from './secret-file.ts';
import { serviceText } from './service-text.ts';
import { type ServiceKind, UnwritableUnitError } from './service-unit.ts';

const wallTimeoutMs = 30_000;

export type SetupOptions = Answers & {
  readonly envFile?: string | undefined;
  /** Replace a `.env` that is there, without asking. */
  readonly force: boolean;
  /** Ask nothing. */
  readonly yes: boolean;
  /** Also write a unit for systemd; where there is a `.env` already, only that. true: the user's. */
  readonly service?: boolean | string | undefined;
  /** Secrets as credentials of systemd: `encrypted` (true) or `plain`. */
  readonly credentials?: boolean | string | undefined;
};

/** Where it is run; `out` is what the QR code is shown on. */
export type SetupTerminal = QrSurface & {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Whether a person can be asked. */
  readonly interactive: boolean;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** All of standard input, for `--key -`. */
  readonly readInput: () => Promise<string>;
};

/**
 * Makes the bot's configuration: asks, or takes flags; writes `.env` and shows the bot's npub.
 * @returns the exit code: 0, 1 when it was cancelled or the file was not written, 2 when the answers can't be used
 */
export async function runSetup(options: SetupOptions, terminal: SetupTerminal): Promise<number> {
  try {
    return await setUp(options, terminal);
  } catch (error) {
    const { code, sentence } = explain(error);
    terminal.error(`${sentence}\n`);
    return code;
  }
}

async function setUp(options: SetupOptions, terminal: SetupTerminal): Promise<number> {
  const { environment, directory, out } = terminal;
  const places: Places = { directory, userHome: environment.HOME ?? homedir() };
  const path = resolve(directory, options.envFile ?? '.env');
  const ask = terminal.interactive && !options.yes;

  const service = serviceKind(options.service);
  const handover = handoverOf(options.credentials, service);
  const old = readEnvFile(path);
  if (service !== undefined && old !== undefined && !options.force) {
    // What the service will read, and nothing of this terminal.
    // Those that were taken out of it are where whoever runs this has them from.
    const { CREDENTIALS_DIRECTORY } = environment;
    const config = await loadConfig({ HOME: places.userHome, CREDENTIALS_DIRECTORY }, directory, {
      envFile: path,
    });
    const given = { ...old.values, ...readCredentials(CREDENTIALS_DIRECTORY).values };
    const credentials = credentialsFor(service, handover, given, environment);
    out(serviceText(installService(service, environment, path, config, credentials)));
    return 0;
  }
  if (old !== undefined && !options.force) {
    if (!ask) throw new FileExistsError(path);
    if (!(await askReplace(path))) throw new SetupCancelledError('setup was cancelled');
  }
  const key = options.key === '-' ? (await terminal.readInput()).trim() : options.key;
  const given: Answers = { ...options, key };
  const answers = ask ? await askAnswers(given, old?.values ?? {}, places) : given;
  const values = variablesOf(answers, old?.values ?? {}, places);

  const config = await loadConfig(
    { HOME: places.userHome, BOT_KEY_PASSWORD: environment.BOT_KEY_PASSWORD, ...values },
    directory,
    { envFile: null, ...(ask ? { askPassword: askKeyPassword } : {}) },
  );
  makeDefaultWorkspace(config.workspaces, places.userHome);
  // With the bot's other secrets, in a folder that is closed to others and that no agent sees.
  const backup = writeSecretFile(path, envText(values), old !== undefined, join(config.home, 'secrets'));
  const wall = await tryWall(config, path, environment.PATH);
  out(await report({ path, backup, config, wall, wallet: values.CASHU_MNEMONIC !== undefined }, terminal));
  if (service !== undefined) {
    const credentials = credentialsFor(service, handover, values, environment);
    out(serviceText(installService(service, environment, path, config, credentials)));
  }
  return 0;
}

/** @throws UnknownServiceError */
function serviceKind(given: SetupOptions['service']): ServiceKind | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true || given === 'user') return 'user';
  if (given === 'system') return 'system';
  throw new UnknownServiceError(`--service takes user or system, not ${given}`);
}

/** @throws UnknownServiceError */
function handoverOf(given: SetupOptions['credentials'], service: ServiceKind | undefined): Handover {
  if (given === undefined || given === false) return 'file';
  if (service === undefined) throw new UnknownServiceError('--credentials goes with --service');
  if (given === 'plain') return 'plain';
  if (given !== true && given !== 'encrypted')
    throw new UnknownServiceError(`--credentials takes encrypted or plain, not ${given}`);
  if (service === 'user')
    throw new UnknownServiceError(
      'a user’s own service manager opens no encrypted credentials: --service system, or --credentials plain',
    );
  return 'encrypted';
}

class UnknownServiceError extends Error {
  override readonly name = 'UnknownServiceError';
}

/**
 * Which wall agents will have here; tried in a folder of its own, so that the bot's home is first made by its start.
 * The answers are a configuration without this terminal's environment, but it is there that programs are found.
 */
async function tryWall(config: Config, envFile: string, PATH = ''): Promise<Wall> {
  const home = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-setup-'));
  try {
    const settings = { ...config, home, ambient: { ...config.ambient, PATH } };
    return await createAgentJail(settings, [envFile]).wall(AbortSignal.timeout(wallTimeoutMs));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

type Outcome = {
  readonly wall: Wall;
  readonly path: string;
  readonly backup: string | undefined;
  readonly config: Config;
  readonly wallet: boolean;
};

async function report({ path, backup, config, wall, wallet }: Outcome, surface: QrSurface): Promise<string> {
  const npub = npubEncode(config.identity.publicKey);
  const qr = await terminalQr(`nostr:${npub}`, surface);
  return [
    `Wrote ${path} (only you can read it).`,
    ...(backup === undefined ? [] : [`The old one is ${backup}.`]),
    ...(wallet ? ["The wallet's 12 words are in it too (CASHU_MNEMONIC): keep a copy in a safe place."] : []),
    '',
    `The bot is ${npub}`,
    '',
    wallWarning(wall, wallet) ?? wallNotice(wall),
    ...(process.getuid?.() === 0 ? [rootWarning] : []),
    '',
    ...(qr === undefined ? [] : [qr, '']),
    'Next: `npx -y bun run start` (or `bun start`) starts it; it then says hello to you by DM.',
    'Write it a task from any Nostr client, or !help.',
    ...(wallet
      ? [
          'To pay for tasks with ecash, send it !wallet topup 5000, pay the invoice, and send !provider set routstr.',
        ]
      : []),
    '',
  ].join('\n');
}

function explain(error: unknown): { readonly code: 1 | 2; readonly sentence: string } {
  if (error instanceof ConfigError) {
    const ownerless = error.problems.some(({ variable }) => variable === 'BOT_OWNERS');
    const hint = ownerless ? '\nName yourself with --owner npub1…' : '';
    return { code: 2, sentence: `${describeConfigError(error)}${hint}\nNothing was written.` };
  }
  if (error instanceof UnwritableValueError) return { code: 2, sentence: `${error.message}.` };
  if (error instanceof UnknownServiceError) return { code: 2, sentence: `${error.message}.` };
  if (error instanceof UnwritableUnitError) {
    return {
      code: 1,
      sentence: `No unit was written: ${error.message}. Move the bot to a folder with a plain name.`,
    };
  }
  if (error instanceof NoSystemdError) {
    return {
      code: 1,
      sentence: `No unit was written: ${error.message}. Let the service manager of this system run: ${process.execPath} --no-env-file ${resolve(import.meta.dir, '../index.ts')} start`,
    };
  }
  if (error instanceof SetupCancelledError) return { code: 1, sentence: 'Nothing was written.' };
  if (error instanceof FileExistsError) {
    return {
      code: 1,
      sentence: `${error.path} exists. --force replaces it and keeps the old one among the bot's secrets.`,
    };
  }
  throw error;
}
