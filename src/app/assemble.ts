import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { proxyReport } from '@nostr-dm-agent/kit/net';
import { inboxServiceOf, keepAnnounced } from '@nostr-dm-agent/nostr';
import type { PageSource } from '@nostr-dm-agent/page';
import * as nip19 from 'nostr-tools/nip19';
import packageJson from '../../package.json' with { type: 'json' };
import { createAgentJail } from '../backends/agent-jail.ts';
import { createBackends } from '../backends/all-backends.ts';
import type { BackendName } from '../backends/backend.ts';
import { onAgentHosts } from '../backends/hosts/hosted-backend.ts';
import type { AgentHosts } from '../backends/hosts/hosts.ts';
import { watchHealth } from '../backends/watch-health.ts';
import type { Config } from '../config/config.ts';
import { makeDefaultWorkspace } from '../config/default-workspace.ts';
import { createConnectionKeeper } from '../keys/connection-keeper.ts';
import { createLoginKeeper } from '../keys/login-keeper.ts';
import { createSealer } from '../keys/seal.ts';
import { botHealth } from '../page/bot-health.ts';
import { createBotMetrics, type MetricsDeps } from '../page/bot-metrics.ts';
import { createPage } from '../page/open-page.ts';
import { createOperatorFacts, type OperatorFactsDeps } from '../page/operator-facts.ts';
import { createPageFacts, type PageFactsDeps } from '../page/page-facts.ts';
import { loginOverText } from '../replies/login-replies.ts';
import { createMessageStore } from '../store/messages-table.ts';
import type { Stores } from '../store/open-stores.ts';
import type { App, AppDeps } from './app-deps.ts';
import type { Basics } from './basics.ts';
import { watchClock } from './clock-watch.ts';
import { waitToAct, watchFence } from './fencing.ts';
import { forgetHistory } from './forget-history.ts';
import { createIntake } from './intake.ts';
import { keepInboxRecord } from './keep-inbox-record.ts';
import { type Messaging, openMessaging } from './messaging.ts';
import { createMoney } from './money.ts';
import type { OneBot } from './one-bot.ts';
import { createOperatorTools } from './operator-tools.ts';
import { isKeyKnown } from './own-key.ts';
import type { Problem } from './recent-problem.ts';
import type { OpenRelays } from './relays.ts';
import { reportMissing } from './report-missing.ts';
import { createShell } from './shell.ts';
import { begin, recover } from './startup.ts';
import { watchWall } from './watch-wall.ts';
import { createWork } from './work.ts';

/** How long a graceful stop's deliveries may take. */
const flushMs = 5_000;

/** How long the first message may wait for what there is to say about the wall around agents. */
const wallPatienceMs = 2_000;

const { version } = packageJson;

/** What others see of the bot, until it is edited from a client. */
const profileOf = ({ lud16 }: Pick<Config, 'lud16'>) => ({
  name: 'nostr-dm-agent',
  about: 'A coding agent that works for its owner by DM.',
  ...(lud16 === undefined ? {} : { lud16 }),
});

/** What a bot begins with, before the rest of it is loaded. */
export type Opened = {
  readonly basics: Basics;
  readonly startedAt: number;
  readonly stores: Stores;
  readonly relays: OpenRelays;
  readonly oneBot: OneBot;
  readonly lastProblem: () => Problem | undefined;
};

/** Of `meta`: names of agent hosts where nothing is begun, apart by spaces. */
const drainedKey = 'drained_hosts';

