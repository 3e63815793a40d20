import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { type BackendDeps, openOwnerStore } from './agent-folders.ts';
import type { AgentFailure, AgentRequest, AgentResult, RunObserver } from './backend.ts';
import { coverSecrets } from './cover-secrets.ts';
import type { LimitMet } from './jail/limits.ts';
import type { Cell, CellEnd } from './jail/types.ts';
import { ProcessesRemainError } from './leftovers.ts';
import type { Line } from './lines.ts';
import { createLoopGuard, type LoopVerdict } from './loop-guard.ts';
import { NotStartedError } from './not-started.ts';
import { testedOpencode } from './opencode-binary.ts';
import { createTranscript, parseOpencodeEvent, type Transcript } from './opencode-events.ts';
import { judge } from './opencode-failures.ts';
import type { Launcher } from './opencode-launch.ts';
import { sessionByTitle, sessionDirectory } from './opencode-sessions.ts';
import { secretsOf } from './payment.ts';
import { failureAs, failureOf } from './process-failures.ts';
import { type AgentProcessEnd, runAgentProcess } from './processes.ts';

const listTimeoutMs = 30_000;
/** So many sessions are remembered with the workspace in which they answered. */
const mostKnown = 1_000;
/** How long opencode may take to exit once it has said that it is done. */
const lingerMs = 8_000;
const nothingYet: AgentProcessEnd = {
  exit: { code: undefined, signal: undefined },
  stderr: '',
  stopped: true,
};

/** Follows what one opencode says, and decides when it has to be ended. */
const follow = (request: AgentRequest, observer: RunObserver, patienceMs: number) => {
  const cover = coverSecrets(secretsOf(request.payment));
  const transcript = createTranscript(request.workspace, (event) => observer.onEvent?.(event));
  const guard = createLoopGuard();
  const ending = new AbortController();
  let verdict: LoopVerdict | undefined;
  let limit: LimitMet | undefined;
  let lingering: Timer | undefined;
  let hasLingered = false;
  let unknownEvents = 0;

  const onLine = (line: Line): 'go on' | 'end' => {
    if (line.type === 'line' && line.text.trim() === '') return 'go on';
    const event = line.type === 'line' ? parseOpencodeEvent(cover(line.text)) : undefined;
    if (event === undefined) unknownEvents++;
    else {
      clearTimeout(lingering);
      transcript.add(event);
      verdict = guard(event);
      if (event.type === 'step_finish' && event.part.reason === 'stop')
        lingering = setTimeout(() => {
          hasLingered = true;
          ending.abort();
        }, patienceMs);
    }
    return verdict === undefined ? 'go on' : 'end';
  };
  /** @param version of the program that spoke */
  const judged = (end: AgentProcessEnd, version: string): AgentFailure | undefined => {
    if (verdict !== undefined) return failureAs(verdict.kind, verdict.detail);
    const seen = transcript.read();
    if (hasLingered) return judge(seen, { code: 0, signal: undefined }, '');
    if (seen.session === undefined && unknownEvents > 0 && end.exit.code === 0 && !end.stopped)
      return failureAs('backend_unknown', `opencode ${version}, tested with ${testedOpencode}`);
    return judge(seen, end.exit, cover(end.stderr));
  };
  return {
    onLine,
    judged,
    read: transcript.read,
    ending: ending.signal,
    endFor: (met: LimitMet): void => {
      limit ??= met;
      ending.abort();
    },
    stop: (): void => clearTimeout(lingering),
    verdict: () => verdict,
    limit: () => limit,
    unknownEvents: () => unknownEvents,
  };
};

const resultOf = (facts: {
  readonly transcript: Transcript;
  readonly end: AgentProcessEnd | undefined;
  readonly failure: AgentFailure | undefined;
  readonly session: string | undefined;
  readonly model: string | undefined;
  readonly unknownEvents: number;
  readonly cutInstructions: string | undefined;
  readonly cell: CellEnd;
}): AgentResult => {
  const { transcript, failure, cutInstructions } = facts;
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
    ...(cutInstructions === undefined ? {} : { cutInstructions }),
    ...facts.cell,
  };
};

