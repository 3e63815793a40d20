import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { announceUntilComplete, createInbox } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import packageJson from '../../package.json' with { type: 'json' };
import { createAdmission } from '../access/admission.ts';
import { createBackends } from '../backends/all-backends.ts';
import type { Backend, BackendName, RunPayment } from '../backends/backend.ts';
import { installOpencodeConfig } from '../backends/opencode-config.ts';
import { watchHealth } from '../backends/watch-health.ts';
import { createCommands } from '../commands/all-commands.ts';
import type { BotState } from '../commands/bot-commands.ts';
import { createDispatcher } from '../commands/dispatch.ts';
import type { ModelCommandDeps } from '../commands/model-commands.ts';
import { walletShorthand } from '../commands/wallet/wallet-shorthand.ts';
import type { Config } from '../config/config.ts';
import { createConnectionKeeper } from '../keys/connection-keeper.ts';
import { connectShorthand } from '../keys/keys-in-messages.ts';
import { createSealer } from '../keys/seal.ts';
import { applyShareMode } from '../money/shares.ts';
import { lockedLine, lockedNotice } from '../replies/connection-replies.ts';
import { firstSteps, readyNotice } from '../replies/ready-notice.ts';
import { shareText } from '../replies/wallet-replies.ts';
import { createCurrentSessions } from '../runs/current-sessions.ts';
import type { RunDeps } from '../runs/execute-run.ts';
import { endLeftovers, recoverRuns } from '../runs/recover-runs.ts';
import { createRunQueue } from '../runs/run-queue.ts';
import { createMessageStore } from '../store/messages-table.ts';
import { openMessaging } from './messaging.ts';
import { createMoney } from './money.ts';
import { createProviderChoice } from './provider-choice.ts';
import { rememberProblems } from './recent-problem.ts';
import { openStores } from './stores.ts';

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
 * @throws LockHeldError when another process works in `config.home`
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

  const stores = openStores(config, { clock, random }, open);
  const { atomically, owners, settings, sessions, runs, confirmations } = stores;
  const connections = createConnectionKeeper({
    db: stores.db,
    sealer: createSealer(identity.secretKey),
    home: config.home,
    protect: deps.protect ?? (() => () => undefined),
    bind: (session, provider) => sessions.update(session, { provider }),
    ...{ clock, log },
  });
  const messages = createMessageStore(stores.db, clock, connections.guard);
  const post = openMessaging(
    config,
    { ...{ stores, messages, clock, random, log }, indexers: deps.indexers, signal: stopping.signal },
    open,
  );
  const { relays, lists, outbox, messenger, tell, tellAdmins } = post;
  const money = createMoney(config, { stores, post, reached, clock, log }, open);
  const { wallet, routstr, accounts } = money;

  const hiddenPaths = [
    ...(deps.hiddenPaths ?? []),
    ...(config.wallet === undefined ? [] : [config.wallet.directory]),
  ];
  const backends = createBackends(config, { log, hiddenPaths });
  const healths = watchHealth(backends, log, stopping.signal);
  // Closing aborts first, which ends their processes, and then waits for them.
  open.defer(() => healths.done);
  open.defer(() => stopping.abort());
  const payers = createProviderChoice(config, { stores, connections, routstr });
  const runDeps: RunDeps = {
    ...{ runs, sessions, backends, messenger, atomically },
    providers: payers.providers,
    providerFor: payers.providerFor,
    limits: { timeoutMs: config.runTimeoutMs, idleMs: config.runIdleMs },
    progressMs: config.progressMs,
    holdMs: config.holdMs,
    ...{ settleMs, reached, clock, log },
  };
  const newId = () => crypto.randomUUID().slice(0, 8);
  const queue = createRunQueue({ ...runDeps, concurrency: config.concurrency, newId });
  const currentSessions = createCurrentSessions({
    defaults: {
      workspaces: config.workspaces,
      backend: config.backend,
      model: config.model,
      mode: 'agent',
    },
    ...{ sessions, settings, clock, random },
  });

  const state: BotState = {
    version: packageJson.version,
    startedAt,
    relays: () => relays.own.map((relay) => relay.status()),
    outbox: outbox.status,
    health: healths.of,
    provider: payers.line,
    wallet: (owner) => {
      const account = accounts.of(owner);
      return account?.role === 'member' ? shareText(account).split('\n')[0] : wallet.status();
    },
    lastProblem,
  };
  const registry = createCommands({
    bot: identity.publicKey,
    ...{
      state,
      owners,
      currentSessions,
      queue,
      runs,
      settings,
      messages,
      confirmations,
      accounts,
      routstr,
      clock,
    },
    invites: stores.invites,
    ownerRemoved: (owner) => {
      for (const { provider } of stores.keys.list(owner)) stores.keys.revoke(owner, provider);
    },
    randomBytes,
    rests: post.rests,
    models: modelsOf(backends, (owner) => payers.listingFor(owner, currentSessions.current(owner)?.provider)),
    purse: wallet,
    nodes: money.nodes,
    chosenBy: payers.chosenBy,
    connected: connections.connected,
    connections: connections.commands,
  });
  const door = createAdmission({
    ...{ owners, messenger, tell, log },
    invites: stores.invites,
    monotonic: () => performance.now(),
  });
  const dispatcher = createDispatcher({
    ...{ registry, door, messages, owners, currentSessions, sessions, queue, messenger, atomically },
    shorthand: (owner, text) => connectShorthand(text) ?? walletShorthand(confirmations, owner, text),
    memberBudget: routstr.budget,
    redact: deps.redact,
    catchupMs: config.catchupMs,
    ...{ gatherMs, commandTimeoutMs, clock, log },
  });
  const inbox = createInbox({
    relays: relays.own,
    store: messages,
    isOwner: (publicKey) => owners.roleOf(publicKey) !== undefined,
    strangers: door.strangers,
    onMessage: dispatcher.accept,
    ...{ identity, clock, log },
  });

  inbox.start(stopping.signal);
  outbox.start(stopping.signal);
  for (const { publicKey } of owners.list()) lists.warm(publicKey);

  await installOpencodeConfig(config.home);
  const ended = endLeftovers({ runs, backends }, stopping.signal);
  // Only now: the relays connect while its code is loaded. Its money is in order before anybody may spend it.
  await wallet.open();
  if (config.wallet !== undefined) {
    applyShareMode(wallet.wallet(), config.accounts, clock);
    const provider = await routstr.open(wallet.wallet());
    payers.providers.set(provider.name, provider);
  }
  // An agent that is still alive is still spending.
  const processes = await ended;
  const inWallet = await wallet.recover();
  if (config.wallet !== undefined) {
    const { serveWalletSocket, walletSocketPath } = await import('@nostr-dm-agent/cashu-wallet/remote');
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
  const unpaid = payers.unpaid();
  if (unpaid !== undefined) {
    log.warn({ needed: 'CASHU_MNEMONIC' }, 'provider routstr is set, but there is no wallet');
  }
  tellAdmins(
    readyNotice(packageJson.version, waiting, {
      ...recovered,
      processes,
      lines: [
        ...(messages.createdAt >= startedAt && config.provider === 'local'
          ? firstSteps(config.wallet !== undefined)
          : []),
        ...inWallet,
        ...recovered.lines,
        ...(unpaid === undefined ? [] : [unpaid]),
        ...lockedLine(locked.length),
      ],
    }),
  );
  void announceUntilComplete(
    { ...{ identity, relays, profile, clock, log, random }, indexers: post.indexers },
    stopping.signal,
  );
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
