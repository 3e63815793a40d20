import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { WalletConfig } from '@nostr-dm-agent/cashu-wallet';
import { createWallet } from '@nostr-dm-agent/cashu-wallet/open';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createLogger, createRedactor, keepLog, type LogDestination } from '@nostr-dm-agent/kit/log';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import type { Identity, RelayUrl } from '@nostr-dm-agent/nostr';
import { connectRelay, generateSecretKey, publicKeyOf, signEvent } from '@nostr-dm-agent/nostr';
import { type NodeUrl, parseNodeUrl } from '@nostr-dm-agent/routstr';
import { type SandboxMint, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { Upstream } from '@nostr-dm-agent/sandbox/node';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import type { AppDeps } from '../app/app.ts';
import { createAgentJail } from '../backends/agent-jail.ts';
import { approvalRules } from '../backends/approval.ts';
import { readAgentPrograms } from '../config/agent-programs.ts';
import type { Config } from '../config/config.ts';
import { readFileServers } from '../config/env-schema.ts';
import { sandboxWallLine } from '../replies/wall-replies.ts';
import { logsIn } from '../store/logs-folder.ts';
import { chatByLines, chatOnTerminal } from './chat.ts';
import { createChatClient } from './chat-client.ts';
import { createSandboxHome, type SandboxHome } from './home.ts';

/** What is in the wallet at first, and when somebody pays its invoices. */
const funds = sat(10_000);
const payAfterMs = 1500;

/** What answers the agent's model calls. */
export type SandboxModel = {
  /** For the person who watches: which model, where. */
  readonly description: string;
  /** Behind the node: every model that the node sells is this one. */
  readonly upstream: Upstream;
  readonly stop: () => Promise<void>;
};

export type SandboxParts = {
  readonly startApp: (config: Config, deps: AppDeps) => Promise<{ readonly stop: () => Promise<void> }>;
  /** Starts it and points the pretended user's agent at it. `userHome` is that user's `HOME`. */
  readonly startModel: (userHome: string) => Promise<SandboxModel>;
};

export type RunSandboxOptions = {
  readonly keep: boolean;
  readonly verbose: boolean;
  /** How long one piped line may wait for its answer. */
  readonly deadlineMs: number;
  /** Whether `input` and `output` are a terminal with somebody at it. */
  readonly terminal: boolean;
  readonly input: Readable;
  readonly output: Writable;
  readonly error: Writable;
  /** What the bot may hand on of the environment (`PATH` and the like); the user's own home is never in it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/**
 * Everything on loopback in one process: a relay, a model, the bot, and a chat in which every line is a DM to it. Ends
 * with the chat or the signal; whatever happens, all of it is stopped and the home removed (unless kept).
 * @returns the exit code of the chat
 */
export async function runSandbox(
  options: RunSandboxOptions,
  parts: SandboxParts,
  signal: AbortSignal,
): Promise<number> {
  const say = (line: string): void => void options.error.write(`${line}\n`);
  const home = createSandboxHome();
  // Whoever ends the process in a hurry (a second Ctrl-C) leaves no home behind either.
  const onExit = (): void => (options.keep ? undefined : home.remove());
  process.on('exit', onExit);
  await using ending = new AsyncDisposableStack();
  ending.defer(() => {
    process.off('exit', onExit);
    if (options.keep) say(`home    ${home.path} (kept)`);
    else home.remove();
  });

  const relay = startSandboxRelay();
  ending.defer(() => relay.stop());
  say(`relay   ${relay.url}`);

  const model = await parts.startModel(home.user);
  ending.defer(() => model.stop());
  say(`model   ${model.description}`);

  const mint = startSandboxMint({ incoming: { afterMs: payAfterMs } });
  ending.defer(() => mint.stop());
  say(`mint    ${mint.url}, pays its own invoices`);
  const wallet: WalletConfig = {
    mnemonic: generateMnemonic(wordlist),
    mintUrl: mint.url,
    mints: [],
    directory: join(home.path, 'wallet'),
    maxBalance: sat(100_000),
  };

  const node = startSandboxNode({ mints: [mint.url], upstream: model.upstream });
  ending.defer(() => node.stop());
  say(`node    ${node.url}, sells model calls for ecash`);

  const [bot, owner] = [newIdentity(), newIdentity()];
  const places = { bot, owner, relay: relay.url, home, node: parseNodeUrl(node.url), wallet };
  const walled = configOf(places, options.environment, 'auto');
  const wall = await createAgentJail(walled, []).wall(signal);
  const noWall = sandboxWallLine(wall);
  if (noWall !== undefined) say(`wall    ${noWall}`);
  // Its money is for testing: on a machine without a wall it goes on.
  const config = wall.kind === 'none' ? configOf(places, options.environment, 'none') : walled;
  const redactor = createRedactor();
  redactor.add(Buffer.from(bot.secretKey).toString('hex'));
  redactor.add(wallet.mnemonic);
  const file = keepLog(logsIn(home.bot));
  ending.defer(() => file.close());
  const destination = options.verbose ? both(file, options.error) : file;
  const log = await createLogger({ level: 'info', format: 'json', redactor, destination });
  if (signal.aborted) return 1;
  await fillWallet(wallet, mint, log, signal);
  say(`wallet  ${formatSat(funds)} for testing`);

  const app = await parts.startApp(config, {
    log,
    redact: redactor.text,
    indexers: [],
    onPage: (link) => say(`page    ${link} (good once)`),
  });
  ending.defer(() => app.stop());
  say(`bot     in ${home.workspace}`);

  const connection = connectRelay({
    url: relay.url,
    own: false,
    sign: async (template) => signEvent(template, owner.secretKey),
    clock: systemClock,
    random: Math.random,
    log: log.child({ of: 'chat' }),
  });
  ending.defer(() => connection.close());
  const leaving = new AbortController();
  ending.defer(() => leaving.abort());

  say(options.terminal ? 'ready   write a task, or !help; /quit ends it\n' : 'ready');
  const connect: Parameters<typeof chatByLines>[0] = (onMessage) =>
    createChatClient(
      { relay: connection, identity: owner, bot: bot.publicKey, clock: systemClock, log, onMessage },
      leaving.signal,
    );
  return options.terminal
    ? await chatOnTerminal(connect, options, signal)
    : await chatByLines(connect, options, options.deadlineMs, signal);
}

/** Through an invoice, as anybody fills a wallet. Nobody waits for this one to be paid. */
async function fillWallet(
  config: WalletConfig,
  mint: SandboxMint,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const wallet = createWallet(config, { log });
  try {
    const { operation, invoice } = await wallet.topUp({ amount: funds }, signal);
    mint.pay(mint.quoteOf(invoice));
    await wallet.claimTopUp(operation, signal);
  } finally {
    wallet.close();
  }
}

const newIdentity = (): Identity => {
  const secretKey = generateSecretKey();
  return { secretKey, publicKey: publicKeyOf(secretKey) };
};

const both = (file: LogDestination, error: Writable): LogDestination => ({
  write: (line) => {
    file.write(line);
    error.write(line);
  },
});

type Places = {
  readonly bot: Identity;
  readonly owner: Identity;
  readonly relay: RelayUrl;
  readonly home: SandboxHome;
  readonly node: NodeUrl;
  readonly wallet: WalletConfig;
};

/** Those of this machine: a bot's own `.env` may lie in the folder, and nothing of the sandbox goes elsewhere. */
const serversHere = (text: string): readonly string[] =>
  readFileServers(text, () => undefined).filter((server) =>
    isLoopbackHost(URL.parse(server)?.hostname ?? ''),
  );

/** What `loadConfig` would make, with nothing of the real user in it. */
function configOf(
  { bot, owner, relay, home, node, wallet }: Places,
  environment: RunSandboxOptions['environment'],
  isolation: 'auto' | 'none',
): Config {
  // A `local` run would otherwise ask for opencode's model catalogue on the internet.
  const ambient: Record<string, string> = { HOME: home.user, OPENCODE_DISABLE_MODELS_FETCH: '1' };
  for (const name of ['PATH', 'LANG', 'LC_ALL', 'TERM', 'TZ', 'TMPDIR']) {
    const value = environment[name];
    if (value !== undefined) ambient[name] = value;
  }
  return Object.freeze({
    identity: bot,
    owners: [{ publicKey: owner.publicKey, role: 'admin' as const }],
    relays: [relay],
    home: home.bot,
    workspaces: [{ name: 'workspace', directory: home.workspace }],
    backend: 'opencode' as const,
    agentHosts: [],
    agents: readAgentPrograms(environment.BOT_AGENTS ?? '', () => undefined),
    opencodeBin: environment.OPENCODE_BIN,
    cursorBin: undefined,
    model: undefined,
    warm: { servers: 2, keptMs: 900_000 },
    concurrency: 2,
    runTimeoutMs: 3_600_000,
    runIdleMs: 600_000,
    holdMs: 240_000,
    progressMs: 60_000,
    catchupMs: 21_600_000,
    historyMs: 0,
    trustWorkspace: false,
    approvals: approvalRules.find((rule) => rule === environment.BOT_APPROVALS) ?? 'off',
    isolation,
    agentNetwork: 'internet' as const,
    agentPaths: [],
    git: { name: undefined, email: undefined },
    // Whichever port is free: several sandboxes may run.
    page: { hostname: '127.0.0.1', port: 0 },
    accounts: 'shared' as const,
    proxy: undefined,
    currency: environment.BOT_CURRENCY?.toUpperCase(),
    lud16: undefined,
    fileServers: serversHere(environment.BOT_BLOSSOM ?? ''),
    fileKeptMs: 14 * 86_400_000,
    speech: undefined,
    wallet,
    node,
    fallbacks: [],
    provider: 'routstr' as const,
    logLevel: 'info' as const,
    logFormat: 'json' as const,
    ambient,
  });
}
