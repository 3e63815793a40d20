import type { AgentEvent, AgentResult, Backend, BackendName } from '../backends/types.ts';
import type { Clock } from '../clock.ts';
import type { RunStore } from '../db/runs.ts';
import type { SessionStore } from '../db/sessions.ts';
import type { Logger } from '../log.ts';
import type { Recipient } from '../nostr/types.ts';
import type { Provider, Settlement } from '../providers/types.ts';
import { progressLine } from '../replies/progress.ts';
import { finalReply } from '../replies/run.ts';
import type { Correspondence } from './ports.ts';
import { type RunLimits, startStopwatch } from './stopwatch.ts';
import type { Run, RunOutcome, RunResult, Session, StopReason } from './types.ts';

export type RunDeps = {
  readonly runs: RunStore;
  readonly sessions: SessionStore;
  readonly backends: ReadonlyMap<BackendName, Backend>;
  readonly providers: ReadonlyMap<string, Provider>;
  /** Name of the provider that pays for a run of this session. */
  readonly providerFor: (session: Session) => string;
  readonly correspondence: Correspondence;
  /** One SQLite transaction: all or nothing. */
  readonly atomically: (change: () => void) => void;
  readonly limits: RunLimits;
  /** Between two progress messages; 0 = none. */
  readonly progressMs: number;
  /** Settling has its own time, whatever ended the run. */
  readonly settleMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

/** How a run went, before it is settled. */
type Ending = {
  readonly outcome: RunOutcome;
  readonly answer: string | undefined;
  readonly result: RunResult | undefined;
};

/**
 * The life of one run, from the queue to its reply (DESIGN §5). Aborting the signal with a `StopReason` ends the agent;
 * the run is then settled and answered all the same. Resolves when the run is done; does not throw.
 */
export async function executeRun(run: Run, deps: RunDeps, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ run: run.id, session: run.session });
  const session = deps.sessions.get(run.session);
  if (session === undefined) throw new RangeError(`run ${run.id} has no session`);
  const provider = deps.providers.get(deps.providerFor(session));
  const startedAt = deps.clock.now();
  deps.runs.prepare(run.id, provider?.name ?? 'none', startedAt);

  let ending: Ending;
  try {
    ending = await work(run, session, provider, deps, log, signal);
  } catch (cause) {
    log.error({ cause }, 'the run broke off');
    ending = failed(cause);
  }
  deps.runs.settling(run.id);
  const settlement = await settle(run.id, provider, deps, log);
  conclude(run.id, ending, settlement, startedAt, deps);
  log.info({ outcome: ending.outcome, ms: deps.clock.now() - startedAt }, 'run done');
}

async function work(
  run: Run,
  session: Session,
  provider: Provider | undefined,
  deps: RunDeps,
  log: Logger,
  signal: AbortSignal,
): Promise<Ending> {
  const backend = deps.backends.get(session.backend);
  if (backend === undefined) throw new RangeError(`no backend ${session.backend}`);
  if (provider === undefined) throw new RangeError('no provider');
  const prepared = await provider.prepareRun(
    {
      runId: run.id,
      sessionId: session.id,
      owner: run.owner,
      model: run.model,
      task: run.task,
      budget: run.budget,
    },
    signal,
  );
  if (prepared.state === 'refused') return { outcome: 'refused', answer: prepared.reason, result: undefined };
  if (signal.aborted) return { outcome: stopReasonOf(signal), answer: undefined, result: undefined };

  const stopwatch = startStopwatch(deps.limits, signal);
  const progress = startProgress(run, deps);
  try {
    const result = await backend.run(
      {
        runId: run.id,
        task: run.task,
        mode: run.mode,
        model: run.model,
        workspace: session.directory,
        backendSession: session.backendSession,
        // Not the task: a title is an argument, and arguments are visible to every user of the host.
        title: `nostr-dm-agent ${run.id}`,
        payment: prepared.payment,
      },
      {
        onSpawn: (pid) => {
          deps.runs.running(run.id, pid);
          log.info({ pid, backend: backend.name, mode: run.mode }, 'agent started');
        },
        onEvent: (event) => {
          if (event.type === 'session' && event.backendSession !== session.backendSession) {
            deps.sessions.update(session.id, { backendSession: event.backendSession });
          }
          progress.saw(event);
        },
        onActivity: stopwatch.touch,
      },
      stopwatch.signal,
    );
    if (result.backendSession !== undefined) {
      deps.sessions.update(session.id, { backendSession: result.backendSession });
    }
    return endingOf(result, stopwatch.signal);
  } finally {
    stopwatch.stop();
    progress.stop();
  }
}

