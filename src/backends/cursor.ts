import type { Logger } from '@nostr-dm-agent/kit/log';
import type { BackendDeps, BackendSettings } from './agent-folders.ts';
import type { AgentFailure, AgentRequest, Backend, Model } from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import { classifyCursorWords, createCursorTranscript, parseCursorEvent } from './cursor-events.ts';
import { createCursorLauncher, failureOf } from './cursor-launch.ts';
import type { LimitMet } from './jail/limits.ts';
import type { Cell, CellEnd } from './jail/types.ts';
import { endRun, ProcessesRemainError } from './leftovers.ts';
import { type AgentProcessEnd, runAgentProcess, SpawnError } from './processes.ts';

const noTokens = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };

/** Reads `agent models`: one model a line, `id - name`, among headings and hints. */
const parseModels = (output: string): readonly Model[] =>
  output.split('\n').flatMap((line) => {
    const [, id, name] = /^\s*[*•-]?\s*([\w.:/-]+)\s+-\s+(.+?)\s*$/.exec(line) ?? [];
    return id === undefined || name === undefined ? [] : [{ id, name }];
  });

const argumentsOf = (request: AgentRequest): readonly string[] => [
  ...['--print', '--output-format', 'stream-json', '--trust', '--workspace', request.workspace],
  ...(request.mode === 'agent' ? ['--force'] : ['--mode', request.mode]),
  ...(request.model === undefined ? [] : ['--model', request.model]),
  ...(request.backendSession === undefined ? [] : ['--resume', request.backendSession]),
];

const createRun =
  (
    { prepare }: ReturnType<typeof createCursorLauncher>,
    log: Logger,
    graceMs: number | undefined,
  ): Backend['run'] =>
  async (request, observer, signal) => {
    const transcript = createCursorTranscript((event) => observer.onEvent?.(event));
    let unknownEvents = 0;
    let bareWords = '';
    let end: AgentProcessEnd | undefined;
    let failure: AgentFailure | undefined;
    let cell: Cell | undefined;
    let limit: LimitMet | undefined;
    let over: CellEnd = { limits: [], newGit: [] };
    const overLimit = new AbortController();
    try {
      const prepared = await prepare({ ...request, args: argumentsOf(request) }, signal);
      if ('kind' in prepared) failure = prepared;
      else {
        cell = prepared.cell;
        end = await runAgentProcess(
          prepared.command,
          { runId: request.runId, stdin: request.task, graceMs },
          {
            onSpawn: (pid) => {
              prepared.cell.started(pid, (met) => {
                limit ??= met;
                overLimit.abort();
              });
              observer.onSpawn?.(pid);
            },
            onActivity: observer.onActivity,
            onLine: (line) => {
              const text = line.type === 'line' ? line.text : '';
              if (line.type === 'line' && text.trim() === '') return 'go on';
              const event = parseCursorEvent(text);
              if (event !== undefined) transcript.add(event);
              else {
                unknownEvents++;
                if (!text.startsWith('{')) bareWords = `${bareWords} ${text}`.slice(-2000);
              }
              return 'go on';
            },
          },
          AbortSignal.any([signal, overLimit.signal]),
        );
        failure = judgeCursor(transcript.read(), end, bareWords);
        log.debug({ runId: request.runId, exit: end.exit, failure: failure?.kind }, 'cursor ended');
      }
    } catch (error) {
      if (error instanceof SpawnError) failure = failureOf('backend_missing', error.message);
      else if (error instanceof ProcessesRemainError) {
        log.error({ runId: error.runId, pids: error.pids }, 'processes of a run do not end');
        failure = failureOf('crashed', error.message);
      } else if (signal.aborted) {
        end = { exit: { code: undefined, signal: undefined }, stderr: '', stopped: true };
        failure = failureOf('crashed', '');
      } else throw error;
    } finally {
      over = (await cell?.close()) ?? over;
    }
    if (limit !== undefined && !signal.aborted) failure = failureOf('limit', limit);
    const facts = transcript.read();
    const stopped = end?.stopped === true && failure !== undefined && failure.kind !== 'limit';
    return {
      outcome: stopped ? 'stopped' : failure === undefined ? 'answered' : 'failed',
      answer: facts.answer,
      failure: stopped ? undefined : failure,
      backendSession: facts.session ?? request.backendSession,
      steps: facts.steps,
      tools: facts.tools,
      tokens: noTokens,
      model: facts.model ?? request.model,
      unknownEvents,
      ...over,
    };
  };

/**
 * Drives Cursor's agent by its documented command line (`-p --output-format stream-json`), on the user's own account:
 * what somebody else provides cannot pay for it. `ask` and `plan` are its own read-only modes; only `agent` is allowed
 * to do things unasked (`--force`).
 */
export const createCursor = (settings: BackendSettings, deps: BackendDeps): Backend => {
  const log = deps.log.child({ backend: 'cursor' });
  const launcher = createCursorLauncher(settings, deps);
  const { find, ask } = launcher;

  const health: Backend['health'] = async (signal) => {
    const path = await find();
    if (typeof path !== 'string') return path;
    const version = (await ask(['--version'], signal))?.trim().split('\n')[0];
    return version === undefined || version === ''
      ? { state: 'missing', looked: [path], problem: `${path} does not run on this machine` }
      : {
          state: 'untested',
          path,
          version: toDetail(version, 60),
          tested: testedCursor,
        };
  };

  return {
    name: 'cursor',
    run: createRun(launcher, log, deps.graceMs),
    endLeftovers: async (runId, signal) => {
      const ended = await endRun({
        runId,
        signal,
        ...(deps.graceMs === undefined ? {} : { graceMs: deps.graceMs }),
      });
      await deps.jail.clear(runId);
      return ended;
    },
    health,
    models: async (_payment, signal) => parseModels((await ask(['models'], signal)) ?? ''),
  };
};

/** No version of Cursor's agent can be run by tests: it needs an account. Its documented output is what is tested. */
const testedCursor = 'its documented output';

const judgeCursor = (
  facts: ReturnType<ReturnType<typeof createCursorTranscript>['read']>,
  end: AgentProcessEnd,
  bareWords: string,
): AgentFailure | undefined => {
  const { result, answer } = facts;
  if (result?.is_error === true) return classifyCursorWords(result.result ?? bareWords);
  if (end.exit.signal !== undefined) return failureOf('crashed', `ended by ${end.exit.signal}`);
  const words = `${bareWords} ${end.stderr
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join(' ')}`.trim();
  if (end.exit.code !== 0 || result === undefined)
    return words === '' ? failureOf('crashed', '') : classifyCursorWords(words);
  return answer === '' ? failureOf('no_answer', words) : undefined;
};
