import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { z } from 'zod';
import {
  type BackendDeps,
  type BackendSettings,
  nobody,
  openNowhere,
  openOwnerStore,
} from './agent-folders.ts';
import type {
  AgentEvent,
  AgentFailure,
  AgentFailureKind,
  AgentRequest,
  AgentResult,
  Backend,
  Model,
  RunObserver,
} from './backend.ts';
import { coverSecrets, toDetail } from './cover-secrets.ts';
import type { LimitMet } from './jail/limits.ts';
import type { Cell, CellEnd } from './jail/types.ts';
import { endRun, ProcessesRemainError } from './leftovers.ts';
import { createLoopGuard, type LoopVerdict } from './loop-guard.ts';
import { NotStartedError } from './not-started.ts';
import { testedOpencode } from './opencode-binary.ts';
import { OpencodeConfigError } from './opencode-config.ts';
import { createTranscript, parseOpencodeEvent, type Transcript } from './opencode-events.ts';
import { judge } from './opencode-failures.ts';
import { createLauncher } from './opencode-launch.ts';
import { sessionByTitle, sessionDirectory } from './opencode-sessions.ts';
import { type AgentProcessEnd, runAgentProcess, SpawnError } from './processes.ts';

const listTimeoutMs = 30_000;
const modelsKeptMs = 5 * 60_000;
/** By then opencode has made its tables, also on a slow machine. */
const tablesMs = 10_000;

const modelBlock = /^(\S+\/\S+)\n(\{\n[\s\S]*?\n\})$/gm;
const modelName = z.object({ name: z.string() });

/** Reads `opencode models --verbose`: an id, then its facts as JSON, and so on. */
const parseModels = (output: string): readonly Model[] =>
  Array.from(output.matchAll(modelBlock), ([, id = '', facts = '{}']) => {
    const parsed = modelName.safeParse(JSON.parse(facts));
    return { id, name: parsed.success ? parsed.data.name : id };
  });

