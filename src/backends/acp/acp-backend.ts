import { PassThrough } from 'node:stream';
import type { BackendDeps, BackendSettings } from '../agent-folders.ts';
import type {
  AgentFailure,
  AgentFailureKind,
  AgentRequest,
  AgentResult,
  Backend,
  RunObserver,
} from '../backend.ts';
import { coverSecrets, toDetail } from '../cover-secrets.ts';
import type { LimitMet } from '../jail/limits.ts';
import type { CellEnd } from '../jail/types.ts';
import { endRun, ProcessesRemainError } from '../leftovers.ts';
import { NotStartedError } from '../not-started.ts';
import { classifyWords } from '../opencode-failures.ts';
import { secretsOf } from '../payment.ts';
import { type AgentProcessEnd, runAgentProcess, SpawnError } from '../processes.ts';
import { findAgent, launchAgent } from './acp-launch.ts';
import type { AgentProgram } from './agent-program.ts';
import { answerPermission } from './permission.ts';
import { type Turn, talk } from './talk.ts';
import { createToolCalls } from './tool-calls.ts';
import { createAcpTranscript } from './transcript.ts';

const noTokens = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
const failureOf = (kind: AgentFailureKind, detail: string): AgentFailure => ({
  kind,
  detail: toDetail(detail) || undefined,
  status: undefined,
});

/**
 * Drives any agent that speaks the Agent Client Protocol (agentclientprotocol.com), one process per run: it is there for
 * one payer and one task, and what it leaves behind ends with it.
 */
export const createAcp = (program: AgentProgram, settings: BackendSettings, deps: BackendDeps): Backend => {
  return {
    name: program.name,
    run: (request, observer, signal) => runAcp({ program, settings, deps }, request, observer, signal),
    endLeftovers: async (runId, signal) => {
      const { graceMs } = deps;
      const ended = await endRun({ runId, signal, ...(graceMs === undefined ? {} : { graceMs }) });
      await deps.jail.clear(runId);
      return ended;
    },
    health: async () => {
      const found = await findAgent(program, settings.ambient);
      return found.state === 'missing' ? found : { state: 'ok', path: found.path, version: 'by ACP' };
    },
    // Each run asks for the model that was chosen; there is no list of what an agent would take.
    models: async () => [],
  };
};

/** One run, from its jail to its result. */
async function runAcp(
  { program, settings, deps }: { program: AgentProgram; settings: BackendSettings; deps: BackendDeps },
  request: AgentRequest,
  observer: RunObserver,
  signal: AbortSignal,
): Promise<AgentResult> {
  const log = deps.log.child({ backend: program.name });
  const transcript = createAcpTranscript((event) => observer.onEvent?.(event));
  const cover = coverSecrets(secretsOf(request.payment));
  const over = new AbortController();
  let limit: LimitMet | undefined;
  let end: AgentProcessEnd | undefined;
  let failure: AgentFailure | undefined;
  let cellEnd: CellEnd = { limits: [], newGit: [] };
  let unknownEvents = 0;
  let turn: Turn | undefined;
  let close: (() => Promise<CellEnd>) | undefined;
  try {
    // With its SDK: a bot whose agents are others does without.
    const { connectAcp } = await import('./connection.ts');
    const launched = await launchAgent(program, request, { settings, deps }, signal);
    close = launched.cell.close;
    const input = new PassThrough();
    // Agents close their ears when they end; what is still written then is nobody's.
    input.on('error', () => {});
    const asking = AbortSignal.any([signal, over.signal]);
    let replaying = false;
    const toolCalls = createToolCalls();
    const connection = connectAcp(input, {
      update: (update) => {
        toolCalls.note(update);
        if (!replaying) transcript.add(update);
      },
      ask: (ask) =>
        answerPermission(
          toolCalls.whole(ask),
          {
            rule: request.approvals ?? 'off',
            readOnly: request.mode !== 'agent',
            onApproval: observer.onApproval,
          },
          asking,
        ),
    });
    const talking = talk(program.preset, connection, request, launched.authenticate, signal, (replays) => {
      replaying = replays;
    }).then(
      (done) => {
        turn = done;
        observer.onEvent?.({ type: 'session', backendSession: done.session });
      },
      (error: unknown) => {
        if (!signal.aborted)
          failure = error instanceof NotStartedError ? error.failure : wordsOf(error, cover);
      },
    );
    void talking.finally(() => over.abort());
    end = await runAgentProcess(
      launched.command,
      { runId: request.runId, stdin: input, graceMs: deps.graceMs },
      {
        onSpawn: (pid) => {
          launched.cell.started(pid, (met) => {
            limit ??= met;
            over.abort();
          });
          observer.onSpawn?.(pid);
        },
        onActivity: observer.onActivity,
        onLine: (line) => {
          if (line.type !== 'line') unknownEvents++;
          else if (line.text.trim() !== '' && connection.receive(line.text) !== 'heard') unknownEvents++;
          return 'go on';
        },
      },
      over.signal,
    );
    connection.closed();
    over.abort();
    await talking;
    if (turn === undefined && failure === undefined)
      failure = failureOf('crashed', cover(end.stderr.split('\n').slice(-3).join(' ')));
    log.debug({ runId: request.runId, exit: end.exit, failure: failure?.kind }, 'an agent by ACP ended');
  } catch (error) {
    failure = startFailure(error, signal);
    if (error instanceof ProcessesRemainError)
      log.error({ runId: error.runId, pids: error.pids }, 'processes of a run do not end');
  } finally {
    over.abort();
    cellEnd = (await close?.()) ?? cellEnd;
  }
  if (limit !== undefined && !signal.aborted) failure = failureOf('limit', limit);
  return resultOf({ request, transcript: transcript.read(), turn, failure, unknownEvents, cellEnd }, signal);
}

