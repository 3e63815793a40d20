import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Identity } from '@nostr-dm-agent/nostr';
import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { builtInBackends } from '../backends/backend.ts';
import { hostedPlace, isHosted } from '../backends/hosts/place.ts';
import { agentPathProblem, workspaceProblem } from '../backends/jail/path-rules.ts';
import type { AgentHost } from './agent-hosts.ts';
import { readAgentPrograms } from './agent-programs.ts';
import { BotKeyError, isEncryptedKey, readBotKey } from './bot-key.ts';
import type { Config, Owner, Workspace } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { type Credentials, credentialNames, readCredentials } from './credentials.ts';
import { defaultWorkspace } from './default-workspace.ts';
import { type EnvFile, namesBunMayHaveLoaded, openEnvFile } from './env-file.ts';
import { environmentSchema, type Places, type Written } from './env-schema.ts';
import { areSealed, unsealWords } from './sealed-words.ts';
import { takeWayOut } from './take-way-out.ts';
import { isVariableName, type VariableName, variables } from './variables.ts';
import { describePathProblem, packageFolder } from './workspace-rules.ts';

export type LoadConfigOptions = {
  /** Default: `.env` in the current directory. null: none. */
  readonly envFile?: string | null;
  /** Asks for the password of an `ncryptsec1…` key when `BOT_KEY_PASSWORD` is not set; undefined = gave none. */
  readonly askPassword?: () => Promise<string | undefined>;
  /** The same for the words of the wallet, where a passphrase seals them (`CASHU_MNEMONIC=sealed:…`). */
  readonly askPassphrase?: () => Promise<string | undefined>;
  /** Whether a person reads the log on a terminal: decides the default of `LOG_FORMAT`. */
  readonly terminal?: boolean;
  /** Hears of things that do not stop the start but look like mistakes. One line each, without secrets. */
  readonly onNotice?: (notice: string) => void;
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `.env`, the credentials of the service manager (which win over it) and the process environment (which wins over both) made
 * into one validated, frozen `Config` (docs/design.md#environment). A variable that is empty counts as not set. `processEnv` is only read.
 *
 * @param directory the current directory: where `.env` is, what relative paths are relative to
 * @throws ConfigError with everything that is wrong
 */
export async function loadConfig(
  processEnv: Environment,
  directory: string,
  options: LoadConfigOptions = {},
): Promise<Config> {
  const { envFile = join(directory, '.env') } = options;
  const file = envFile === null ? undefined : openEnvFile(envFile);
  const credentials = readCredentials(processEnv.CREDENTIALS_DIRECTORY);
  for (const notice of [
    ...(file === undefined ? [] : noticesOf(file)),
    ...credentialNotices(credentials, file),
  ])
    options.onNotice?.(notice);

  const given = givenVariables({ ...file?.values, ...credentials.values }, processEnv);
  const ambient = freeze(ambientOf(processEnv, file, directory));
  // Before anything is read that depends on it: which addresses are permitted, and every connection that is made later.
  takeWayOut(given.BOT_PROXY);
  const places: Places = { directory, userHome: processEnv.HOME ?? homedir() };
  const key = await identityOf(given, options.askPassword);
  const parsed = environmentSchema(places).safeParse(given);

  const problems: ConfigProblem[] = [];
  const add = (name: VariableName, problem: string): void =>
    void problems.push({ variable: name, problem, example: variables[name] });
  if ('problem' in key) add(key.variable, key.problem);
  const unowned = given.BOT_OWNERS === undefined && given.BOT_MASTER_PUBKEY === undefined;
  if (unowned) add('BOT_OWNERS', 'is not set: nobody could command the bot');
  for (const { path, message } of parsed.error?.issues ?? []) {
    const name = String(path[0]);
    if (isVariableName(name)) add(name, message);
  }
  const owners =
    parsed.data === undefined ? [] : ownersOf(parsed.data.BOT_OWNERS, parsed.data.BOT_MASTER_PUBKEY);
  if ('identity' in key && owners.some(({ publicKey }) => publicKey === key.identity.publicKey)) {
    add('BOT_OWNERS', 'names the bot itself (the public key of BOT_KEY); an owner needs a key of their own');
  }
  const known = [
    ...builtInBackends,
    ...readAgentPrograms(given.BOT_AGENTS ?? '', () => undefined).map(({ name }) => name),
  ];
  if (!known.includes(given.BOT_BACKEND?.toLowerCase() ?? 'opencode'))
    add('BOT_BACKEND', `must be one of ${known.join(', ')}`);
  const workspaces = parsed.data?.BOT_WORKSPACE ?? [defaultWorkspace(places)];
  if (parsed.data !== undefined) addPathProblems(parsed.data, workspaces, file, places, add);
  if (problems.length > 0 || !('identity' in key) || parsed.data === undefined) {
    throw new ConfigError(problems, given.BOT_KEY === undefined && unowned);
  }

  const env = parsed.data;
  const words = await wordsOf(env, options);
  return freeze({
    identity: Object.freeze(key.identity),
    owners: freeze(owners.map(freeze)),
    ...{ relays: freeze(env.BOT_RELAYS), fileServers: freeze(env.BOT_BLOSSOM) },
    home: env.BOT_HOME,
    workspaces: workspacesOf(workspaces, env.BOT_AGENT_HOSTS),
    backend: env.BOT_BACKEND,
    agents: freeze(env.BOT_AGENTS.map(freeze)),
    agentHosts: freeze(env.BOT_AGENT_HOSTS.map(freeze)),
    opencodeBin: env.OPENCODE_BIN,
    cursorBin: env.CURSOR_BIN,
    model: env.BOT_MODEL,
    warm: freeze({ servers: env.BOT_WARM_SERVERS, keptMs: env.BOT_WARM_MINUTES }),
    concurrency: env.BOT_CONCURRENCY,
    runTimeoutMs: env.BOT_RUN_TIMEOUT_MINUTES,
    runIdleMs: env.BOT_RUN_IDLE_MINUTES,
    holdMs: env.BOT_HOLD_MINUTES,
    progressMs: env.BOT_PROGRESS_SECONDS,
    ...{ catchupMs: env.BOT_CATCHUP_HOURS, historyMs: env.BOT_HISTORY_DAYS },
    trustWorkspace: env.BOT_TRUST_WORKSPACE,
    approvals: env.BOT_APPROVALS,
    isolation: env.BOT_ISOLATION,
    agentNetwork: env.BOT_AGENT_NETWORK,
    agentPaths: freeze(env.BOT_AGENT_PATHS.map(({ path, writable }) => freeze({ path, writable }))),
    git: freeze({ name: env.BOT_GIT_NAME, email: env.BOT_GIT_EMAIL }),
    page: env.BOT_PAGE && freeze(env.BOT_PAGE),
    accounts: env.BOT_ACCOUNTS,
    ...{ currency: env.BOT_CURRENCY, lud16: env.BOT_LUD16, fileKeptMs: env.BOT_FILE_DAYS * 86_400_000 },
    ...{ speech: speechOf(env), proxy: env.BOT_PROXY },
    wallet: walletOf(env, words),
    node: env.ROUTSTR_BASE_URL,
    fallbacks: env.ROUTSTR_FALLBACKS,
    provider: 'local',
    logLevel: env.LOG_LEVEL,
    origins: freeze(originsOf(given, file?.values ?? {}, processEnv)),
    logFormat: env.LOG_FORMAT ?? (options.terminal === true ? 'pretty' : 'json'),
    ambient,
  });
}

const speechOf = (env: EnvironmentValues): Config['speech'] =>
  env.BOT_STT_URL === undefined
    ? undefined
    : freeze({
        url: env.BOT_STT_URL,
        key: env.BOT_STT_KEY,
        model: env.BOT_STT_MODEL,
        language: env.BOT_STT_LANGUAGE,
      });

/** What an agent may write to must hold nothing of the bot's own. */
function addPathProblems(
  env: EnvironmentValues,
  workspaces: readonly (Workspace & Written)[],
  file: EnvFile | undefined,
  places: Places,
  add: (name: VariableName, problem: string) => void,
): void {
  const { BOT_HOME, CASHU_WALLET_DIR, BOT_AGENT_PATHS } = env;
  addHostProblems(env, add);
  const own = [packageFolder, BOT_HOME, CASHU_WALLET_DIR, ...(file === undefined ? [] : [file.path])];
  const here = workspaces.filter(({ directory }) => !isHosted(directory));
  const writable = [
    ...here.map((workspace) => workspace.directory),
    ...BOT_AGENT_PATHS.flatMap(({ path, writable: mayWrite }) => (mayWrite ? [path] : [])),
  ];
  const rules = { userHome: places.userHome, own, writable };
  for (const { written } of here) {
    const problem = workspaceProblem(written, rules);
    if (problem !== undefined) add('BOT_WORKSPACE', describePathProblem(written, problem));
  }
  for (const { written } of BOT_AGENT_PATHS) {
    const problem = agentPathProblem(written, rules);
    if (problem !== undefined) add('BOT_AGENT_PATHS', describePathProblem(written, problem));
  }
}

const workspacesOf = (workspaces: readonly Workspace[], hosts: readonly AgentHost[]): readonly Workspace[] =>
  freeze(workspaces.map(({ name, directory }) => freeze({ name, directory: onHosts(directory, hosts) })));

/** Every host that has it by name: `*` is all of them. */
const onHosts = (directory: string, hosts: readonly AgentHost[]): string =>
  directory.startsWith('*:') ? `${hosts.map(({ name }) => name).join('+')}${directory.slice(1)}` : directory;

/** Workspaces on hosts that there are not. */
function addHostProblems(
  { BOT_WORKSPACE = [], BOT_AGENT_HOSTS, BOT_PROXY }: EnvironmentValues,
  add: (name: VariableName, problem: string) => void,
): void {
  if (BOT_PROXY !== undefined && BOT_AGENT_HOSTS.length > 0)
    add('BOT_AGENT_HOSTS', 'does not go with BOT_PROXY: ssh would go past it');
  for (const { name, directory } of BOT_WORKSPACE) {
    const place = hostedPlace(directory);
    const missing = (place?.hosts ?? []).filter((host) =>
      BOT_AGENT_HOSTS.every((known) => known.name !== host),
    );
    if (missing.length > 0)
      add('BOT_WORKSPACE', `has ${name} on ${missing.join(', ')}, which BOT_AGENT_HOSTS does not name`);
    if (directory.startsWith('*:') && BOT_AGENT_HOSTS.length === 0)
      add('BOT_WORKSPACE', `has ${name} on every agent host, and BOT_AGENT_HOSTS names none`);
  }
}

type EnvironmentValues = z.output<ReturnType<typeof environmentSchema>>;

/** The words, asked for where they are sealed. Only once nothing else is wrong: nobody types a passphrase for nothing. */
async function wordsOf(
  { CASHU_MNEMONIC: given, CASHU_WALLET_DIR, CASHU_PASSPHRASE_FILE }: EnvironmentValues,
  { askPassphrase: ask, onNotice }: LoadConfigOptions,
): Promise<string | undefined> {
  if (given === undefined || !areSealed(given)) return given;
  const about = CASHU_PASSPHRASE_FILE && statSync(CASHU_PASSPHRASE_FILE, { throwIfNoEntry: false });
  if (about && (about.mode & 0o004) !== 0)
    onNotice?.(`${CASHU_PASSPHRASE_FILE} can be read by other users: chmod 400 ${CASHU_PASSPHRASE_FILE}`);
  const unsealed = await unsealWords({
    ...{ reference: given, directory: CASHU_WALLET_DIR, passphraseFile: CASHU_PASSPHRASE_FILE, ask },
  });
  if ('words' in unsealed) return unsealed.words;
  const { variable, problem } = unsealed;
  throw new ConfigError([{ variable, problem, example: variables[variable] }], false);
}

function walletOf(env: EnvironmentValues, mnemonic: string | undefined): Config['wallet'] {
  if (mnemonic === undefined) return undefined;
  return freeze({
    mnemonic,
    sealed: areSealed(env.CASHU_MNEMONIC ?? '') || undefined,
    mintUrl: env.CASHU_MINT_URL,
    mints: freeze(env.CASHU_MINTS),
    directory: env.CASHU_WALLET_DIR,
    maxBalance: env.CASHU_MAX_BALANCE_SAT,
  });
}

const freeze = <T extends object>(value: T): Readonly<T> => Object.freeze(value);

function* noticesOf({ path, values, mode }: EnvFile): Generator<string> {
  if ((mode & 0o077) !== 0) {
    yield `${path} can be read by other users (mode ${mode.toString(8)}): chmod 600 ${path}`;
  }
  for (const name of Object.keys(values)) {
    if (!/^(BOT|CASHU|ROUTSTR|LOG)_/.test(name) || isVariableName(name)) continue;
    const nearest = closest(name, Object.keys(variables));
    const hint = distance(name, nearest) <= 4 ? ` (did you mean ${nearest}?)` : '';
    yield `${path}: ${name} is not a variable of this program and is ignored${hint}`;
  }
}

function* credentialNotices({ values, open }: Credentials, file: EnvFile | undefined): Generator<string> {
  for (const path of open) yield `${path} can be read by other users: chmod 400 ${path}`;
  for (const name of credentialNames)
    if (values[name] !== undefined && file?.values[name])
      yield `${file.path}: ${name} is a credential, too, and that one is used: take it out of the file`;
}

/** The program's own variables that are set, trimmed; a password is taken as it is. */
function givenVariables(
  file: Environment,
  processEnv: Environment,
): Partial<Readonly<Record<VariableName, string>>> {
  const given: Partial<Record<VariableName, string>> = {};
  for (const name of Object.keys(variables)) {
    if (!isVariableName(name)) continue;
    const raw = processEnv[name] ?? file[name] ?? '';
    const value = name === 'BOT_KEY_PASSWORD' ? raw : raw.trim();
    if (value !== '') given[name] = value;
  }
  return given;
}

/** A line that Bun had put into the process environment already is the file's all the same. */
function originsOf(
  given: object,
  file: Environment,
  processEnv: Environment,
): NonNullable<Config['origins']> {
  const names = Object.keys(given).filter(isVariableName);
  return Object.fromEntries(
    names.map((name) => {
      const isOfProcess = processEnv[name] !== undefined && processEnv[name] !== file[name];
      return [name, isOfProcess ? ('environment' as const) : ('file' as const)];
    }),
  );
}

type KeyResult =
  | { readonly identity: Identity }
  | { readonly variable: VariableName; readonly problem: string };

async function identityOf(
  given: Partial<Readonly<Record<VariableName, string>>>,
  askPassword: LoadConfigOptions['askPassword'],
): Promise<KeyResult> {
  const text = given.BOT_KEY;
  if (text === undefined) return { variable: 'BOT_KEY', problem: 'is not set' };
  try {
    const password = isEncryptedKey(text) ? (given.BOT_KEY_PASSWORD ?? (await askPassword?.())) : undefined;
    return { identity: await readBotKey(text, password) };
  } catch (error) {
    if (!(error instanceof BotKeyError)) throw error;
    return keyProblems[error.reason];
  }
}

const keyProblems: Record<BotKeyError['reason'], { variable: VariableName; problem: string }> = {
  format: {
    variable: 'BOT_KEY',
    problem: 'is neither nsec1… nor ncryptsec1… nor 64 hex characters (mistyped or cut off?)',
  },
  public: { variable: 'BOT_KEY', problem: "is a public key; the bot's secret key (nsec1…) belongs here" },
  curve: { variable: 'BOT_KEY', problem: 'is not a key of secp256k1' },
  locked: { variable: 'BOT_KEY_PASSWORD', problem: 'is not set, and BOT_KEY is encrypted (ncryptsec1…)' },
  password: { variable: 'BOT_KEY_PASSWORD', problem: 'does not open BOT_KEY' },
};

/** `BOT_MASTER_PUBKEY`'s one is an admin beside those of `BOT_OWNERS`. */
function ownersOf(named: readonly Owner[] = [], master: readonly Owner[] = []): readonly Owner[] {
  const roles = new Map([...master, ...named].map(({ publicKey, role }) => [publicKey, role]));
  for (const { publicKey, role } of master) roles.set(publicKey, role);
  return Array.from(roles, ([publicKey, role]) => ({ publicKey, role }));
}

/**
 * The process environment as the user's shell made it: without the program's own variables and without anything that a
 * file beside us defines, because Bun may have loaded that file into our environment.
 */
function ambientOf(
  processEnv: Environment,
  file: EnvFile | undefined,
  directory: string,
): Record<string, string> {
  const fromFiles = namesBunMayHaveLoaded(directory);
  for (const name of Object.keys(file?.values ?? {})) fromFiles.add(name);
  const ambient: Record<string, string> = {};
  for (const [name, value] of Object.entries(processEnv)) {
    if (value === undefined || fromFiles.has(name) || name === 'CREDENTIALS_DIRECTORY') continue;
    if (/^(BOT|CASHU|ROUTSTR|LOG)_/.test(name) || isVariableName(name)) continue;
    ambient[name] = value;
  }
  return ambient;
}