/** Wires, starts and recovers the bot. What is opened goes on the stack, to be closed in the opposite order. */
export async function assemble(
  config: Config,
  deps: AppDeps,
  { basics, startedAt, stores, relays: opened, oneBot, lastProblem }: Opened,
  stopping: AbortController,
  open: AsyncDisposableStack,
): Promise<App> {
  const { clock, log } = basics;
  const { identity, fileServers } = config;
  const { publicKey } = identity;
  const connections = openConnections(config, deps, stores, opened, basics);
  const messages = createMessageStore(stores.db, clock, connections.guard);
  const messaging = openMessaging(config, { stores, messages, indexers: deps.indexers, opened }, basics);
  const { relays, lists, outbox, indexers } = messaging;
  // Before any money is looked at, or a message.
  const takenOver = await waitToAct(oneBot, { messaging, meta: stores.meta }, basics);
  const money = createMoney(config, { stores, messaging, protect: deps.protect }, basics, open);
  makeDefaultWorkspace(config.workspaces, config.ambient.HOME ?? homedir());
  const hosts = await openHosts(config, stores, basics, open);
  const { jail, wall, backends, healths } = openBackends(config, deps, { stores, hosts }, basics, open);
  open.defer(messaging.filesDone);
  open.defer(() => stopping.abort());
  const { routstr } = money;
  const work = createWork(
    config,
    { ...{ stores, connections, routstr, backends, healths, jail, hosts }, ...messaging, wall: wall.found },
    basics,
  );
  const bot = {
    publicKey,
    version,
    startedAt,
    relays: () => relays.own.map((relay) => inboxServiceOf(relay.status())),
    outbox: outbox.status,
    inbox: () => intake.stats(),
    clock: () => clockWatch.found(),
    proxy: proxyReport,
    health: healths.of,
    kept: (name: BackendName) => backends.get(name)?.kept?.(),
    wall: wall.found,
    lastProblem,
  };
  const logins = openLogins(connections, stores, backends, messaging.tell, basics);
  open.defer(logins.close);
  const page = createPage(config, stores, basics);
  const operator = createOperatorTools({ config, bot, backends, money }, stores, deps, basics);
  const intake = createIntake(
    config,
    {
      ...{ bot, stores, messages, messaging, money, work, page, redact: deps.redact, gate: oneBot.gate },
      connections: connections.tools,
      logins,
      shell: createShell(jail, hosts, config.wallet !== undefined),
      ...operator,
    },
    basics,
  );

  const clockWatch = watchClock(config, messaging.tellAdmins, basics);
  forgetHistory(config, stores.history, clockWatch.found, basics);
  keepInboxRecord(stores.meta, intake.stats, () => outbox.status().refusing, startedAt, basics);
  intake.start();
  messaging.start();
  const acting = { ...stores, ...intake, ...work, autoTopUp: money.autoTopUp, messaging, ...deps };
  const fence = watchFence(oneBot, acting, basics);
  for (const owner of stores.owners.list()) lists.warm(owner.publicKey);
  const parts = { stores, connections, messaging, money, work, intake, takenOver, gate: oneBot.gate };
  const isNew = messages.createdAt >= startedAt;
  const known = isKeyKnown({ relays, identity, meta: stores.meta, isNew }, stopping.signal);
  const recovered = await untilAborted(recover(config, parts, basics, open), stopping.signal);
  // The first message says what protects whoever reads it; it was tried while the money was looked at.
  await Promise.race([wall.done, sleep(wallPatienceMs, undefined, { ref: false })]);
  begin(config, parts, recovered, { version, isNew, wall: wall.found() }, basics);
  fence.act(await known);
  const announced = { identity, relays, profile: profileOf(config), indexers, fileServers };
  void keepAnnounced({ ...announced, ...basics, turn: oneBot.gate.untilSure }, stopping.signal);
  open.defer(intake.fromPage.close);
  open.defer(() => page?.close());
  const tools = { connections: connections.tools, logins, backends, home: config.home };
  const facts = { bot, money, ...stores, ...work, recovered, ...tools, ...operator };
  void showPage(page, { ...facts, ...basics }, intake.fromPage.act, config, deps.onPage);
  log.info({ npub: nip19.npubEncode(publicKey), ms: clock.now() - startedAt }, 'ready');
  void reportMissing(config, { relays: bot.relays, healths }, deps.log, stopping.signal);

  return {
    publicKey,
    stop: async () => {
      await intake.dispatcher.close();
      await work.queue.close();
      await outbox.flush(flushMs, stopping.signal);
      await open.disposeAsync();
    },
  };
}