const wordsOf = (error: unknown, cover: (text: string) => string): AgentFailure => {
  const message = error instanceof Error ? error.message : String(error);
  const data: unknown =
    typeof error === 'object' && error !== null && 'data' in error ? error.data : undefined;
  const said = data === undefined ? message : `${message} ${JSON.stringify(data)}`;
  return classifyWords(cover(said));
};

/** @throws what is a mistake of ours */
function startFailure(error: unknown, signal: AbortSignal): AgentFailure {
  if (error instanceof NotStartedError) return error.failure;
  if (error instanceof SpawnError) return failureOf('backend_missing', error.message);
  if (error instanceof ProcessesRemainError) return failureOf('crashed', error.message);
  if (signal.aborted) return failureOf('crashed', '');
  throw error;
}

/** Why a turn that came to its end is not an answer. */
const unfinished = (stopReason: string): AgentFailure | undefined => {
  switch (stopReason) {
    case 'max_tokens':
      return failureOf('output_limit', '');
    case 'max_turn_requests':
      return failureOf('loop', 'the agent’s own limit of model calls');
    case 'refusal':
      return failureOf('no_answer', 'the model refused');
    default:
      return undefined;
  }
};

function resultOf(
  facts: {
    readonly request: AgentRequest;
    readonly transcript: ReturnType<ReturnType<typeof createAcpTranscript>['read']>;
    readonly turn: Turn | undefined;
    readonly failure: AgentFailure | undefined;
    readonly unknownEvents: number;
    readonly cellEnd: CellEnd;
  },
  signal: AbortSignal,
): AgentResult {
  const { request, turn, unknownEvents, cellEnd } = facts;
  const { answer, steps, tools, context } = facts.transcript;
  const silent = answer === '' ? failureOf('no_answer', '') : undefined;
  const failure = facts.failure ?? (turn === undefined ? undefined : (unfinished(turn.stopReason) ?? silent));
  const stopped = signal.aborted && failure?.kind !== 'limit';
  const cutOff = failure?.kind === 'output_limit' && answer !== '';
  return {
    outcome: stopped ? 'stopped' : failure === undefined || cutOff ? 'answered' : 'failed',
    answer,
    failure: stopped ? undefined : failure,
    backendSession: turn?.session ?? request.backendSession,
    ...{ steps, tools, unknownEvents },
    tokens: noTokens,
    model: request.model,
    ...(context === undefined ? {} : { context }),
    ...cellEnd,
  };
}
