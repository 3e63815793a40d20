import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { BackendDeps, BackendSettings } from '../agent-folders.ts';
import type { ApprovalRule } from '../approval.ts';
import type { AgentRequest, AgentResult, Backend, Mode } from '../backend.ts';
import { hasWorkspaceCode } from '../jail/workspace-code.ts';
import { endRun } from '../leftovers.ts';
import { NotStartedError } from '../not-started.ts';
import { testedOpencode } from '../opencode-binary.ts';
import type { Launcher } from '../opencode-launch.ts';
import { failureAs, failureOf } from '../process-failures.ts';
import { configStamp } from './config-stamp.ts';
import { giveLogin, keepLoggedIn } from './credentials.ts';
import { createDesk } from './desk.ts';
import { createServerPool, type ServerOrder, type ServerPlace, type StartedServer } from './server-pool.ts';
import { serverMark, serverVariable } from './server-request.ts';
import { createSharedWorkspaces } from './shared-workspaces.ts';
import { cleanSnapshots } from './snapshot-guard.ts';
import { warmUp } from './warm-up.ts';
import type { Words } from './words.ts';
import { lookAtWorkspace } from './workspace-stamp.ts';

const noAnswer: Omit<AgentResult, 'failure' | 'backendSession' | 'model'> = {
  ...{ outcome: 'failed', answer: '', steps: 0, tools: {}, unknownEvents: 0, limits: [], newGit: [] },
  tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
};

/** So many servers are asked where no process of a run's own takes its place. */
const mostTries = 3;

/** Something has to be asked: of a process of its own nothing can be. */
const needsServer = (mode: Mode, approvals: ApprovalRule = 'off'): boolean =>
  mode === 'agent' && approvals !== 'off';

/** Ends servers that an earlier life of this bot left behind. */
export const endLeftServers = (botHome: string, signal: AbortSignal): Promise<number> =>
  endRun({ runId: 'servers', marker: `${serverVariable}=${serverMark(botHome)}`, graceMs: 0, signal });

