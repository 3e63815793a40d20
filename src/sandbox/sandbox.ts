import { runSandbox } from './run-sandbox.ts';
import { startSandboxModel, type Upstream } from './sandbox-model.ts';

/** The flags of `sandbox`. */
export type SandboxOptions = {
  /** Base URL of an OpenAI-compatible server that stands in for the built-in model. */
  readonly upstream?: string | undefined;
  readonly upstreamKey?: string | undefined;
  readonly upstreamModel?: string | undefined;
  /** Seconds that one piped line may wait for its answer. */
  readonly deadline: number;
  readonly keep: boolean;
  readonly verbose: boolean;
};

/**
 * `sandbox` on this process's own terminal or pipes.
 * @returns the exit code: 0, 1 when a line got no answer or something failed, 2 for flags that do not go together,
 *   128 + the signal's number when a signal ended it
 */
export async function sandbox(options: SandboxOptions): Promise<number> {
  const problem = problemOf(options);
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n`);
    return 2;
  }
  const ended = new AbortController();
  let forced: number | undefined;
  const end = (code: number): void => {
    // A second signal is from somebody who does not want to wait; the home is removed even so.
    if (ended.signal.aborted) process.exit(code);
    forced = code;
    ended.abort();
  };
  const onInterrupt = (): void => end(130);
  const onTerminate = (): void => end(143);
  const onDefect = (error: unknown): void => {
    tell(error);
    end(1);
  };
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate).on('SIGHUP', onTerminate);
  process.on('unhandledRejection', onDefect).on('uncaughtException', onDefect);
  try {
    const { startApp } = await import('../app/app.ts');
    const code = await runSandbox(
      {
        keep: options.keep,
        verbose: options.verbose,
        deadlineMs: options.deadline * 1000,
        terminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
        input: process.stdin,
        output: process.stdout,
        error: process.stderr,
        environment: process.env,
      },
      { startApp, startModel: (userHome) => startSandboxModel(userHome, upstreamOf(options)) },
      ended.signal,
    );
    return forced ?? code;
  } catch (error) {
    tell(error);
    return 1;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate).off('SIGHUP', onTerminate);
    process.off('unhandledRejection', onDefect).off('uncaughtException', onDefect);
  }
}

function problemOf({ upstream, upstreamKey, upstreamModel }: SandboxOptions): string | undefined {
  if (upstream === undefined) {
    return upstreamKey === undefined && upstreamModel === undefined
      ? undefined
      : '--upstream-key and --upstream-model need --upstream URL';
  }
  if (!/^https?:$/.test(URL.parse(upstream)?.protocol ?? '')) {
    return '--upstream must be an http(s) URL, e.g. https://api.example/v1';
  }
  return upstreamModel === undefined ? '--upstream needs --upstream-model, e.g. gpt-4o-mini' : undefined;
}

const upstreamOf = ({ upstream, upstreamKey, upstreamModel }: SandboxOptions): Upstream | undefined =>
  upstream === undefined || upstreamModel === undefined
    ? undefined
    : { url: upstream, key: upstreamKey, model: upstreamModel };

const tell = (error: unknown): void =>
  void process.stderr.write(
    `The sandbox failed: ${error instanceof Error ? error.message : String(error)}\n`,
  );