/** Drives opencode by its command line, one process per run. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions of one backend
export const createOpencode = (settings: BackendSettings, deps: BackendDeps): Backend => {
  const { home } = settings;
  const log = deps.log.child({ backend: 'opencode' });
  const { prepare, ask, look } = createLauncher(settings, deps);
  const modelLists = new Map<string, { readonly at: number; readonly models: readonly Model[] }>();
  /** An agent that was ended before its first token has made a session all the same. */
  const findSession = async (request: AgentRequest): Promise<string | undefined> => {
    const { owner, workspace, payment, mode, model, title } = request;
    const args = ['session', 'list', '--format', 'json', '--max-count', '50'];
    // Not the caller's signal: it has been aborted, that is why we are here.
    const output = await ask(
      { owner, workspace, payment, mode, model, args },
      AbortSignal.timeout(listTimeoutMs),
    );
    return sessionByTitle(output, title);
  };

  const argumentsOf = (request: AgentRequest, model: string | undefined): readonly string[] => [
    ...['run', '--format', 'json', '--agent', request.mode, '--dir', request.workspace],
    // With a title of ours opencode does not pay for one.
    request.backendSession === undefined ? `--title=${request.title}` : `--session=${request.backendSession}`,
    // Always said when it is known: a session would go on with its last model, which may be another payer's.
    ...(model === undefined ? [] : [`--model=${model}`]),
  ];

  const checkSession = async (request: AgentRequest, signal: AbortSignal): Promise<void> => {
    const { backendSession, owner, workspace } = request;
    const wall = await deps.jail.wall(signal);
    if (backendSession === undefined || wall.kind === 'refused') return;
    const store = await openOwnerStore(home, owner);
    const place = { wall, botHome: home, store };
    const directory = await sessionDirectory(deps.jail, place, backendSession, signal);
    if (directory !== undefined && directory !== workspace)
      throw new NotStartedError('session_unknown', `the session belongs to ${directory}`);
  };

  const resultOf = (facts: {
    readonly transcript: Transcript;
    readonly end: AgentProcessEnd | undefined;
    readonly failure: AgentFailure | undefined;
    readonly session: string | undefined;
    readonly model: string | undefined;
    readonly unknownEvents: number;
    readonly cell: CellEnd;
  }): AgentResult => {
    const { transcript, failure } = facts;
    const { answer, steps, tools, tokens } = transcript;
    const stopped = facts.end?.stopped === true && failure !== undefined && failure.kind !== 'limit';
    // An answer that was cut off at its end is still an answer.
    const answered = failure === undefined || (failure.kind === 'output_limit' && answer !== '');
    return {
      outcome: stopped ? 'stopped' : answered ? 'answered' : 'failed',
      answer,
      failure: stopped ? undefined : failure,
      backendSession: facts.session,
      steps,
      tools,
      tokens,
      model: facts.model,
      unknownEvents: facts.unknownEvents,
      ...facts.cell,
    };
  };

  /** Settled once a first run on a fresh database has given a sign of life: opencode has made its tables by then. */
  const tablesMade = new Map<string, Promise<void>>();

  /** Two that make the same tables at once get in each other's way, so the others wait for the first. */
  const awaitTables = async (database: string, signal: AbortSignal): Promise<() => void> => {
    const making = tablesMade.get(database);
    // Whoever was ended meanwhile says so themselves.
    if (making !== undefined) await untilAborted(making, signal).catch(() => undefined);
    else if (!existsSync(database)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      tablesMade.set(database, promise);
      // A model that is slow to answer is no reason to wait.
      const timer = setTimeout(resolve, tablesMs);
      return () => {
        clearTimeout(timer);
        resolve();
      };
    }
    return () => undefined;
  };

  const execute = async (
    request: AgentRequest,
    observer: RunObserver,
    signal: AbortSignal,
  ): Promise<AgentResult> => {
    const cover = coverSecrets(Object.values(request.payment.variables));
    const transcript = createTranscript(request.workspace, (event) => observer.onEvent?.(event));
    const guard = createLoopGuard();
    let verdict: LoopVerdict | undefined;
    let unknownEvents = 0;
    let model = request.model;
    let end: AgentProcessEnd | undefined;
    let failure: AgentFailure | undefined;
    let cell: Cell | undefined;
    let limit: LimitMet | undefined;
    const overLimit = new AbortController();
    try {
      await checkSession(request, signal);
      const args = (known: string | undefined): readonly string[] => argumentsOf(request, known);
      const prepared = await prepare({ ...request, args }, signal);
      model = prepared.model;
      cell = prepared.cell;
      const endFor = (met: LimitMet): void => {
        limit ??= met;
        overLimit.abort();
      };
      end = await runAgentProcess(
        prepared.command,
        { runId: request.runId, stdin: request.task, graceMs: deps.graceMs },
        {
          onSpawn: (pid) => {
            prepared.cell.started(pid, endFor);
            observer.onSpawn?.(pid);
          },
          onActivity: observer.onActivity,
          onLine: (line) => {
            if (line.type === 'line' && line.text.trim() === '') return 'go on';
            const event = line.type === 'line' ? parseOpencodeEvent(cover(line.text)) : undefined;
            if (event === undefined) unknownEvents++;
            else {
              transcript.add(event);
              verdict = guard(event);
            }
            return verdict === undefined ? 'go on' : 'end';
          },
        },
        AbortSignal.any([signal, overLimit.signal]),
      );
      failure =
        verdict === undefined
          ? judge(transcript.read(), end.exit, cover(end.stderr))
          : { kind: verdict.kind, detail: toDetail(verdict.detail), status: undefined };
      log.debug({ runId: request.runId, exit: end.exit, failure: failure?.kind }, 'opencode ended');
    } catch (error) {
      if (signal.aborted && !(error instanceof ProcessesRemainError)) {
        const nothing = { exit: { code: undefined, signal: undefined }, stderr: '', stopped: true };
        end = nothing;
        failure = judge(transcript.read(), { code: undefined, signal: 'SIGTERM' }, '');
      } else failure = failureOf(error);
    }
    const over = (await cell?.close()) ?? { limits: [], newGit: [] };
    if (limit !== undefined && !signal.aborted) failure = { kind: 'limit', detail: limit, status: undefined };
    let session = transcript.read().session ?? request.backendSession;
    if (session === undefined && end !== undefined && (end.stopped || verdict !== undefined)) {
      if (end.exit.code !== undefined || end.exit.signal !== undefined) session = await findSession(request);
    }
    return resultOf({
      transcript: transcript.read(),
      end,
      failure,
      session,
      model,
      unknownEvents,
      cell: over,
    });
  };

  /** What became of a run whose process could not be started or ended. Anything else is a mistake of ours. */
  const failureOf = (error: unknown): AgentFailure => {
    if (error instanceof NotStartedError) return error.failure;
    const as = (kind: AgentFailureKind, detail: string): AgentFailure => ({
      kind,
      detail: toDetail(detail),
      status: undefined,
    });
    if (error instanceof OpencodeConfigError) return as('bad_configuration', error.message);
    if (error instanceof SpawnError)
      return as('backend_missing', `${error.message} (${error.code ?? 'unknown'})`);
    if (error instanceof ProcessesRemainError) {
      log.error({ runId: error.runId, pids: error.pids }, 'processes of a run do not end');
      return as('crashed', error.message);
    }
    throw error;
  };

  const run: Backend['run'] = async (request, observer, signal) => {
    const store = await openOwnerStore(home, request.owner);
    const made = await awaitTables(join(store, 'opencode.db'), signal);
    const onEvent = (event: AgentEvent): void => {
      made();
      observer.onEvent?.(event);
    };
    try {
      return await execute(request, { ...observer, onEvent }, signal);
    } finally {
      made();
    }
  };

  const endLeftovers: Backend['endLeftovers'] = async (runId, signal) => {
    const graceMs = deps.graceMs;
    const ended = await endRun({ runId, signal, ...(graceMs === undefined ? {} : { graceMs }) });
    await deps.jail.clear(runId);
    return ended;
  };

  const health: Backend['health'] = async (signal) => {
    const { found } = await look(signal);
    if (found.state === 'missing') return found;
    const facts = { path: found.path, version: found.version };
    return found.version === testedOpencode
      ? { state: 'ok', ...facts }
      : { state: 'untested', ...facts, tested: testedOpencode };
  };

  const models: Backend['models'] = async (payment, signal) => {
    const key = JSON.stringify([payment.credentials, payment.configuration, Object.keys(payment.variables)]);
    const kept = modelLists.get(key);
    if (kept !== undefined && Date.now() - kept.at < modelsKeptMs) return kept.models;
    const workspace = await openNowhere(home);
    const args = ['models', '--verbose'];
    const output = await ask(
      { owner: nobody, workspace, payment, mode: 'ask', model: undefined, args },
      signal,
    );
    const list = parseModels(output);
    if (list.length > 0) modelLists.set(key, { at: Date.now(), models: list });
    return list;
  };

  return { name: 'opencode', run, endLeftovers, health, models };
};
