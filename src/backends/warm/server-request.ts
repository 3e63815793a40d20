import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Mode, RunPayment } from '../backend.ts';
import type { Cell, LaunchRequest } from '../jail/types.ts';
import { isObject, type Json } from '../opencode-config.ts';
import { askFirst } from './approval-rules.ts';

/** What one opencode gets to know, whether it works for one task or for many. */
export type Material = Pick<
  LaunchRequest,
  'endpoints' | 'homeFiles' | 'homeTexts' | 'texts' | 'identity' | 'hideCode'
> & {
  /** Secrets of who pays among it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly configuration: Json;
  readonly model: string | undefined;
};

/** One server: for whom, where, and who pays. */
export type ServerPlan = {
  readonly id: string;
  readonly owner: string;
  readonly workspace: string;
  readonly payment: RunPayment;
  readonly modes: readonly [Mode, ...Mode[]];
  readonly password: string;
};

export type ServerRequest = LaunchRequest & {
  /** The first lines of its standard input. Secret. */
  readonly stdin: string;
  /** As its agents would have it if nobody could be asked. */
  readonly configuration: Json;
};

/** In the environment of every process of every server of one bot. */
export const serverVariable = 'NOSTR_DM_AGENT_SERVER';
/** The bot with this home, as its servers name it. */
export const serverMark = (botHome: string): string =>
  createHash('sha256').update(botHome).digest('hex').slice(0, 16);

/** The workspace's instructions, which the bot writes anew before each run. */
export const instructionsName = 'AGENTS.md';
const port = 4096;
const pluginName = 'warm.ts';
const plugin = readFileSync(fileURLToPath(new URL('./inside/plugin.ts', import.meta.url)), 'utf8');
/** Linux refuses a longer variable (MAX_ARG_STRLEN is 128 KiB). */
const longestVariable = 100_000;

/** Names of variables that tell agents nothing; all else that who pays brings along is handed over in secret. */
const plainVariable =
  /^(?:OPENCODE_(?!API_KEY)\w+|NOSTR_DM_AGENT_\w+|HTTPS?_PROXY|ALL_PROXY|NO_PROXY|\w+_(?:REGION|URL))$/i;
const isOneLine = (value: string): boolean => !/[\n\r\0]/.test(value);

/** How a server is started: what it is told in secret comes by its standard input, and what protects it by a plugin. */
export const serverRequest = (
  plan: ServerPlan,
  material: Material,
  at: { readonly file: string; readonly cell: Cell; readonly home: string; readonly snapshots: string },
): ServerRequest => {
  const { environment: all, configuration, ...rest } = material;
  // Without a wall it listens on this machine's own loopback, on a port that is free.
  const walled = at.cell.wall === 'bwrap';
  const { OPENCODE_PURE: _, ...environment } = all;
  const text = (blank: readonly string[]): string =>
    JSON.stringify({
      ...askFirst(configuration, plan.modes),
      // A no is told to the agent, which goes on: also one that opencode takes for several asks, or that comes without words.
      experimental: {
        ...(isObject(configuration.experimental) ? configuration.experimental : {}),
        continue_loop_on_deny: true,
      },
      // What was there before a task, for `!diff` and `!undo`.
      snapshot: true,
      plugin: [
        ...(Array.isArray(configuration.plugin) ? configuration.plugin : []),
        [`file://${at.cell.textPath(pluginName)}`, { blank }],
      ],
    });
  const secret = Object.entries(environment).filter(
    ([name, value]) => !plainVariable.test(name) && isOneLine(value),
  );
  const blank = [...secret.map(([name]) => name), 'OPENCODE_CONFIG_CONTENT', 'OPENCODE_SERVER_PASSWORD'];
  const config = text(blank);
  const long = config.length > longestVariable;
  const secrets: readonly (readonly [string, string])[] = [
    ['OPENCODE_SERVER_PASSWORD', plan.password],
    ...(long ? [] : [['OPENCODE_CONFIG_CONTENT', config] as const]),
    ...secret,
  ];
  const hidden = new Set(secret.map(([name]) => name));
  const agents = isObject(configuration.agent) ? configuration.agent : {};
  return {
    ...rest,
    file: at.file,
    args: ['serve', '--hostname=127.0.0.1', `--port=${walled ? port : 0}`],
    environment: {
      ...Object.fromEntries(Object.entries(environment).filter(([name]) => !hidden.has(name))),
      [serverVariable]: serverMark(at.home),
      ...(long ? { OPENCODE_CONFIG: at.cell.textPath('server.json') } : {}),
    },
    // opencode writes it where it is missing, and does not work without.
    homeTexts: { ...material.homeTexts, '.config/opencode/.gitignore': 'node_modules\n' },
    homeFiles: [
      ...material.homeFiles,
      { from: at.snapshots, at: '.local/share/opencode/snapshot', writable: true },
    ],
    texts: { ...material.texts, [pluginName]: plugin, ...(long ? { 'server.json': config } : {}) },
    closed: ['.config/opencode'],
    secrets: secrets.map(([name]) => name),
    stdin: secrets.map(([, value]) => `${value}\n`).join(''),
    serve: walled ? port : undefined,
    startIn: 'home',
    configuration: { ...configuration, agent: agents },
  };
};
