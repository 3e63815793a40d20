import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { AgentFailureKind, Backend, BackendName } from '../backends/backend.ts';
import type { Jail } from '../backends/jail/types.ts';
import type { HealthWatch } from '../backends/watch-health.ts';
import type { Config } from '../config/config.ts';
import type { ConnectionKeeper } from '../keys/connection-keeper.ts';
import type { RoutstrKeeper } from '../money/routstr-keeper.ts';
import { noWallText } from '../replies/wall-replies.ts';
import { createCurrentSessions } from '../runs/current-sessions.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { RunDeps } from '../runs/run-deps.ts';
import { createRunQueue } from '../runs/run-queue.ts';
import { wallRefusal } from '../runs/wall-rule.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Basics } from './basics.ts';
import { createProviderChoice } from './provider-choice.ts';

/** Failures for which the backend itself may be the reason. */
const ofBackend: ReadonlySet<AgentFailureKind> = new Set([
  ...(['backend_missing', 'backend_unknown', 'crashed', 'no_answer', 'no_wall'] as const),
]);

/** How long settling a run may take. */
const settleMs = 60_000;

/** Where tasks are worked on: sessions, who pays, the queue. */
export function createWork(
  config: Config,
  parts: {
    readonly stores: Stores;
    readonly connections: ConnectionKeeper;
    readonly routstr: Pick<RoutstrKeeper, 'status'>;
    readonly backends: ReadonlyMap<BackendName, Backend>;
    readonly healths: Pick<HealthWatch, 'of' | 'again'>;
    readonly jail: Pick<Jail, 'wall'>;
    readonly messenger: Messenger;
  },
  { clock, random, log, reached }: Basics,
) {
  const { stores, backends, messenger } = parts;
  const currentSessions = createCurrentSessions({
    defaults: {
      workspaces: config.workspaces,
      backend: config.backend,
      model: config.model,
      mode: 'agent',
    },
    sessions: stores.sessions,
    settings: stores.settings,
    clock,
    random,
  });
  const providers = createProviderChoice(config, { ...parts, currentSessions });
  const runDeps: RunDeps = {
    stores,
    backends,
    providers,
    messenger,
    refuseRun: async ({ owner, mode }, signal) => {
      const role = stores.owners.roleOf(owner) ?? 'member';
      const hasWallet = config.wallet !== undefined;
      const refusal = wallRefusal(await untilAborted(parts.jail.wall(signal), signal), {
        mode,
        role,
        hasWallet,
      });
      return refusal === undefined ? undefined : noWallText(refusal);
    },
    lookAgain: (backend, failure) => {
      const { healths } = parts;
      const doubtful = failure !== undefined && ofBackend.has(failure.kind);
      const wasMissing = failure === undefined && healths.of(backend)?.state === 'missing';
      if (doubtful || wasMissing) healths.again(backend);
    },
    limits: {
      timeoutMs: config.runTimeoutMs,
      idleMs: config.runIdleMs,
      holdMs: config.holdMs,
      progressMs: config.progressMs,
      settleMs,
    },
    reached,
    clock,
    log,
  };
  const queue = createRunQueue(runDeps, config.concurrency);
  return { currentSessions, providers, runDeps, queue };
}
export type Work = ReturnType<typeof createWork>;
