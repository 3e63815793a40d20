import { pause, untilAborted } from '@nostr-dm-agent/kit/abort';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { z } from 'zod';
import type { AgentHost } from '../../config/agent-hosts.ts';
import type { AgentFailure, AgentRequest, AgentResult, RunObserver } from '../backend.ts';
import { failureAs } from '../process-failures.ts';
import type { SessionPlace } from '../session-desk.ts';
import type { ShellEnd } from '../shell-command.ts';
import { createHostDoors, type HostDoors } from './host-doors.ts';
import type { HostState } from './host-facts.ts';
import { HostAwayError, type HostSession, type HostSetup, openHostSession } from './host-session.ts';
import * as wire from './wire.ts';

/** Milliseconds. */
export type HostTimes = {
  /** Between two looks at how a host is; four that fail, and its program there ends by itself. */
  readonly pingMs: number;
  /** After a connection was lost, and at the most. */
  readonly againMs: number;
  readonly mostAgainMs: number;
  /** A host that does not let go of a run for so long is cut off. */
  readonly lettingGoMs: number;
};
export const usualTimes: HostTimes = {
  pingMs: 10_000,
  againMs: 1_000,
  mostAgainMs: 60_000,
  lettingGoMs: 20_000,
};

type Deps = {
  readonly setup: HostSetup;
  readonly times: HostTimes;
  readonly leadTo: (port: number) => void;
  readonly log: Logger;
  readonly random: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onChange: () => void;
};

/** A run that a host has, and whose it is. */
type HostRun = { readonly owner: string; readonly observer: RunObserver; readonly signal: AbortSignal };
type Live = { readonly session: HostSession; readonly doors: HostDoors; report: wire.HostReport };

const noAnswer: Omit<AgentResult, 'failure' | 'backendSession' | 'model'> = {
  ...{ outcome: 'failed', answer: '', steps: 0, tools: {}, unknownEvents: 0, limits: [], newGit: [] },
  tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
};
const notBegun = z.object({ failure: z.object({ kind: z.string(), detail: z.string().nullish() }) });
/** What a host may say of why it could not begin; anything else is its own affair. */
const beginFailures = [
  'workspace_gone',
  'workspace_code',
  'path_changed',
  'no_wall',
  'backend_missing',
] as const;
const beginFailure = z.enum(beginFailures).catch('workspace_gone');

