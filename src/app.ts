import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import * as nip19 from 'nostr-tools/nip19';
import packageJson from '../package.json' with { type: 'json' };
import { applyAccountMode, createAccountBook } from './accounts.ts';
import { createBackends } from './backends/factory.ts';
import { installOpencodeConfig } from './backends/opencode-config.ts';
import type { Backend, BackendName, RunPayment } from './backends/types.ts';
import { watchHealth } from './backends/watch-health.ts';
import { type Clock, systemClock } from './clock.ts';
import { createCommands } from './commands/all.ts';
import type { BotState } from './commands/bot.ts';
import { connectShorthand } from './commands/conceal.ts';
import { createDispatcher } from './commands/dispatch.ts';
import { createDoor } from './commands/door.ts';
import type { ModelCommandDeps } from './commands/models.ts';
import { walletShorthand } from './commands/wallet/shorthand.ts';
import type { Config } from './config.ts';
import { createConnectionsService } from './connections-service.ts';
import { createAwaitedStore } from './db/awaited.ts';
import { createConfirmations } from './db/confirmations.ts';
import { createConnectionStore } from './db/connections.ts';
import { createInviteStore } from './db/invites.ts';
import { acquireLock } from './db/lock.ts';
import { createMessageStore } from './db/messages.ts';
import { createMeta } from './db/meta.ts';
import { openDatabase } from './db/open.ts';
import { createOutboxStore } from './db/outbox.ts';
import { createOwners } from './db/owners.ts';
import { createRelayListStore } from './db/relay-lists.ts';
import { createRunStore } from './db/runs.ts';
import { botMigrations } from './db/schema.ts';
import { createSessionStore } from './db/sessions.ts';
import { createSettingsStore } from './db/settings.ts';
import type { Logger } from './log.ts';
import { createNodesService } from './nodes-service.ts';
import { announceUntilComplete } from './nostr/announce.ts';
import { signEvent } from './nostr/event.ts';
import { createInbox } from './nostr/inbox.ts';
import { createNodeBoard, NODE_RELAYS, ROUTSTR_REVIEWER } from './nostr/node-announcements.ts';
import { createOutbox } from './nostr/outbox.ts';
import { assertPublicHost } from './nostr/public-host.ts';
import { createRelayLists, DEFAULT_INDEXERS } from './nostr/relay-lists.ts';
import { hostOf, isLoopbackHost } from './nostr/relay-url.ts';
import { createRelays } from './nostr/relays.ts';
import type { PublicKey, RelayUrl } from './nostr/types.ts';
import { createLocalProvider } from './providers/local.ts';
import type { Provider } from './providers/types.ts';
import { rememberProblems } from './recent-problem.ts';
import { lockedLine, lockedNotice } from './replies/connections.ts';
import { createCorrespondence } from './replies/correspondence.ts';
import { readyNotice } from './replies/ready.ts';
import { accountText } from './replies/wallet.ts';
import { createRoutstrService } from './routstr-service.ts';
import { createSessionDesk } from './runs/desk.ts';
import type { RunDeps } from './runs/execute.ts';
import { createRunQueue } from './runs/queue.ts';
import { endLeftovers, recoverRuns } from './runs/recover.ts';
import { createSealer } from './seal.ts';
import { createWalletService } from './wallet-service.ts';

export type AppDeps = {
  readonly log: Logger;
  /** Takes secrets out of a text that an owner will read. */
  readonly redact: (text: string) => string;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect?: (secret: string) => () => void;
  readonly clock?: Clock;
  /** Files and folders that an isolated agent must not see, beside `BOT_HOME`: the `.env` that was read. */
  readonly hiddenPaths?: readonly string[];
  /** Asked for relay lists beside the bot's own relays. Default: well-known public ones. */
  readonly indexers?: readonly RelayUrl[];
  /** For tests that end the process at a moment between two of which everything is on disk. */
  readonly onCheckpoint?: (checkpoint: string) => void;
};

/** A running bot. */
export type App = {
  readonly publicKey: PublicKey;
  /** Ends every run with all its processes, answers, delivers what it can, closes everything. */
  readonly stop: () => Promise<void>;
};

