import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { ApprovalRule } from '../backends/approval.ts';
import type { AgentFailureKind, Backend, BackendName } from '../backends/backend.ts';
import type { AgentHosts } from '../backends/hosts/hosts.ts';
import { isHosted } from '../backends/hosts/place.ts';
import type { Jail, Wall } from '../backends/jail/types.ts';
import { lacksPictures } from '../backends/picture-models.ts';
import type { HealthWatch } from '../backends/watch-health.ts';
import type { Config } from '../config/config.ts';
import type { OutgoingFiles } from '../files/outgoing-files.ts';
import { noResults, resultFiles } from '../files/result-files.ts';
import type { ConnectionKeeper } from '../keys/connection-keeper.ts';
import type { RoutstrKeeper } from '../money/routstr-keeper.ts';
import { noPicturesText } from '../replies/file-replies.ts';
import { hostedRefusal, waitsForHostText } from '../replies/host-replies.ts';
import { noWallText } from '../replies/wall-replies.ts';
import { notMadeText } from '../replies/worktree-replies.ts';
import { createAsks } from '../runs/asks.ts';
import { createCurrentSessions } from '../runs/current-sessions.ts';
import { createDesks } from '../runs/desks.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Session } from '../runs/run.ts';
import { createRunBoard } from '../runs/run-board.ts';
import type { RunDeps } from '../runs/run-deps.ts';
import { createRunQueue } from '../runs/run-queue.ts';
import { wallRefusal } from '../runs/wall-rule.ts';
import type { Worktrees } from '../runs/worktrees.ts';
import { openSchedules } from '../schedules/schedules.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Basics } from './basics.ts';
import { createProviderChoice } from './provider-choice.ts';
import { createRunPlaces } from './run-places.ts';
import { openWorktrees } from './worktrees.ts';

/** Failures for which the backend itself may be the reason. */
const ofBackend: ReadonlySet<AgentFailureKind> = new Set([
  ...(['backend_missing', 'backend_unknown', 'crashed', 'no_answer', 'no_wall'] as const),
]);

/** How long an agent waits for its owner's word. */
const askDeadlineMs = 10 * 60_000;

/** What is asked where nobody has chosen: a wall keeps an agent in bounds; without one its owner does. */
const approvalsBehind = (wall: Wall | undefined): ApprovalRule =>
  wall?.kind === 'none' || wall?.kind === 'refused' ? 'commands' : 'off';

