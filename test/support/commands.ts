import { randomBytes } from 'node:crypto';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { zeroSat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createCommands } from '../../src/commands/all-commands.ts';
import type { CommandDeps } from '../../src/commands/command-deps.ts';
import type { Registry } from '../../src/commands/command-registry.ts';
import { noResults } from '../../src/files/result-files.ts';
import { createConnectionKeeper } from '../../src/keys/connection-keeper.ts';
import { createSealer } from '../../src/keys/seal.ts';
import { NoWalletError } from '../../src/money/wallet-access.ts';
import { createAsks } from '../../src/runs/asks.ts';
import { createCurrentSessions } from '../../src/runs/current-sessions.ts';
import { createLocalProvider } from '../../src/runs/local-provider.ts';
import { createRunBoard } from '../../src/runs/run-board.ts';
import { createRunQueue } from '../../src/runs/run-queue.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { silent } from './backend.ts';

/** No agent asks anything. */
export const noAsks = createAsks({
  messenger: { send: () => [] },
  deadlineMs: 1,
  clock: systemClock,
  log: silent,
});

const none = (): never => {
  throw new NoWalletError();
};
/** Numbers from 0 to 1, the same in every process. */
const countedRandom = () => {
  let count = 0;
  return () => {
    count += 1;
    return (count * 0.618) % 1;
  };
};

/**
 * A bot without a wallet, on an empty database, that runs nothing: what its commands work with.
 * @param owners those of `BOT_OWNERS`
 */
export function depsWithoutWallet(
  owners: Parameters<typeof storesIn>[1] = [],
): CommandDeps & { readonly stores: ReturnType<typeof storesIn> } {
  const clock = systemClock;
  const random = countedRandom();
  const stores = storesIn(openDatabase(':memory:', botMigrations), owners, { clock, random });
  const { sessions, settings } = stores;
  const workspaces = [
    { name: 'app', directory: '/app' },
    { name: 'docs', directory: '/docs' },
  ];
  return {
    bot: {
      publicKey: publicKeyOf(generateSecretKey()),
      version: '0',
      startedAt: 0,
      relays: () => [],
      inbox: () => ({ rejected: {} }),
      clock: () => undefined,
      proxy: () => undefined,
      outbox: () => ({ pending: 0, undeliverable: 0, refusing: [] }),
      health: () => undefined,
      kept: () => undefined,
      wall: () => undefined,
      lastProblem: () => undefined,
    },
    stores,
    messages: createMessageStore(stores.db, clock),
    currentSessions: createCurrentSessions({
      defaults: {
        workspaces,
        backends: ['opencode', 'cursor'],
        backend: 'opencode',
        model: undefined,
        mode: 'agent',
        approvals: () => 'off',
      },
      sessions,
      settings,
      clock,
      random,
    }),
    queue: createRunQueue(
      {
        stores,
        backends: new Map(),
        places: { waits: () => false, enter: (session) => ({ session, leave: () => undefined }) },
        lookAgain: () => undefined,
        providers: {
          providers: new Map(),
          providerFor: () => ({ provider: createLocalProvider(), note: undefined }),
        },
        messenger: { send: () => [], react: () => {} },
        board: createRunBoard(),
        asks: noAsks,
        approvalsFor: async () => 'off',
        refuseRun: async () => undefined,
        scheduled: () => undefined,
        results: () => noResults,
        limits: { timeoutMs: 1, idleMs: 1, holdMs: 1, progressMs: 0, settleMs: 1 },
        reached: () => {},
        clock,
        log: silent,
      },
      1,
    ),
    asks: noAsks,
    schedules: {
      changed: () => {},
      whyNot: () => undefined,
      runNow: () => 'busy',
      asked: () => 'busy',
      hostZone: 'Europe/Berlin',
      membersMay: () => false,
      letMembers: () => {},
    },
    hosts: undefined,
    shell: async () => ({ refusal: 'no shell here' }),
    worktrees: {
      at: stores.worktrees.at,
      begin: none,
      make: none,
      merge: none,
      hasMergedInto: stores.worktrees.hasMergedInto,
      tidyLater: () => undefined,
      makeLater: () => undefined,
    },
    page: undefined,
    outgoingFiles: undefined,
    configured: [],
    doctor: {
      look: async () => ({ findings: [], at: 0 }),
      last: () => undefined,
      isLooking: () => false,
    },
    keptLog: () => ({ entries: [], hasMore: false }),
    desks: { of: () => undefined, tell: async () => false },
    money: {
      wallet: {
        opened: () => undefined,
        wallet: none,
        settled: none,
        announceEnd: none,
        warmUp: none,
        threshold: () => zeroSat,
        setThreshold: none,
      },
      autoTopUp: {
        state: () => undefined,
        read: none,
        check: none,
        examine: async () => undefined,
        set: none,
        setCap: none,
        off: none,
        isOne: () => false,
        counts: () => new Map(),
      },
      routstr: {
        provider: none,
        node: () => parseNodeUrl('http://127.0.0.1/v1'),
        budget: none,
        setBudget: none,
        dayLimit: () => undefined,
        setDayLimit: none,
        usedToday: none,
        usedSince: none,
        knownModels: () => undefined,
        modelOf: () => undefined,
        models: none,
        syncModels: none,
        freeBudgets: async () => undefined,
        madeAhead: () => new Map(),
        settled: async () => undefined,
      },
      nodes: {
        info: { known: () => undefined, ask: none, close: async () => {} },
        fetch: none,
        current: none,
        configured: none,
        fallbacks: () => [],
        operatorOf: () => undefined,
        choose: none,
        numbered: () => [],
        number: none,
        list: none,
        look: none,
        close: async () => {},
      },
      shares: { of: () => undefined },
      exchange: () => undefined,
    },
    providers: {
      chosenBy: () => 'local',
      connected: () => [],
      line: () => 'local',
      models: async () => [],
    },
    connections: createConnectionKeeper({
      store: stores.keys,
      sealer: createSealer(generateSecretKey()),
      home: '/nowhere',
      ambient: {},
      clock: clock,
      protect: () => () => undefined,
      bind: () => undefined,
      log: silent,
    }).tools,
    logins: {
      begin: async () => ({ state: 'refused', why: 'unavailable' }),
      pending: () => undefined,
      enterCode: () => undefined,
      cancel: () => false,
    },
    meaningOf: (text) => ({ kind: 'task', text }),
    randomBytes,
    clock,
  };
}

/** All commands, to be read, not to be run. */
export const commandsForReading = (): Registry => createCommands(depsWithoutWallet());