/** One agent host: a connection that is kept, and made again. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share the connection
export const createAgentHost = (host: AgentHost, deps: Deps) => {
  const { times, random, now } = deps;
  const log = deps.log.child({ host: host.name });
  const closing = new AbortController();
  const runs = new Map<string, HostRun>();
  let live: Live | undefined;
  let state: HostState = { state: 'connecting' };
  let triesAgain = Promise.withResolvers<void>();

  const become = (next: HostState): void => {
    state = next;
    deps.onChange();
  };

  /** What a run of this connection's says: of runs that it does not have, nothing is heard. */
  const ofRun =
    <T extends { readonly runId: string }>(schema: z.ZodType<T>, then: (run: HostRun, said: T) => void) =>
    (body: unknown): void => {
      const said = schema.parse(body);
      const run = runs.get(said.runId);
      if (run !== undefined) then(run, said);
    };
  const runOf = (runId: string): HostRun => {
    const run = runs.get(runId);
    if (run === undefined) throw new RangeError('a run that this host does not have');
    return run;
  };
  const handlersOf = (doors: HostDoors) => ({
    tells: {
      ...doors.tells,
      spawned: ofRun(wire.runNamed, ({ observer }) => observer.onElsewhere?.()),
      event: ofRun(wire.runEvent, ({ observer }, { event }) => observer.onEvent?.(event)),
      activity: ofRun(wire.runNamed, ({ observer }) => observer.onActivity?.()),
      answered: ofRun(wire.runAnswered, ({ observer }, { result }) => observer.onAnswer?.(result)),
    },
    calls: {
      release: doors.release,
      approval: async (body: unknown, signal: AbortSignal) => {
        const { runId, approval } = wire.approvalAsked.parse(body);
        const no = { answer: 'no' as const, why: 'nobody can be asked' };
        return (await runOf(runId).observer.onApproval?.(approval, signal)) ?? no;
      },
      question: async (body: unknown, signal: AbortSignal) => {
        const { runId, questions } = wire.questionsAsked.parse(body);
        return runOf(runId).observer.onQuestion?.(questions, signal);
      },
    },
  });

  /** Looks how it is for as long as it answers. */
  const keepAsking = async (connection: Live, signal: AbortSignal): Promise<void> => {
    while (await pause(times.pingMs, signal)) {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(2 * times.pingMs)]);
      try {
        const answer = await untilAborted(connection.session.peer.call('ping', {}), patience);
        connection.report = wire.report.parse(answer);
        if (state.state === 'up') state = { ...state, report: connection.report };
      } catch {
        if (!signal.aborted) await connection.session.end();
        return;
      }
    }
  };

  const connectOnce = async (): Promise<HostAwayError> => {
    const doors = createHostDoors({
      ownerOf: (runId) => runs.get(runId)?.owner,
      tell: (name, body) => live?.session.peer.tell(name, body),
      leadTo: deps.leadTo,
    });
    const over = new AbortController();
    try {
      const session = await openHostSession(host, deps.setup, handlersOf(doors), log, closing.signal);
      live = { session, doors, report: session.report };
      log.info(
        { opencode: session.report.opencode.version, ended: session.report.ended },
        'an agent host is there',
      );
      become({ state: 'up', since: now(), report: session.report });
      void keepAsking(live, over.signal);
      const why = await session.ended;
      return new HostAwayError(why.reason === 'other' ? 'lost' : why.reason, why.detail ?? '', why);
    } finally {
      over.abort();
      live = undefined;
      await doors.close().catch((cause: unknown) => log.error({ cause }, 'the doors of a host stay'));
    }
  };

  const keepConnected = async (): Promise<void> => {
    for (let attempt = 0; !closing.signal.aborted; attempt++) {
      const since = now();
      const away = await connectOnce().catch((error: unknown) =>
        error instanceof HostAwayError ? error : new HostAwayError('other', String(error), error),
      );
      if (closing.signal.aborted) return;
      if (now() - since > times.mostAgainMs || state.state === 'up') attempt = 0;
      const { reason: why, detail } = away;
      if (state.state !== 'away' || state.why !== why) {
        log.warn({ why, detail }, 'an agent host is not there');
        become({ state: 'away', why, detail, since: now() });
      }
      triesAgain = Promise.withResolvers();
      const limits = { baseMs: times.againMs, maxMs: times.mostAgainMs };
      await Promise.race([pause(backoffMs(attempt, limits, random), closing.signal), triesAgain.promise]);
    }
  };
  const kept = keepConnected();

  const failed = (
    failure: AgentFailure,
    { backendSession, model }: Pick<AgentRequest, 'backendSession' | 'model'>,
  ): AgentResult => ({ ...noAnswer, failure, backendSession, model });

  /** @param path as the host is told it */
  const run = async (
    request: AgentRequest,
    path: string,
    observer: RunObserver,
    signal: AbortSignal,
  ): Promise<AgentResult> => {
    const { runId, owner, standing } = request;
    const connection = live;
    if (connection === undefined) return failed(failureAs('host_away', host.name), request);
    const described = standing && connection.doors.describe(owner, standing);
    if (described === undefined) return failed(failureAs('host_unpaid', host.name), request);
    const { task, mode, model, backendSession, title, approvals = 'off', job = 'task' } = request;
    let known = backendSession;
    runs.set(runId, {
      ...{ owner, signal },
      observer: {
        ...observer,
        onEvent: (event) => {
          if (event.type === 'session') known = event.backendSession;
          observer.onEvent?.(event);
        },
      },
    });
    const order = { runId, owner, workspace: path, mode, task, model, backendSession, title, approvals, job };
    // Whoever ends a run does not wait for a host that does not answer.
    const cut = (): void => {
      const timer = setTimeout(() => void connection.session.end(), times.lettingGoMs);
      timer.unref();
      ended.promise.finally(() => clearTimeout(timer)).catch(() => undefined);
    };
    const ended = Promise.withResolvers<void>();
    signal.addEventListener('abort', cut, { once: true });
    try {
      const answer = await connection.session.peer.call('run', { ...order, standing: described }, signal);
      const begun = wire.runEnd.safeParse(answer);
      if (begun.success) return begun.data;
      const { kind, detail } = notBegun.parse(answer).failure;
      return failed(failureAs(beginFailure.parse(kind), detail ?? ''), request);
    } catch (cause) {
      log.warn({ cause, runId }, 'a run was lost with its host');
      await connection.doors.close();
      await connection.session.end();
      const lost = failed(failureAs('host_lost', host.name), { backendSession: known, model });
      return signal.aborted ? { ...lost, outcome: 'stopped', failure: undefined } : lost;
    } finally {
      ended.resolve();
      signal.removeEventListener('abort', cut);
      runs.delete(runId);
    }
  };

  /** Asks something about a session. @throws HostAwayError */
  const ask = async (
    what: 'diff' | 'undo' | 'redo' | 'todos' | 'fork' | 'rename',
    place: SessionPlace,
    path: string,
    more: { readonly prompts?: readonly string[]; readonly title?: string },
    signal: AbortSignal,
  ): Promise<unknown> => {
    const connection = live;
    const { owner, mode, backendSession, standing } = place;
    const described = connection && standing && connection.doors.describe(owner, standing);
    if (connection === undefined || described === undefined) throw new HostAwayError('lost', host.name);
    const order = { what, owner, mode, backendSession, workspace: path, standing: described, ...more };
    return untilAborted(connection.session.peer.call('desk', order, signal), signal);
  };

  return {
    ...{ settings: host, name: host.name, run, ask },
    state: (): HostState => state,
    has: (runId: string): boolean => runs.has(runId),
    warm: (
      {
        owner,
        mode,
        model,
        standing,
        approvals = 'off',
      }: Pick<AgentRequest, 'owner' | 'mode' | 'model' | 'standing' | 'approvals'>,
      path: string,
    ): void => {
      const described = live && standing && live.doors.describe(owner, standing);
      if (described !== undefined)
        live?.session.peer.tell('warm', {
          owner,
          mode,
          model,
          approvals,
          workspace: path,
          standing: described,
        });
    },
    tell: async (runId: string, text: string, signal: AbortSignal): Promise<boolean> =>
      (await live?.session.peer.call('tell', { runId, text }, signal)) === true,
    /** A line of shell in a workspace of its. */
    shell: async (
      path: string,
      line: string,
      signal: AbortSignal,
    ): Promise<ShellEnd | { readonly failure: AgentFailure }> => {
      if (live === undefined) return { failure: failureAs('host_away', host.name) };
      const answer = await live.session.peer.call('shell', { workspace: path, line }, signal);
      const read = wire.shellAnswer.parse(answer);
      if (!('failure' in read)) return read;
      return { failure: failureAs(beginFailure.parse(read.failure.kind), read.failure.detail ?? '') };
    },
    /** Does not wait for the next attempt. */
    tryNow: (): void => triesAgain.resolve(),
    close: async (): Promise<void> => {
      closing.abort();
      await live?.session.end();
      await kept;
    },
  };
};
export type ConnectedHost = ReturnType<typeof createAgentHost>;