/** What a session's runs ask: as was chosen, else as fits the wall that they stand behind. */
const createApprovalRule =
  (config: Pick<Config, 'approvals'>, jail: Pick<Jail, 'wall'>): RunDeps['approvalsFor'] =>
  async ({ approvals, directory }, signal) => {
    const chosen = approvals ?? config.approvals;
    if (chosen !== undefined) return chosen;
    // A host without bubblewrap is none.
    return isHosted(directory) ? 'off' : approvalsBehind(await untilAborted(jail.wall(signal), signal));
  };

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
    readonly jail: Jail;
    /** As found at start; undefined while it is still being tried. */
    readonly wall: () => Wall | undefined;
    readonly messenger: Messenger;
    readonly tellAdmins: (text: string) => void;
    readonly hosts: AgentHosts | undefined;
    readonly outgoingFiles: OutgoingFiles | undefined;
  },
  { clock, random, log, reached, stopping }: Basics,
) {
  const { stores, backends, messenger } = parts;
  const currentSessions = createCurrentSessions({
    defaults: {
      workspaces: config.workspaces,
      backends: [...backends.keys()],
      backend: config.backend,
      model: config.model,
      mode: 'agent',
      approvals: () => config.approvals ?? approvalsBehind(parts.wall()),
    },
    sessions: stores.sessions,
    settings: stores.settings,
    clock,
    random,
  });
  const providers = createProviderChoice(config, { ...parts, currentSessions });
  const asks = createAsks({ messenger, deadlineMs: askDeadlineMs, clock, log });
  const board = createRunBoard();
  const places = createRunPlaces(parts.hosts, { sessions: stores.sessions, workspaces: config.workspaces });
  const runDeps: RunDeps = {
    board,
    stores,
    backends,
    providers,
    messenger,
    asks,
    places,
    approvalsFor: createApprovalRule(config, parts.jail),
    refuseRun: refusalFor(config, { ...parts, providers }, (directory, signal) =>
      worktrees.ready(directory, signal),
    ),
    scheduled: (run) => schedules.ended(run),
    results: resultsOf(parts),
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
    ...{ reached, clock, log },
  };
  const queue = createRunQueue(runDeps, config.concurrency);
  const schedules = openSchedules({ ...parts, queue, currentSessions, clock, reached, log });
  const { worktrees, behind } = openWorktrees(
    config,
    { stores, currentSessions, jail: parts.jail, open: stores.runs.open, warm: (owner) => warm(owner) },
    { clock, log, stopping },
  );
  const stopLooking = parts.hosts?.onChange(queue.look);
  stopping.addEventListener('abort', () => stopLooking?.(), { once: true });
  const desks = createDesks({ backends, providers, stores });
  /** A sign of life of an owner's: what their next task will need is made ready. */
  const warm = (owner: PublicKey): void => {
    const { workspace, mode, model: chosen, backend: name, approvals } = currentSessions.choices(owner);
    const backend = backends.get(name);
    if (backend?.warm === undefined) return;
    // Not made yet, or taken away: its next task does that.
    if ((worktrees.at(workspace.directory)?.state ?? 'ready') !== 'ready') return;
    const bound = currentSessions.current(owner)?.provider;
    const { provider } = providers.providerFor({ owner, backend: name, provider: bound });
    const model = provider.model === undefined ? chosen : provider.model(chosen);
    const standing = provider.standing?.(owner, model);
    backend.warm({ owner, workspace: workspace.directory, mode, model, standing, approvals });
  };
  return {
    ...{
      board,
      currentSessions,
      providers,
      runDeps,
      queue,
      warm,
      asks,
      desks,
      schedules,
      hosts: parts.hosts,
    },
    waitsFor: (session: Session): string | undefined => {
      const away = places.away(session);
      return away && waitsForHostText(away);
    },
    worktrees: { ...worktrees, ...behind },
  };
}
/** What is on another machine can't be read from here, and the old direct messages carry no files. */
const resultsOf =
  ({
    stores,
    outgoingFiles,
  }: {
    readonly stores: Pick<Stores, 'sessions'>;
    readonly outgoingFiles: OutgoingFiles | undefined;
  }): RunDeps['results'] =>
  ({ session, owner, protocol }, answer, since) => {
    const directory = stores.sessions.get(session)?.directory;
    const isHere = directory !== undefined && !isHosted(directory);
    if (!isHere || protocol !== 'nip17' || outgoingFiles?.isFull(owner) !== false) return noResults;
    return resultFiles(answer, directory, since, outgoingFiles);
  };

/** Why a run must not be begun here, for its owner. */
const refusalFor =
  (
    config: Pick<Config, 'wallet' | 'home'>,
    parts: {
      readonly stores: Stores;
      readonly jail: Jail;
      readonly providers: Pick<RunDeps['providers'], 'providerFor'>;
    },
    ready: Worktrees['ready'],
  ): RunDeps['refuseRun'] =>
  async (run, signal) => {
    const { stores, jail, providers } = parts;
    const { owner, mode } = run;
    const session = stores.sessions.get(run.session);
    if (session !== undefined && isHosted(session.directory)) return hostedRefusal(session);
    const role = stores.owners.roleOf(owner) ?? 'member';
    const hasWallet = config.wallet !== undefined;
    const refusal = wallRefusal(await untilAborted(jail.wall(signal), signal), { mode, role, hasWallet });
    if (refusal !== undefined) return noWallText(refusal);
    if (session === undefined) return undefined;
    if (run.pictures.length > 0) {
      const { provider } = providers.providerFor(session);
      const lacking = await lacksPictures(config.home, provider.model?.(run.model) ?? run.model);
      if (lacking !== undefined) {
        stores.sharedFiles.giveBack(run.id);
        return noPicturesText(lacking.model, lacking.others);
      }
    }
    const made = await ready(session.directory, signal);
    return made && notMadeText(made, session.workspace);
  };

export type Work = ReturnType<typeof createWork>;
