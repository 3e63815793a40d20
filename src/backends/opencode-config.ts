import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { writeNewFile } from '@nostr-dm-agent/kit/files';
import type { ParseError } from 'jsonc-parser';
import { z } from 'zod';
import type { Mode, RunPayment } from './backend.ts';
import { readPlainFile } from './jail/pins.ts';

/** A configuration of opencode that cannot be used; the message says which file and what is wrong with it. */
export class OpencodeConfigError extends Error {
  override readonly name = 'OpencodeConfigError';
  readonly path: string;
  readonly problem: string;
  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path}: ${problem}`, { cause });
    this.path = path;
    this.problem = problem;
  }
}

const jsonObject = z.record(z.string(), z.unknown());
export type Json = z.infer<typeof jsonObject>;

export const isObject = (value: unknown): value is Json => jsonObject.safeParse(value).success;

/** The `opencode.json` that ships with this package. */
export const shippedConfigPath = fileURLToPath(new URL('../../opencode.json', import.meta.url));

/** Reads a configuration with comments and trailing commas. Undefined when there is no such file. */
const readConfig = async (path: string): Promise<Json | undefined> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new OpencodeConfigError(path, 'cannot be read', error);
  }
  const { parse, printParseErrorCode } = await import('jsonc-parser');
  const errors: ParseError[] = [];
  const parsed = jsonObject.safeParse(parse(text, errors, { allowTrailingComma: true }));
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    throw new OpencodeConfigError(path, `${printParseErrorCode(first.error)} in line ${line}`);
  }
  if (!parsed.success) throw new OpencodeConfigError(path, 'is not a JSON object');
  return parsed.data;
};

/** `BOT_HOME/opencode.json`: the configuration that the bot runs with and that its owner may edit. */
export const configPath = (botHome: string): string => join(botHome, 'opencode.json');

/**
 * Puts the configuration that ships into `botHome` (0600, all or nothing), unless there is one already.
 * @throws when the folder cannot be written
 */
export const installOpencodeConfig = async (botHome: string): Promise<'created' | 'kept'> => {
  await mkdir(botHome, { recursive: true, mode: 0o700 });
  return writeNewFile(configPath(botHome), await readFile(shippedConfigPath)) ? 'created' : 'kept';
};

/** The bot's configuration, or what ships when there is none. @throws OpencodeConfigError */
export const readBotConfig = async (botHome: string): Promise<{ bot: Json; shipped: Json }> => {
  const [shipped = {}, bot] = await Promise.all([
    readConfig(shippedConfigPath),
    readConfig(configPath(botHome)),
  ]);
  return { bot: bot ?? shipped, shipped };
};

/** `over` wins; objects are merged, everything else is replaced as a whole. */
const mergeConfig = (under: Json, over: Json): Json => {
  const merged: Json = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? mergeConfig(below, value) : value;
  }
  return merged;
};

/** A workspace's instructions are read into every request: longer ones are cut off. */
const longestInstructions = 64 * 1024;

/**
 * The workspace's `AGENTS.md`, else its `CLAUDE.md`, as opencode would choose. Only a regular file: a link could put any
 * file of this machine into the prompt.
 */
export const workspaceInstructions = (
  workspace: string,
): { readonly name: string; readonly text: string; readonly cut: boolean } | undefined => {
  for (const name of ['AGENTS.md', 'CLAUDE.md']) {
    const text = readPlainFile(join(workspace, name), longestInstructions + 1);
    if (text === undefined) continue;
    const cut = text.length > longestInstructions;
    return {
      name,
      cut,
      text: cut ? `${text.slice(0, longestInstructions)}\n\n[${name} is longer than this]\n` : text,
    };
  }
  return undefined;
};

const providerOf = (model: unknown): string | undefined =>
  typeof model === 'string' ? model.split('/', 1)[0] : undefined;

/** Names of the variables that a configuration takes values from: `{env:NAME}`. */
export const variablesOf = (config: unknown): readonly string[] =>
  Array.from((JSON.stringify(config) ?? '').matchAll(/\{env:([A-Za-z_]\w*)\}/g), ([, name]) => name ?? '');

/** What the bot needs to know of the user's own opencode configuration. */
export type UserConfig = {
  /** Variables that it takes values from. */
  readonly variables: readonly string[];
  /** Its default model. */
  readonly model: string | undefined;
  /** All of it. */
  readonly files: readonly Json[];
};

/** Reads the user's own configuration. What of it cannot be parsed is opencode's to complain about. */
export const readUserConfig = async (configHome: string): Promise<UserConfig> => {
  const variables: string[] = [];
  const files: Json[] = [];
  let model: string | undefined;
  for (const file of ['config.json', 'opencode.json', 'opencode.jsonc']) {
    try {
      const config = await readConfig(join(configHome, 'opencode', file));
      if (config === undefined) continue;
      files.push(config);
      const providers = isObject(config.provider) ? Object.values(config.provider) : [];
      const declared = providers.flatMap((provider) =>
        isObject(provider) && Array.isArray(provider.env) ? provider.env : [],
      );
      variables.push(...variablesOf(config), ...declared.filter((name) => typeof name === 'string'));
      if (typeof config.model === 'string') model = config.model;
    } catch (error) {
      if (!(error instanceof OpencodeConfigError)) throw error;
    }
  }
  return { variables, model, files };
};

/** The providers that may serve a run that somebody else pays for. */
const payingProviders = (payment: RunPayment, model: string | undefined): readonly string[] => {
  const { configuration } = payment;
  const named = z.array(z.string()).safeParse(configuration.enabled_providers);
  if (named.success) return named.data;
  if (isObject(configuration.provider)) return Object.keys(configuration.provider);
  const provider = providerOf(configuration.model) ?? providerOf(model);
  return provider === undefined ? [] : [provider];
};

/**
 * Whether a run with this model needs opencode's own catalogue: not where the configuration describes every model that it
 * may call. To read the catalogue takes opencode a third of its start.
 */
export const needsCatalogue = (config: Json, model: string | undefined): boolean => {
  const agents = isObject(config.agent) ? Object.values(config.agent) : [];
  const others = [config.small_model, ...agents.map((agent) => isObject(agent) && agent.model)];
  return ![model, ...others.filter(Boolean)].every((called) => {
    const id = providerOf(called);
    const provider = id !== undefined && isObject(config.provider) ? config.provider[id] : undefined;
    const models = isObject(provider) && typeof provider.npm === 'string' ? provider.models : undefined;
    return isObject(models) && Object.hasOwn(models, String(called).slice(`${id}/`.length));
  });
};

/** Without the providers that may not serve, and without a default model of theirs. */
const withProviders = (config: Json, serves: (id: string, provider: unknown) => boolean): Json => {
  const all = isObject(config.provider) ? config.provider : {};
  const kept = Object.entries(all).filter(([id, provider]) => serves(id, provider));
  const { model, small_model, provider: _, ...rest } = config;
  const models = Object.entries({ model, small_model }).filter(([, value]) => {
    const id = providerOf(value);
    return id !== undefined && serves(id, all[id]);
  });
  return { ...rest, ...Object.fromEntries(models), provider: Object.fromEntries(kept) };
};

/** Without a prompt of its own an agent has opencode's, which is not to be replaced. */
const withHandOver = ({ prompt }: Json): Json =>
  typeof prompt !== 'string' ? {} : { prompt: `${prompt}\n\n${handOver}` };
const handOver =
  'Where a file that you made is itself what the reader wants (a picture, a PDF, a report), put a line `FILE: path` for it into your last message: it is sent along.';

/**
 * The configuration of one run, to be handed over as `OPENCODE_CONFIG_CONTENT`, which beats the user's and the
 * workspace's files. Automatic compaction stays on, so that a long session goes on; where it never ends (a provider
 * that refuses every size, a wrong `limit.context`) the loop guard ends the run.
 */
export const composeConfig = (options: {
  readonly bot: Json;
  readonly shipped: Json;
  readonly payment: RunPayment;
  /** The agents that there are; the first is the default. */
  readonly modes: readonly [Mode, ...Mode[]];
  readonly model: string | undefined;
  /** What the process will see: a provider whose `{env:…}` key is not there cannot serve. */
  readonly environment: Readonly<Record<string, string>>;
  readonly instructions: readonly string[];
  readonly trustWorkspace: boolean;
  /** What its answer names can be sent as a file (`src/files/named-files.ts`). */
  readonly handsOver: boolean;
}): Json => {
  const { payment, modes, environment } = options;
  const paying = payment.credentials === 'provided' ? payingProviders(payment, options.model) : undefined;
  const usable = withProviders(options.bot, (id, provider) =>
    paying === undefined
      ? variablesOf(provider).every((name) => environment[name] !== undefined)
      : paying.includes(id),
  );
  const merged = mergeConfig(usable, payment.configuration);
  // An agent that is not there is replaced by opencode's default one, and one without permissions may do anything:
  // what the owner left out is as it ships.
  const shippedAgents = isObject(options.shipped.agent) ? options.shipped.agent : {};
  const agents = isObject(merged.agent) ? merged.agent : {};
  const agentOf = (mode: Mode): Json => {
    const shippedAgent = isObject(shippedAgents[mode]) ? shippedAgents[mode] : {};
    const agent = mergeConfig(shippedAgent, isObject(agents[mode]) ? agents[mode] : {});
    const told = options.handsOver && mode === 'agent' ? withHandOver(agent) : {};
    return { ...agent, ...told, mode: 'primary', disable: false };
  };
  const instructions = Array.isArray(merged.instructions) ? merged.instructions : [];
  return {
    ...merged,
    autoupdate: false,
    share: 'disabled',
    default_agent: modes[0],
    agent: { ...agents, ...Object.fromEntries(modes.map((mode) => [mode, agentOf(mode)])) },
    ...(paying === undefined ? {} : { enabled_providers: paying }),
    instructions: [...instructions, ...options.instructions],
    // Language servers and formatters are programs that a workspace may bring along.
    ...(options.trustWorkspace ? {} : { lsp: false, formatter: false }),
  };
};
