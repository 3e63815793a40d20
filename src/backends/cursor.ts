import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cursorEnvironment, userFolders } from './agent-environment.ts';
import {
  type BackendDeps,
  type BackendSettings,
  isFolder,
  nobody,
  openNowhere,
  openOwnerFolder,
} from './agent-folders.ts';
import type {
  AgentFailure,
  AgentFailureKind,
  AgentRequest,
  AgentResult,
  Backend,
  BackendHealth,
  Model,
} from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import { classifyCursorWords, createCursorTranscript, parseCursorEvent } from './cursor-events.ts';
import { findOnPath, isExecutable } from './executables.ts';
import type { LimitMet } from './jail/limits.ts';
import type { Cell, CellEnd, Launch, LaunchRequest } from './jail/types.ts';
import { endRun, ProcessesRemainError } from './leftovers.ts';
import { asNotStarted, NotStartedError } from './not-started.ts';
import { type AgentProcessEnd, runAgentProcess, SpawnError } from './processes.ts';
import { runShortCommand } from './short-command.ts';

const shortTimeoutMs = 30_000;
const noTokens = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
const names = ['cursor-agent', 'agent'];

const failureOf = (kind: AgentFailureKind, detail: string): AgentFailure => ({
  kind,
  detail: toDetail(detail) || undefined,
  status: undefined,
});

/** Reads `agent models`: one model a line, `id - name`, among headings and hints. */
const parseModels = (output: string): readonly Model[] =>
  output.split('\n').flatMap((line) => {
    const [, id, name] = /^\s*[*•-]?\s*([\w.:/-]+)\s+-\s+(.+?)\s*$/.exec(line) ?? [];
    return id === undefined || name === undefined ? [] : [{ id, name }];
  });

/**
 * Drives Cursor's agent by its documented command line (`-p --output-format stream-json`), on the user's own account:
 * what somebody else provides cannot pay for it. `ask` and `plan` are its own read-only modes; only `agent` is allowed
 * to do things unasked (`--force`).
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions of one backend
export const createCursor = (settings: BackendSettings, deps: BackendDeps): Backend => {
  const { home, ambient } = settings;
  const log = deps.log.child({ backend: 'cursor' });
  const { jail } = deps;

  const find = async (): Promise<string | Extract<BackendHealth, { state: 'missing' }>> => {
    const configured = settings.cursorBin;
    if (configured !== undefined)
      return (await isExecutable(configured))
        ? configured
        : {
            state: 'missing',
            looked: [configured],
            problem: `CURSOR_BIN is ${configured}, which is no executable file`,
          };
    const local = `${userFolders(ambient).home}/.local/bin`;
    const found = await findOnPath(names, `${ambient.PATH ?? ''}:${local}`);
    return found ?? { state: 'missing', looked: ['PATH', local], problem: "Cursor's agent is not installed" };
  };

  const argumentsOf = (request: AgentRequest): readonly string[] => [
    ...['--print', '--output-format', 'stream-json', '--trust', '--workspace', request.workspace],
    ...(request.mode === 'agent' ? ['--force'] : ['--mode', request.mode]),
    ...(request.model === undefined ? [] : ['--model', request.model]),
    ...(request.backendSession === undefined ? [] : ['--resume', request.backendSession]),
  ];

  const prepare = async (
    options: Pick<AgentRequest, 'runId' | 'owner' | 'workspace' | 'payment' | 'mode'> & {
      readonly args: readonly string[];
    },
    signal: AbortSignal,
  ): Promise<{ readonly command: Launch; readonly cell: Cell } | AgentFailure> => {
    const { runId, owner, workspace, payment, mode, args } = options;
    if (payment.credentials === 'provided')
      return failureOf(
        'bad_configuration',
        'the backend cursor works on its own account only: !provider set local',
      );
    const file = await find();
    if (typeof file !== 'string') return failureOf('backend_missing', file.problem);
    const wall = await jail.wall(signal);
    if (wall.kind === 'refused') return failureOf('no_wall', '');
    if (!(await isFolder(workspace))) return failureOf('workspace_gone', workspace);
    let cell: Cell | undefined;
    try {
      cell = await jail.open(wall, { runId, workspace, writable: mode === 'agent', store: undefined });
      const command = await cell.launch({
        ...{ file, args, endpoints: [], homeTexts: {}, texts: {} },
        ...{
          hideCode: !settings.trustWorkspace,
          identity: undefined,
          serve: undefined,
          startIn: 'workspace',
        },
        environment: cursorEnvironment({ ambient, cell, runId, variables: payment.variables }),
        homeFiles: await cursorFiles(owner),
      });
      return { command, cell };
    } catch (error) {
      await cell?.close();
      const reason = asNotStarted(error);
      if (reason instanceof NotStartedError) return reason.failure;
      throw reason;
    }
  };

  /** The user's login and settings, and the owner's own conversations. Nothing that the user's Cursor runs later. */
  const cursorFiles = async (owner: string): Promise<LaunchRequest['homeFiles']> => {
    const { home: userHome, config } = userFolders(ambient);
    const files = [
      { from: join(config, 'cursor/auth.json'), at: '.config/cursor/auth.json', writable: true },
      { from: join(userHome, '.cursor/cli-config.json'), at: '.cursor/cli-config.json', writable: false },
    ].filter(({ from }) => existsSync(from));
    if (owner === nobody) return files;
    return [
      ...files,
      { from: await openOwnerFolder(home, owner, 'cursor'), at: '.cursor/chats', writable: true },
    ];
  };

  const run: Backend['run'] = async (request, observer, signal) => {
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
          { runId: request.runId, stdin: request.task, graceMs: deps.graceMs },
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
    const result: AgentResult = {
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
    return result;
  };

  /** Runs one of its short commands on the user's account. Undefined when it cannot be started. */
  const ask = async (args: readonly string[], signal: AbortSignal): Promise<string | undefined> => {
    const runId = crypto.randomUUID();
    const workspace = await openNowhere(home);
    const payment = { credentials: 'own', variables: {}, configuration: {} } as const;
    const prepared = await prepare({ runId, owner: nobody, workspace, payment, mode: 'ask', args }, signal);
    if ('kind' in prepared) return undefined;
    try {
      return (await runShortCommand(prepared.command, { runId, timeoutMs: shortTimeoutMs }, signal)).output;
    } catch (error) {
      if (error instanceof SpawnError) return undefined;
      throw error;
    } finally {
      await prepared.cell.close();
    }
  };

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
    run,
    endLeftovers: async (runId, signal) => {
      const ended = await endRun({
        runId,
        signal,
        ...(deps.graceMs === undefined ? {} : { graceMs: deps.graceMs }),
      });
      await jail.clear(runId);
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