const argumentsOf = (request: AgentRequest, model: string | undefined): readonly string[] => [
  ...['run', '--format', 'json', '--agent', request.mode, '--dir', request.workspace],
  // With a title of ours opencode does not pay for one.
  request.backendSession === undefined ? `--title=${request.title}` : `--session=${request.backendSession}`,
  // Always said when it is known: a session would go on with its last model, which may be another payer's.
  ...(model === undefined ? [] : [`--model=${model}`]),
  ...(request.pictures ?? []).map((path) => `--file=${join(request.workspace, path)}`),
];

/** Runs opencode, one process for one task, from the jail that it gets to the result. */
export const createOpencodeRunner = (
  home: string,
  deps: BackendDeps,
  { prepare, ask }: Pick<Launcher, 'prepare' | 'ask'>,
  log: Logger,
) => {
  /** Of a session that answered in its workspace nothing has to be asked: opencode never moves one. */
  const answeredIn = new Map<string, string>();
  const keyOf = (owner: string, session: string): string => `${owner} ${session}`;
  const remember = ({ owner, workspace }: AgentRequest, session: string): void => {
    if (answeredIn.size >= mostKnown) answeredIn.clear();
    answeredIn.set(keyOf(owner, session), workspace);
  };

  /** An agent that was ended before its first token has made a session all the same. */
  const findSession = async (request: AgentRequest): Promise<string | undefined> => {
    const { owner, workspace, payment, mode, model, title } = request;
    const args = ['session', 'list', '--format', 'json', '--max-count', '50'];
    // Not the caller's signal: it has been aborted, that is why we are here.
    const signal = AbortSignal.timeout(listTimeoutMs);
    return sessionByTitle(await ask({ owner, workspace, payment, mode, model, args }, signal), title);
  };

  const checkSession = async (request: AgentRequest, signal: AbortSignal): Promise<void> => {
    const { backendSession, owner, workspace } = request;
    if (backendSession === undefined || answeredIn.get(keyOf(owner, backendSession)) === workspace) return;
    const wall = await deps.jail.wall(signal);
    if (wall.kind === 'refused') return;
    const place = { wall, botHome: home, store: await openOwnerStore(home, owner) };
    const directory = await sessionDirectory(deps.jail, place, backendSession, signal);
    if (directory !== undefined && directory !== workspace)
      throw new NotStartedError('session_unknown', `the session belongs to ${directory}`);
  };

  return async (request: AgentRequest, observer: RunObserver, signal: AbortSignal): Promise<AgentResult> => {
    const following = follow(request, observer, deps.lingerMs ?? lingerMs);
    let model = request.model;
    let end: AgentProcessEnd | undefined;
    let failure: AgentFailure | undefined;
    let cutInstructions: string | undefined;
    let cell: Cell | undefined;
    let over: CellEnd = { limits: [], newGit: [] };
    try {
      await checkSession(request, signal);
      const args = (known: string | undefined): readonly string[] => argumentsOf(request, known);
      const prepared = await prepare({ ...request, args }, signal);
      ({ model, cutInstructions, cell } = prepared);
      end = await runAgentProcess(
        prepared.command,
        { runId: request.runId, stdin: request.task, graceMs: deps.graceMs },
        {
          onSpawn: (pid) => {
            prepared.cell.started(pid, following.endFor);
            observer.onSpawn?.(pid);
          },
          onActivity: observer.onActivity,
          onLine: following.onLine,
        },
        AbortSignal.any([signal, following.ending]),
      );
      failure = following.judged(end, prepared.version);
      log.debug({ runId: request.runId, exit: end.exit, failure: failure?.kind }, 'opencode ended');
    } catch (error) {
      if (signal.aborted && !(error instanceof ProcessesRemainError)) {
        end = nothingYet;
        failure = judge(following.read(), { code: undefined, signal: 'SIGTERM' }, '');
      } else failure = failureOf(error, log);
    } finally {
      following.stop();
      over = (await cell?.close()) ?? over;
    }
    const limit = following.limit();
    if (limit !== undefined && !signal.aborted) failure = { kind: 'limit', detail: limit, status: undefined };
    const transcript = following.read();
    let session = transcript.session ?? request.backendSession;
    const wasEnded = end !== undefined && (end.stopped || following.verdict() !== undefined);
    if (session === undefined && wasEnded && end !== nothingYet) session = await findSession(request);
    if (failure === undefined && transcript.session !== undefined) remember(request, transcript.session);
    const unknownEvents = following.unknownEvents();
    return resultOf({
      ...{ transcript, end, failure, session, model, unknownEvents, cutInstructions },
      cell: over,
    });
  };
};