/** opencode that is kept ready: a run goes to a server where there can be one, else to a process of its own. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share the pool
export const createWarmOpencode = (
  settings: BackendSettings,
  deps: BackendDeps,
  launcher: Pick<Launcher, 'prepareServer' | 'find'>,
  oneShot: Backend['run'],
  log: Logger,
) => {
  const { home, ambient, trustWorkspace } = settings;
  const hideCode = !trustWorkspace;
  const { servers = 0, keptMs = 0, only = false } = deps.warm ?? {};
  const closing = new AbortController();
  /** There is no wall that one could stand behind. */
  let unwalled = false;
  const shared = createSharedWorkspaces();
  /** Runs that can be told something. */
  const underWay = new Map<string, Words['tell']>();

  const start = async (order: ServerOrder): Promise<StartedServer> => {
    const { owner, workspace, modes, payment } = order;
    const signal = AbortSignal.any([closing.signal, order.signal]);
    const plan = {
      ...{ id: `server-${crypto.randomUUID()}`, owner, workspace, payment, modes },
      password: randomBytes(24).toString('base64url'),
    };
    const began = performance.now();
    const prepared = await launcher.prepareServer(plan, signal);
    if (prepared.version !== testedOpencode) {
      await prepared.cell.close();
      throw new NotStartedError(
        'backend_unknown',
        `opencode ${prepared.version}, tested with ${testedOpencode}`,
      );
    }
    // Loaded with the first: a bot at rest does without, and without the SDK.
    const { startServer } = await import('./server.ts');
    const server = await startServer(plan, prepared, log, signal);
    // Without a wall nothing was laid out that could be out of date.
    const walled = prepared.cell.wall === 'bwrap';
    const { stamp } = await lookAtWorkspace(workspace, {
      writable: modes[0] === 'agent',
      hideCode: walled && hideCode,
      repository: deps.jail.repositoryOf(workspace),
    });
    const upMs = performance.now() - began;
    if (!order.isWanted()) await warmUp(server, order.model, order.door, log, signal);
    log.debug({ upMs, ms: performance.now() - began, server: plan.id }, 'a server is ready');
    return { server, stamp };
  };
  const pool = createServerPool({
    ...{ servers, keptMs, start, log },
    configStamp: ({ credentials }) => configStamp(home, ambient, credentials === 'own'),
  });

  /** @returns undefined where a server can't take it: nothing was done then */
  const onServer = async (
    place: ServerPlace,
    request: AgentRequest,
    ...[observer, signal]: [Parameters<Backend['run']>[1], AbortSignal]
  ): Promise<AgentResult | undefined> => {
    // Whoever was ended meanwhile is told so by the process that is not started any more.
    const wall = await deps.jail.wall(signal).catch(() => undefined);
    if (wall === undefined) return undefined;
    const must = only || needsServer(request.mode, request.approvals) || request.job === 'compact';
    // Without a wall a server gives its agents no more of one than a process does: only what needs it gets one.
    if (wall.kind !== 'bwrap' && !must) return undefined;
    const held = await pool.take(place, signal, must);
    if (held === undefined) return undefined;
    const { workspace, runId } = request;
    const presence = shared.enter(workspace);
    let endKeeping = (): void => undefined;
    try {
      // Its owner may have another key by now, or the token of the next hour.
      await giveLogin(held.server, place.standing.payment(held.door).login, signal);
      endKeeping = keepLoggedIn(held.server, place.standing.renewal, log);
      const walled = wall.kind === 'bwrap';
      const look = await lookAtWorkspace(workspace, {
        writable: request.mode === 'agent',
        hideCode: walled && hideCode,
        repository: deps.jail.repositoryOf(workspace),
      });
      const exposed = wall.kind !== 'bwrap' && hideCode && (await hasWorkspaceCode(workspace));
      if (look.stamp !== held.stamp || exposed) {
        log.info({ runId }, 'the workspace is laid out anew; so is its server');
        held.retire();
        return undefined;
      }
      // What an earlier run may have left for the server's git.
      const clean = () =>
        cleanSnapshots(held.server.prepared.snapshots, workspace, join(home, 'jail', 'trash'));
      await clean();
      let looked: Promise<Pick<AgentResult, 'limits' | 'newGit'>> | undefined;
      const lookBack = () => {
        looked ??= Promise.all([held.server.prepared.cell.met(), look.settleGit()]).then(
          ([limits, newGit]) => ({ limits, newGit }),
        );
        return looked;
      };
      const { runOnServer } = await import('./server-run.ts');
      const result = await runOnServer(
        held.server,
        request,
        {
          ...observer,
          onAnswer: (early) => {
            held.answered();
            observer.onAnswer?.(early);
          },
        },
        {
          ...{ log, trustWorkspace, door: held.door, isShared: presence.isShared },
          onPrompted: (tell) => void underWay.set(runId, tell),
          lookBack,
        },
        signal,
      );
      const { limits, newGit } = await lookBack();
      if (limits.length > 0) held.retire();
      // `!diff` and `!undo` run git there, too. A server whose repositories can't be cleaned is not asked for them.
      await clean().catch((cause: unknown) => {
        log.warn({ cause, runId }, 'what a run left where its changes are kept is not cleaned up');
        held.retire();
      });
      return { ...result, limits, newGit };
    } catch (error) {
      if (error instanceof NotStartedError)
        return {
          ...noAnswer,
          failure: failureOf(error, log),
          backendSession: request.backendSession,
          model: request.model,
        };
      held.retire();
      // It is at work, and may have done things: nothing is done twice.
      if (underWay.has(runId)) {
        log.error({ cause: error, runId }, 'how a run on a server ended is not known');
        const failure = failureAs('crashed', 'the server that it ran on could not be left in order');
        return { ...noAnswer, failure, backendSession: request.backendSession, model: request.model };
      }
      log.warn({ cause: error, runId }, 'a server could not take a run, which gets a process of its own');
      return undefined;
    } finally {
      endKeeping();
      underWay.delete(runId);
      presence.leave();
      held.leave();
    }
  };

  const run: Backend['run'] = async (request, observer, signal) => {
    const { standing } = request;
    // One whose workspace was laid out anew takes no run; where nothing else does, the next one is asked.
    for (let tries = only ? mostTries : 1; standing !== undefined && tries > 0; tries--) {
      const found = await onServer({ ...request, standing }, request, observer, signal);
      if (found !== undefined) return found;
    }
    if (only || request.job === 'compact')
      return {
        ...noAnswer,
        failure: failureAs('no_server', 'only a server that is kept ready does this'),
        ...{ backendSession: request.backendSession, model: request.model },
      };
    const presence = shared.enter(request.workspace);
    try {
      const result = await oneShot(request, observer, signal);
      return needsServer(request.mode, request.approvals) ? { ...result, unasked: true } : result;
    } finally {
      presence.leave();
    }
  };

  const warm: NonNullable<Backend['warm']> = (of) => {
    const { owner, workspace, mode, model, standing, approvals } = of;
    if (standing === undefined || servers === 0) return;
    const make = async (): Promise<void> => {
      const wall = await deps.jail.wall(closing.signal);
      unwalled = wall.kind !== 'bwrap';
      if (wall.kind === 'bwrap' || needsServer(mode, approvals))
        pool.warm({ owner, workspace, mode, model, standing });
    };
    make().catch((cause: unknown) => log.warn({ cause }, 'nothing could be made ready'));
  };

  const kept: NonNullable<Backend['kept']> = () =>
    unwalled && servers > 0 ? { state: 'none', why: 'no_wall' } : pool.kept();

  const tell: NonNullable<Backend['tell']> = async (runId, text, signal) =>
    (await underWay.get(runId)?.(text, signal)) ?? false;

  const close = async (): Promise<void> => {
    closing.abort();
    await pool.close();
  };

  return { run, warm, kept, tell, close, desk: createDesk(pool) };
};
