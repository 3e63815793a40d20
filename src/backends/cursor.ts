import { cursorEnvironment, nobody, userFolders, writableFolders } from './agent-environment.ts';
import {
  type BackendDeps,
  type BackendSettings,
  closeFolders,
  createWalls,
  describeIsolation,
  isFolder,
  openFolders,
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
import { endRun, ProcessesRemainError } from './leftovers.ts';
import { type AgentProcessEnd, type Command, runAgentProcess, SpawnError } from './processes.ts';
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
export const createCursor = (settings: BackendSettings, deps: BackendDeps): Backend => {
  const { home, ambient } = settings;
  const log = deps.log.child({ backend: 'cursor' });
  const walls = createWalls(settings, deps.hiddenPaths ?? []);

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
    options: Pick<AgentRequest, 'runId' | 'owner' | 'workspace' | 'payment'> & {
      readonly args: readonly string[];
    },
    signal: AbortSignal,
  ): Promise<Command | AgentFailure> => {
    const { runId, owner, workspace, payment, args } = options;
    if (payment.credentials === 'provided')
      return failureOf(
        'bad_configuration',
        'the backend cursor works on its own account only: !provider set local',
      );
    const file = await find();
    if (typeof file !== 'string') return failureOf('backend_missing', file.problem);
    const isolation = await walls.probe(signal);
    if (isolation.state === 'refused')
      return failureOf('bad_configuration', `BOT_ISOLATION=bwrap: ${isolation.problem}`);
    if (!(await isFolder(workspace)))
      return failureOf('bad_configuration', `the workspace ${workspace} is not there`);
    const folders = await openFolders(home, runId, owner);
    const environment = cursorEnvironment({
      ambient,
      workspace,
      folders,
      runId,
      variables: payment.variables,
    });
    const user = userFolders(ambient);
    const own = [user.config, user.data, user.cache].flatMap((folder) => [
      `${folder}/cursor`,
      `${folder}/cursor-agent`,
    ]);
    const writable = [workspace, ...writableFolders(folders), `${user.home}/.cursor`, ...own];
    return walls.enclose(
      isolation,
      { file, args, cwd: workspace, environment },
      { writable, scratch: [], hidden: [] },
    );
  };

  const execute: Backend['run'] = async (request, observer, signal) => {
    const transcript = createCursorTranscript((event) => observer.onEvent?.(event));
    let unknownEvents = 0;
    let bareWords = '';
    let end: AgentProcessEnd | undefined;
    let failure: AgentFailure | undefined;
    try {
      const command = await prepare({ ...request, args: argumentsOf(request) }, signal);
      if ('kind' in command) failure = command;
      else {
        end = await runAgentProcess(
          command,
          { runId: request.runId, stdin: request.task, graceMs: deps.graceMs },
          {
            onSpawn: observer.onSpawn,
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
          signal,
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
    }
    const facts = transcript.read();
    const stopped = end?.stopped === true && failure !== undefined;
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
    };
    return result;
  };

  const run: Backend['run'] = async (request, observer, signal) => {
    try {
      return await execute(request, observer, signal);
    } finally {
      await closeFolders(home, request.runId);
    }
  };

  /** Runs one of its short commands on the user's account. Undefined when it cannot be started. */
  const ask = async (args: readonly string[], signal: AbortSignal): Promise<string | undefined> => {
    const runId = crypto.randomUUID();
    const { home: workspace } = await openFolders(home, runId, nobody);
    const payment = { credentials: 'own', variables: {}, configuration: {} } as const;
    try {
      const command = await prepare({ runId, owner: nobody, workspace, payment, args }, signal);
      if ('kind' in command) return undefined;
      return (await runShortCommand(command, { runId, timeoutMs: shortTimeoutMs }, signal)).output;
    } catch (error) {
      if (error instanceof SpawnError) return undefined;
      throw error;
    } finally {
      await closeFolders(home, runId);
    }
  };

  const health: Backend['health'] = async (signal) => {
    const path = await find();
    if (typeof path !== 'string') return path;
    const isolation = await walls.probe(signal, true);
    if (isolation.state === 'refused')
      return { state: 'missing', looked: ['bwrap'], problem: `BOT_ISOLATION=bwrap: ${isolation.problem}` };
    const version = (await ask(['--version'], signal))?.trim().split('\n')[0];
    return version === undefined || version === ''
      ? { state: 'missing', looked: [path], problem: `${path} does not run on this machine` }
      : {
          state: 'untested',
          path,
          version: toDetail(version, 60),
          tested: testedCursor,
          isolation: describeIsolation(isolation),
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
      await closeFolders(home, runId);
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