/** Behind the start: nobody waits for it. */
async function showPage(
  page: ReturnType<typeof createPage>,
  facts: MetricsDeps & PageFactsDeps & OperatorFactsDeps,
  act: PageSource['act'],
  { backend, owners }: Config,
  onPage: AppDeps['onPage'],
): Promise<void> {
  await page?.serve({
    ...createPageFacts(facts),
    operator: createOperatorFacts(facts),
    act,
    health: () => botHealth(facts.bot, backend),
    metrics: createBotMetrics(facts, backend),
  });
  const [first] = owners;
  const link = onPage && first && (await page?.linkFor(first.publicKey));
  if (link !== undefined) onPage?.(link);
}

/** The owners' own keys at providers. */
const openConnections = (
  { identity, home, ambient }: Config,
  { protect = () => () => undefined }: AppDeps,
  stores: Pick<Stores, 'keys' | 'sessions'>,
  { allowLoopback }: Pick<OpenRelays, 'allowLoopback'>,
  { clock, log }: Pick<Basics, 'clock' | 'log'>,
) =>
  createConnectionKeeper({
    store: stores.keys,
    sealer: createSealer(identity.secretKey),
    bind: (session, provider) => stores.sessions.update(session, { provider }),
    ...{ home, ambient, allowLoopback },
    protect,
    clock,
    log,
  });

/** Other machines that agents work on; undefined: there are none. */
async function openHosts(
  config: Config,
  { meta }: Pick<Stores, 'meta'>,
  { log, clock, random }: Basics,
  open: AsyncDisposableStack,
): Promise<AgentHosts | undefined> {
  if (config.agentHosts.length === 0) return undefined;
  const { openAgentHosts } = await import('../backends/hosts/hosts.ts');
  const drained = {
    read: () => (meta.get(drainedKey) ?? '').split(' ').filter((name) => name !== ''),
    write: (names: readonly string[]) => meta.set(drainedKey, names.join(' ')),
  };
  const hosts = await openAgentHosts(config, { drained, log, random, now: clock.now });
  open.defer(async () => hosts?.close());
  return hosts;
}

/** Logins to providers, which wait for their owners. */
const openLogins = (
  { tools: { catalogue, vault } }: ReturnType<typeof createConnectionKeeper>,
  { keys }: Pick<Stores, 'keys'>,
  backends: ReturnType<typeof createBackends>,
  tell: Messaging['tell'],
  { log }: Pick<Basics, 'log'>,
) =>
  createLoginKeeper({
    begin: backends.get('opencode')?.login,
    keep: (owner, provider, credential) =>
      keys.put({
        ...{ owner, provider, error: undefined },
        kind: credential.type,
        credential: vault.seal(owner, provider, credential),
      }),
    over: (owner, provider, outcome) =>
      tell(owner, loginOverText(catalogue.get(provider)?.name ?? provider, provider, outcome)),
    log,
  });

/** The agents' programs and the jail that they run in, both looked at behind. */
function openBackends(
  config: Config,
  deps: Pick<AppDeps, 'log' | 'hiddenPaths'>,
  { stores, hosts }: { readonly stores: Pick<Stores, 'worktrees'>; readonly hosts: AgentHosts | undefined },
  { log, stopping }: Basics,
  open: AsyncDisposableStack,
) {
  const jail = createAgentJail(config, deps.hiddenPaths ?? [], (directory) => {
    const tree = stores.worktrees.at(directory);
    return tree && join(tree.workspace, '.git');
  });
  // Not with the problems that `!status` tells of: it has a line of its own there.
  const wall = watchWall(jail, deps.log, stopping);
  const local = createBackends(config, { log, jail, warm: config.warm });
  const opencode = local.get('opencode');
  // The others are at home on this machine alone.
  const backends =
    hosts === undefined || opencode === undefined
      ? local
      : new Map([...local, ['opencode', onAgentHosts(opencode, hosts)] as const]);
  const healths = watchHealth(backends, log, stopping);
  // Closing aborts first, which ends their processes, and then waits for them.
  open.defer(async () => {
    await Promise.all([...backends.values()].map((backend) => backend.close?.()));
  });
  open.defer(healths.done);
  open.defer(() => wall.done);
  return { jail, wall, backends, healths };
}
