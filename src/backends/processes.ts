import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { z } from 'zod';
import { endRun, identify } from './leftovers.ts';
import { type Line, readLines } from './lines.ts';

/** A program to run. `environment` is all that it sees: nothing is inherited. */
export type Command = {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Its descriptors 3, 4, …: closed here once it is started. */
  readonly fds?: readonly number[];
};

/** How a process ended. */
export type Exit = { readonly code: number | undefined; readonly signal: string | undefined };

/** The program could not be started at all. */
export class SpawnError extends Error {
  override readonly name = 'SpawnError';
  readonly file: string;
  /** `ENOENT`, `EACCES`, … */
  readonly code: string | undefined;
  constructor(file: string, code: string | undefined, cause: unknown) {
    super(`Cannot start ${file}`, { cause });
    this.file = file;
    this.code = code;
  }
}

const stderrLimit = 16 * 1024;
const lineLimit = 8 * 1024 * 1024;

/** What node's `exit` event carries. */
const exitSchema = z
  .tuple([z.number().nullable(), z.string().nullable()])
  .transform(([code, signal]): Exit => ({ code: code ?? undefined, signal: signal ?? undefined }));

/** Passes a stream on and reports each chunk; one that is cut off because its reader was destroyed just ends. */
async function* watched(
  stream: AsyncIterable<Uint8Array | string>,
  onChunk: (() => void) | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) {
      onChunk?.();
      // Text, where Bun is as old as opencode's own (1.3), which runs this on agent hosts.
      yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    }
  } catch (error) {
    if (errorCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

type AgentProcessHandlers = {
  readonly onSpawn?: ((pid: number) => void) | undefined;
  /** Any byte of output. */
  readonly onActivity?: (() => void) | undefined;
  /** One line of standard output. `'end'` ends the agent: what it writes afterwards is not passed on. */
  readonly onLine: (line: Line) => 'go on' | 'end';
};

export type AgentProcessEnd = {
  readonly exit: Exit;
  /** The last 16 kB. */
  readonly stderr: string;
  /** It was ended because the caller's signal said so. */
  readonly stopped: boolean;
};

type Started = { readonly process: ChildProcess; readonly stdout: Readable; readonly stderr: Readable };
/** Synchronous: nothing may come between the start and the first read, execa throws away what nobody reads. */
type Spawn = (command: Command, stdin: Input) => Started;
/** A text, after which its input is closed; or what somebody goes on writing. */
type Input = string | Readable;

/** execa hands any descriptor on; its types know those up to 9. */
const isDescriptor = (fd: number): fd is 3 => Number.isInteger(fd);

/** Its own session: a Ctrl-C for the bot is no Ctrl-C for the agent, the bot ends it in its own order. */
const detached = true;

/** Loaded with the first agent: a bot at rest needs no execa, which takes a tenth of its memory. */
const loadExeca = async (): Promise<Spawn> => {
  const { execa } = await import('execa');
  return (command, stdin) => {
    const { nodeChildProcess, stdout, stderr } = execa(command.file, command.args, {
      cwd: command.cwd,
      env: { ...command.environment },
      extendEnv: false,
      input: stdin,
      stdio: ['pipe', 'pipe', 'pipe', ...(command.fds ?? []).filter(isDescriptor)],
      detached,
      buffer: false,
      reject: false,
      stripFinalNewline: false,
    });
    return { process: nodeChildProcess, stdout, stderr };
  };
};

/** For what is told nothing. */
const spawnPlain: Spawn = (command) => {
  const child = spawn(command.file, command.args, {
    cwd: command.cwd,
    env: { ...command.environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(command.fds ?? [])],
    detached,
  });
  // That it could not be started is known by its pid.
  child.on('error', () => {});
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new TypeError('a process without its pipes');
  return { process: child, stdout, stderr };
};

const start = (spawnIt: Spawn, command: Command, stdin: Input): { agent: Started; pid: number } => {
  let agent: Started;
  try {
    agent = spawnIt(command, stdin);
  } catch (error) {
    throw new SpawnError(command.file, errorCode(error), error);
  } finally {
    command.fds?.forEach(closeSync);
  }
  const { pid } = agent.process;
  if (pid === undefined) throw new SpawnError(command.file, undefined, undefined);
  return { agent, pid };
};

/**
 * Runs an agent to its end: the task, if there is one, goes to its standard input, which is then closed; its lines go to `onLine`.
 * Resolves when it and every process that it left behind are gone, however it ended. An aborted signal ends it
 * politely first. Throws `SpawnError` when it does not start and `ProcessesRemainError` when something of it stays.
 */
export const runAgentProcess = async (
  command: Command,
  options: { readonly runId: string; readonly stdin: Input; readonly graceMs?: number | undefined },
  handlers: AgentProcessHandlers,
  signal: AbortSignal,
): Promise<AgentProcessEnd> => {
  const spawnIt = options.stdin === '' ? spawnPlain : await loadExeca();
  if (signal.aborted) {
    command.fds?.forEach(closeSync);
    return { exit: { code: undefined, signal: undefined }, stderr: '', stopped: true };
  }
  const { agent, pid } = start(spawnIt, command, options.stdin);
  const exited = once(agent.process, 'exit');
  handlers.onSpawn?.(pid);

  const ending = Promise.withResolvers<void>();
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    ending.resolve();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();

  let stderr = '';
  const keepStderr = async (): Promise<void> => {
    for await (const chunk of watched(agent.stderr, handlers.onActivity))
      stderr = (stderr + Buffer.from(chunk).toString('utf8')).slice(-stderrLimit);
  };
  const passLines = async (): Promise<void> => {
    let over = false;
    for await (const line of readLines(watched(agent.stdout, handlers.onActivity), lineLimit)) {
      if (over) continue;
      over = handlers.onLine(line) === 'end';
      if (over) ending.resolve();
    }
  };
  const reading = Promise.all([passLines(), keepStderr()]);
  /** What the agent leaves behind may hold its output open, so it is ended as soon as the agent has exited. */
  const supervise = async (): Promise<void> => {
    const root = await identify(pid);
    // A line that can't be coped with ends the agent like anything else.
    const allRead = reading.then(
      () => exited,
      () => undefined,
    );
    await Promise.race([exited, ending.promise, allRead]);
    await endRun({ runId: options.runId, root, graceMs: options.graceMs ?? 3000 });
    await Promise.race([allRead, sleep(2000, undefined, { ref: false })]);
    agent.stdout.destroy();
    agent.stderr.destroy();
  };
  const [supervised, read] = await Promise.allSettled([supervise(), reading]);
  signal.removeEventListener('abort', stop);
  if (supervised.status === 'rejected') throw supervised.reason;
  if (read.status === 'rejected') throw read.reason;
  const exit = exitSchema.parse(await exited);
  return { exit, stderr, stopped };
};