const stopReasonOf = (signal: AbortSignal): StopReason => {
  const reason: unknown = signal.reason;
  return reason === 'stopped' || reason === 'timeout' || reason === 'idle' ? reason : 'interrupted';
};

function endingOf({ outcome, answer, ...result }: AgentResult, signal: AbortSignal): Ending {
  return { outcome: outcome === 'stopped' ? stopReasonOf(signal) : outcome, answer, result };
}

const failed = (cause: unknown): Ending => ({
  outcome: 'failed',
  answer: undefined,
  result: {
    failure: {
      kind: 'crashed',
      detail: cause instanceof Error ? cause.message : String(cause),
      status: undefined,
    },
    backendSession: undefined,
    steps: 0,
    tools: {},
    tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
    model: undefined,
    unknownEvents: 0,
  },
});

async function settle(
  runId: string,
  provider: Provider | undefined,
  deps: RunDeps,
  log: Logger,
): Promise<Settlement> {
  if (provider === undefined) return undefined;
  try {
    return await provider.finalizeRun(runId, AbortSignal.timeout(deps.settleMs));
  } catch (cause) {
    // The provider keeps what is owed in its own journal and goes on asking; the reply does not wait for it.
    log.error({ cause, provider: provider.name }, 'the run could not be settled yet');
    return undefined;
  }
}

/** Closes the run, answers it and marks the task's message, all in one transaction. */
export function conclude(
  runId: string,
  ending: Ending,
  settlement: Settlement,
  startedAt: number,
  deps: Pick<RunDeps, 'runs' | 'sessions' | 'correspondence' | 'atomically' | 'clock'>,
): void {
  const endedAt = deps.clock.now();
  deps.atomically(() => {
    deps.runs.finish(runId, { ...ending, endedAt });
    const run = deps.runs.get(runId);
    if (run === undefined) return;
    deps.sessions.update(run.session, { usedAt: endedAt });
    const to = recipientOf(run);
    deps.correspondence.send(to, finalReply(run, endedAt - startedAt, settlement));
    const target = { id: run.message, author: run.owner, kind: run.messageKind };
    deps.correspondence.react(to, target, ending.outcome === 'answered' ? '✅' : '❌');
  });
}

/** The answer to a run goes to its owner, in the protocol and to the relays of the message that asked for it. */
export const recipientOf = (run: Run): Recipient => ({
  publicKey: run.owner,
  protocol: run.protocol,
  fallbackRelays: run.fallbackRelays,
  inReplyTo: run.message,
});

/** Tells the owner now and then that the agent is still at it. */
function startProgress(run: Run, deps: RunDeps) {
  const startedAt = deps.clock.now();
  let steps = 0;
  let last: AgentEvent | undefined;
  const tell = () => {
    const elapsedMs = deps.clock.now() - startedAt;
    deps.correspondence.send(recipientOf(run), progressLine({ elapsedMs, steps, last, cost: undefined }));
  };
  const timer = deps.progressMs > 0 ? setInterval(tell, deps.progressMs) : undefined;
  return {
    saw: (event: AgentEvent) => {
      if (event.type === 'step') steps += 1;
      if (event.type === 'tool' || event.type === 'text') last = event;
    },
    stop: () => clearInterval(timer),
  };
}