/** How long settling a run, a graceful stop's deliveries, a command, and gathering missed messages may take. */
const settleMs = 60_000;
const flushMs = 5_000;
const commandTimeoutMs = 60_000;
const gatherMs = 2_000;

/** What others see of the bot, until it is edited from a client. */
const profile = {
  name: 'nostr-dm-agent',
  about: 'A coding agent that works for its owner by DM.',
};

/**
 * Opens, wires, starts and recovers the bot. Resolves once everything that an earlier life left open is settled and
 * messages are acted on; the relays connect meanwhile.
 *
 * @throws AlreadyRunningError when another process works in `config.home`
 */
export async function startApp(config: Config, deps: AppDeps): Promise<App> {
  const open = new AsyncDisposableStack();
  try {
    return await wire(config, deps, open);
  } catch (error) {
    await open.disposeAsync();
    throw error;
  }
}

/** What is opened goes on the stack, to be closed in the opposite order. */
async function wire(config: Config, deps: AppDeps, open: AsyncDisposableStack): Promise<App> {
  const clock = deps.clock ?? systemClock;
  const startedAt = clock.now();
  const { log, lastProblem } = rememberProblems(deps.log, deps.redact, clock);
  const { identity } = config;
  const random = Math.random;
  const stopping = new AbortController();
  const reached = deps.onCheckpoint ?? (() => undefined);

  open.defer(acquireLock(config.home).release);
  const db = openDatabase(join(config.home, 'bot.db'), botMigrations);
  open.defer(() => db.close());
  const atomically = (change: () => void) => db.transaction(change).immediate();
  const owners = createOwners(db, config.owners, clock);
  const invites = createInviteStore(db, clock);
  const keys = createConnectionStore(db, clock);
  const settings = createSettingsStore(db);
  const sessions = createSessionStore(db);
  const connections = createConnectionsService({
    db,
    sealer: createSealer(identity.secretKey),
    home: config.home,
    protect: deps.protect ?? (() => () => undefined),
    bind: (session, provider) => sessions.update(session, { provider }),
    ...{ clock, log },
  });
  const messages = createMessageStore(db, clock, connections.guard);
  const runs = createRunStore(db);

  // A bot on loopback relays is a sandbox: owners' inboxes may be on loopback too, their lists are at no public indexer.
  const allowLoopback = config.relays.every((url) => isLoopbackHost(hostOf(url)));
  const relays = createRelays({
    own: config.relays,
    sign: async (template) => signEvent(template, identity.secretKey),
    clock,
    random,
    log,
    assertHost: (url, signal) => assertPublicHost(url, signal, { allowLoopback }),
  });
  open.defer(relays.close);
  const indexers = deps.indexers ?? (allowLoopback ? [] : DEFAULT_INDEXERS);
  const lists = createRelayLists({
    relays,
    indexers,
    store: createRelayListStore(db),
    clock,
    log,
    signal: stopping.signal,
  });
  const outbox = createOutbox({
    identity,
    relays,
    lists,
    store: createOutboxStore(db),
    clock,
    random,
    log,
  });

  const correspondence = createCorrespondence(outbox);
  /** In the protocol that he wrote in last. */
  const tell = (publicKey: PublicKey, text: string): void => {
    const protocol = messages.history(publicKey, 1).at(-1)?.protocol ?? 'nip17';
    outbox.send({ publicKey, protocol, fallbackRelays: config.relays }, text);
  };
  const tellAdmins = (text: string): void => {
    for (const { publicKey, role } of owners.list()) if (role === 'admin') tell(publicKey, text);
  };

  const meta = createMeta(db);
  const wallet = createWalletService({
    config: config.wallet,
    awaited: createAwaitedStore(db),
    meta,
    roleOf: owners.roleOf,
    accountOf: (owner) => accounts.of(owner),
    ...{ correspondence, tellAdmins, atomically, clock, log, reached },
  });
  open.defer(wallet.close);
  const nodes = createNodesService({
    configured: config.node,
    fallbacks: config.fallbacks,
    home: config.home,
    board: createNodeBoard({
      ...{ relays, allowLoopback, clock, log },
      sources: allowLoopback ? [] : NODE_RELAYS,
      reviewer: ROUTSTR_REVIEWER,
    }),
    meta,
    wallet: () => (config.wallet === undefined ? undefined : wallet.wallet()),
    ...{ allowLoopback, clock, log },
  });
  open.defer(nodes.close);
  const routstr = createRoutstrService({
    nodes,
    fallbacks: config.fallbacks,
    home: config.home,
    model: config.model,
    holdMs: config.holdMs,
    ownerLimit: (owner) => {
      const known = owners.list().find(({ publicKey }) => publicKey === owner);
      return known && settings.get(known.publicKey, 'dayLimit');
    },
    ownMoney: (owner) => accounts.of(owner)?.available,
    meta,
    announce: ({ owner, text }) => {
      const to = owners.list().find(({ publicKey }) => publicKey === owner);
      // Who was removed meanwhile is told nothing.
      if (to !== undefined) tell(to.publicKey, text);
    },
    reached,
    clock,
    log,
  });
  open.defer(routstr.close);
  const accounts = createAccountBook({ wallet: wallet.wallet, usedSince: routstr.usedSince, owners });

  const hiddenPaths = [
    ...(deps.hiddenPaths ?? []),
    ...(config.wallet === undefined ? [] : [config.wallet.directory]),
  ];
  const backends = createBackends(config, { log, hiddenPaths });
  const healths = watchHealth(backends, log, stopping.signal);
  // Closing aborts first, which ends their processes, and then waits for them.
  open.defer(() => healths.done);
  open.defer(() => stopping.abort());
  const local = createLocalProvider();
  const providers = new Map<string, Provider>(
    [local, ...connections.providers].map((provider) => [provider.name, provider]),
  );
  const chosenBy = (owner: PublicKey): string => settings.get(owner, 'provider') ?? config.provider;
  const runDeps: RunDeps = {
    runs,
    sessions,
    backends,
    providers,
    payerOf: (session) => {
      const { name, without, note } = connections.payerOf(session, chosenBy(session.owner));
      const provider = providers.get(name);
      if (provider === undefined) return { provider: local, note: insteadOf(name) };
      return { provider: without === undefined ? provider : withoutModelsOf(without, provider), note };
    },
    correspondence,
    atomically,
    limits: { timeoutMs: config.runTimeoutMs, idleMs: config.runIdleMs },
    progressMs: config.progressMs,
    holdMs: config.holdMs,
    settleMs,
    reached,
    clock,
    log,
  };
  const newId = () => crypto.randomUUID().slice(0, 8);
  const queue = createRunQueue({ ...runDeps, concurrency: config.concurrency, newId });
  const desk = createSessionDesk({
    defaults: {
      workspaces: config.workspaces,
      backend: config.backend,
      model: config.model,
      mode: 'agent',
    },
    sessions,
    settings,
    clock,
    random,
  });

  const state: BotState = {
    version: packageJson.version,
    startedAt,
    relays: () => relays.own.map((relay) => relay.status()),
    outbox: outbox.status,
    health: healths.of,
    provider: (owner) =>
      chosenBy(owner) === 'routstr'
        ? (routstr.line() ?? `local (${noWalletForRoutstr})`)
        : (connections.line(owner, chosenBy(owner)) ?? 'local (the backend’s own login)'),
    wallet: (owner) => {
      const account = accounts.of(owner);
      return account?.role === 'member' ? accountText(account).split('\n')[0] : wallet.status();
    },
    lastProblem,
  };
  const confirmations = createConfirmations(db, clock, random);
  const registry = createCommands({
    bot: identity.publicKey,
    state,
    owners,
    invites,
    ownerRemoved: (owner) => {
      for (const { provider } of keys.list(owner)) keys.revoke(owner, provider);
    },
    randomBytes,
    desk,
    queue,
    runs,
    settings,
    messages,
    models: modelsOf(backends, (owner) =>
      connections.listing(owner, desk.current(owner)?.provider ?? chosenBy(owner)),
    ),
    purse: wallet,
    routstr,
    nodes,
    chosenBy,
    connected: connections.connected,
    connections: connections.commands,
    confirmations,
    accounts,
    clock,
  });
  const door = createDoor({
    ...{ invites, owners, correspondence, tell, log },
    monotonic: () => performance.now(),
  });
  const dispatcher = createDispatcher({
    registry,
    door,
    messages,
    owners,
    desk,
    sessions,
    queue,
    correspondence,
    atomically,
    shorthand: (owner, text) => connectShorthand(text) ?? walletShorthand(confirmations, owner, text),
    memberBudget: routstr.budget,
    redact: deps.redact,
    catchupMs: config.catchupMs,
    gatherMs,
    commandTimeoutMs,
    clock,
    log,
  });
  const inbox = createInbox({
    identity,
    relays: relays.own,
    store: messages,
    isOwner: (publicKey) => owners.roleOf(publicKey) !== undefined,
    guests: door.guests,
    clock,
    log,
    onMessage: dispatcher.accept,
  });

  inbox.start(stopping.signal);
  outbox.start(stopping.signal);
  for (const { publicKey } of owners.list()) lists.warm(publicKey);

  await installOpencodeConfig(config.home);
  const ended = endLeftovers({ runs, backends }, stopping.signal);
  // Only now: the relays connect while its code is loaded. Its money is in order before anybody may spend it.
  await wallet.open();
  if (config.wallet !== undefined) {
    applyAccountMode(wallet.wallet(), config.accounts, clock);
    const provider = await routstr.open(wallet.wallet());
    providers.set(provider.name, provider);
  }
  // An agent that is still alive is still spending.
  const processes = await ended;
  const inWallet = await wallet.recover();
  if (config.wallet !== undefined) {
    const { serveWalletSocket, walletSocketPath } = await import('./wallet-cli/server.ts');
    open.defer(serveWalletSocket(wallet.wallet(), walletSocketPath(config.home), { clock, log }).close);
  }
  const recovered = await recoverRuns({ ...runDeps, catchupMs: config.catchupMs }, stopping.signal);
  routstr.start();
  const locked = connections.check();
  for (const { publicKey } of owners.list()) {
    const his = locked.filter(({ owner }) => owner === publicKey).map(({ provider }) => provider);
    if (his.length > 0) tell(publicKey, lockedNotice(his));
  }
  const waiting = queue.list().length;
  queue.start();
  dispatcher.start();
  const unpaid =
    config.wallet === undefined && owners.list().some(({ publicKey }) => chosenBy(publicKey) === 'routstr');
  if (unpaid) log.warn({ needed: 'CASHU_MNEMONIC' }, 'provider routstr is set, but there is no wallet');
  tellAdmins(
    readyNotice(packageJson.version, waiting, {
      ...recovered,
      processes,
      lines: [
        ...inWallet,
        ...recovered.lines,
        ...(unpaid ? [insteadOf('routstr')] : []),
        ...lockedLine(locked.length),
      ],
    }),
  );
  void announceUntilComplete({ identity, relays, indexers, profile, clock, log, random }, stopping.signal);
  log.info({ npub: nip19.npubEncode(identity.publicKey), ms: clock.now() - startedAt }, 'ready');

  return {
    publicKey: identity.publicKey,
    stop: async () => {
      await dispatcher.close();
      await queue.close();
      await outbox.flush(flushMs, stopping.signal);
      await open.disposeAsync();
    },
  };
}

const noWalletForRoutstr = 'routstr is set, but there is no wallet: CASHU_MNEMONIC is missing';
/** The provider that was chosen is not there. */
const insteadOf = (name: string): string =>
  name === 'routstr'
    ? `Provider ${noWalletForRoutstr}. Runs use local.`
    : `Provider ${name} is not connected, so local was used.`;

const modelsOf =
  (
    backends: ReadonlyMap<BackendName, Backend>,
    paymentOf: (owner: PublicKey) => RunPayment | undefined,
  ): ModelCommandDeps['models'] =>
  async (owner, name, signal) => {
    const own: RunPayment = { credentials: 'own', variables: {}, configuration: {} };
    const payment = name === 'opencode' ? paymentOf(owner) : undefined;
    return (await backends.get(name)?.models(payment ?? own, signal)) ?? [];
  };

/** A provider that is not asked for models of another one. */
const withoutModelsOf = (other: string, provider: Provider): Provider => ({
  ...provider,
  model: (chosen) => {
    const wanted = chosen?.startsWith(`${other}/`) ? undefined : chosen;
    return provider.model === undefined ? wanted : provider.model(wanted);
  },
});
