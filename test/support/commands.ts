import { randomBytes } from 'node:crypto';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { zeroSat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createCommands } from '../../src/commands/all-commands.ts';
import type { Registry } from '../../src/commands/command-registry.ts';
import { createConnectionKeeper } from '../../src/keys/connection-keeper.ts';
import { createSealer } from '../../src/keys/seal.ts';
import { NoWalletError } from '../../src/replies/wallet-error-replies.ts';
import { createCurrentSessions } from '../../src/runs/current-sessions.ts';
import { createLocalProvider } from '../../src/runs/local-provider.ts';
import { createRunQueue } from '../../src/runs/run-queue.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createConfirmations } from '../../src/store/confirmations-table.ts';
import { createInviteStore } from '../../src/store/invites-table.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { createOwners } from '../../src/store/owners-table.ts';
import { createRests } from '../../src/store/rests-table.ts';
import { createRunStore } from '../../src/store/runs-table.ts';
import { createSessionStore } from '../../src/store/sessions-table.ts';
import { createSettingsStore } from '../../src/store/settings-table.ts';
import { silent } from './backend.ts';

const none = (): never => {
  throw new NoWalletError();
};

/** All commands, over an empty database: to be read, not to be run. */
export function commandsForReading(): Registry {
  const clock = systemClock;
  const db = openDatabase(':memory:', botMigrations);
  const [sessions, settings, runs] = [createSessionStore(db), createSettingsStore(db), createRunStore(db)];
  const currentSessions = createCurrentSessions({
    defaults: {
      workspaces: [
        { name: 'app', directory: '/app' },
        { name: 'docs', directory: '/docs' },
      ],
      backend: 'opencode',
      model: undefined,
      mode: 'agent',
    },
    ...{ sessions, settings, clock, random: Math.random },
  });
  const queue = createRunQueue({
    ...{ runs, sessions, clock, log: silent },
    backends: new Map(),
    providers: new Map(),
    providerFor: () => ({ provider: createLocalProvider(), note: undefined }),
    messenger: { send: () => {}, react: () => {} },
    atomically: (change) => change(),
    limits: { timeoutMs: 1, idleMs: 1 },
    progressMs: 0,
    holdMs: 1,
    settleMs: 1,
    reached: () => {},
    concurrency: 1,
    newId: () => '1',
  });
  return createCommands({
    bot: publicKeyOf(generateSecretKey()),
    state: {
      version: '0',
      startedAt: 0,
      relays: () => [],
      outbox: () => ({ pending: 0, undeliverable: 0 }),
      health: () => undefined,
      provider: () => 'local',
      wallet: () => undefined,
      lastProblem: () => undefined,
    },
    owners: createOwners(db, [], clock),
    invites: createInviteStore(db, clock),
    ownerRemoved: none,
    randomBytes,
    ...{ currentSessions, queue, runs, settings, clock },
    messages: createMessageStore(db, clock),
    rests: createRests(db),
    purse: {
      ...{ wallet: none, settled: none, promise: none, warmUp: none, setThreshold: none },
      threshold: () => zeroSat,
    },
    routstr: {
      ...{ provider: none, budget: none, dayLimit: none, usedToday: none, models: none, syncModels: none },
      usedSince: none,
      ...{ setBudget: none, setDayLimit: none, knownModels: () => undefined, modelOf: () => undefined },
      node: () => parseNodeUrl('http://127.0.0.1/v1'),
    },
    nodes: {
      ...{ current: none, configured: none, choose: none, number: none, list: none, look: none },
      numbered: () => [],
      fallbacks: () => [],
      operatorOf: none,
    },
    chosenBy: () => 'local',
    connected: () => [],
    connections: createConnectionKeeper({
      ...{ db, clock, log: silent, home: '/nowhere', sealer: createSealer(generateSecretKey()) },
      protect: () => () => undefined,
      bind: () => undefined,
    }).commands,
    confirmations: createConfirmations(db, clock, Math.random),
    accounts: { of: () => undefined },
    models: async () => [],
  });
}
