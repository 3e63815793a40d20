import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Recipient } from '@nostr-dm-agent/nostr';
import type { AgentEvent, AgentResult, Backend, BackendName } from '../backends/backend.ts';
import { progressLine } from '../replies/progress.ts';
import { holdNotice } from '../replies/provider-replies.ts';
import { costText, finalReply } from '../replies/run-replies.ts';
import type { RunStore } from '../store/runs-table.ts';
import type { SessionStore } from '../store/sessions-table.ts';
import type { Messenger } from './messenger.ts';
import type { Hold, Provider, Settlement } from './provider.ts';
import type { Run, RunOutcome, RunResult, Session, StopReason } from './run.ts';
import { type RunLimits, startRunDeadline } from './run-deadline.ts';
import { runWithRetries } from './run-with-retries.ts';

export type RunDeps = {
  readonly runs: RunStore;
  readonly sessions: SessionStore;
  readonly backends: ReadonlyMap<BackendName, Backend>;
  readonly providers: ReadonlyMap<string, Provider>;
  /** Who pays for a run of this session. */
  readonly providerFor: (session: Session) => ChosenProvider;
  readonly messenger: Messenger;
  /** One SQLite transaction: all or nothing. */
  readonly atomically: (change: () => void) => void;
  readonly limits: RunLimits;
  /** Between two progress messages; 0 = none. */
  readonly progressMs: number;
  /** How long model calls wait for more money (`BOT_HOLD_MINUTES`). */
  readonly holdMs: number;
  /** Settling has its own time, whatever ended the run. */
  readonly settleMs: number;
  /** Told between two steps, when everything is on disk. Tests end the process there. */
  readonly reached: (checkpoint: TaskCheckpoint) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** The provider of a run, and what its owner is told when it is not the one that he chose. */
export type ChosenProvider = { readonly provider: Provider; readonly note: string | undefined };

export type TaskCheckpoint =
  | 'task:preparing'
  | 'task:running'
  | 'task:settling'
  | 'task:settled'
  | 'task:done';

/** How a run went, before it is settled. */
export type Ending = {
  readonly outcome: RunOutcome;
  readonly answer: string | undefined;
  readonly result: RunResult | undefined;
};

/**
 * The life of one run, from the queue to its reply (docs/design.md#states-of-a-run). Aborting the signal with a
 * `StopReason` ends the agent; the run is then settled and answered all the same. Resolves when the run is done; does
 * not throw.
 */
export async function executeRun(run: Run, deps: RunDeps, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ run: run.id, session: run.session });
  const session = deps.sessions.get(run.session);
  if (session === undefined) throw new RangeError(`run ${run.id} has no session`);
  const { provider, note } = deps.providerFor(session);
  const startedAt = deps.clock.now();
  deps.runs.prepare(run.id, provider.name, startedAt);
  deps.reached('task:preparing');

  const model = provider.model === undefined ? run.model : provider.model(run.model);
  let ending: Ending;
  try {
    ending = await work(run, model, session, provider, deps, log, signal);
  } catch (cause) {
    log.error({ cause }, 'the run broke off');
    ending = failed(cause);
  }
  ending = withNote(ending, note ?? otherModel(run, model, provider));
  // With its answer: a bot that is killed while it settles still has it.
  deps.runs.settling(run.id, ending);
  deps.reached('task:settling');
  const settlement = await settle(run.id, provider, deps, log);
  deps.reached('task:settled');
  conclude(run.id, ending, settlement, startedAt, deps);
  deps.reached('task:done');
  log.info({ outcome: ending.outcome, ms: deps.clock.now() - startedAt }, 'run done');
}

/** The owner's model is not silently another one. */
function otherModel(run: Run, model: string | undefined, { name }: Provider): string | undefined {
  if (run.model === undefined || (model !== undefined && nameOf(model) === nameOf(run.model)))
    return undefined;
  return `Provider ${name} is not known to have ${run.model}, so ${model ?? 'its default model'} was asked for. !model sets another one.`;
}

/** Providers have names of their own for one model: `anthropic/claude-sonnet-4.5` and `routstr/claude-sonnet-4-5`. */
const nameOf = (model: string): string =>
  (model.toLowerCase().split('/').at(-1) ?? '').replace(/[._]/g, '-').replace(/-\d{8}$/, '');

async function work(
  run: Run,
  model: string | undefined,
  session: Session,
  provider: Provider,
  deps: RunDeps,
  log: Logger,
  signal: AbortSignal,
): Promise<Ending> {
  const backend = deps.backends.get(session.backend);
  if (backend === undefined) throw new RangeError(`no backend ${session.backend}`);
  const deadline = startRunDeadline(deps.limits, signal);
  const progress = startProgress(run, provider, deps);
  try {
    const prepared = await provider.prepareRun(
      {
        runId: run.id,
        sessionId: session.id,
        owner: run.owner,
        model,
        task: run.task,
        budget: run.budget,
        observer: {
          onActivity: deadline.touch,
          onHold: (hold) => {
            progress.holds(true);
            tellHold(run, provider, hold, deps);
          },
          onHoldEnd: () => progress.holds(false),
        },
      },
      signal,
    );
    if (prepared.state === 'refused') {
      return { outcome: 'refused', answer: prepared.reason, result: undefined };
    }
    if (signal.aborted) return { outcome: stopReasonOf(signal), answer: undefined, result: undefined };

    const attempt = () =>
      backend.run(
        {
          runId: run.id,
          owner: run.owner,
          task: run.task,
          mode: run.mode,
          model,
          workspace: session.directory,
          backendSession: session.backendSession,
          // Not the task: a title is an argument, and arguments are visible to every user of the host.
          title: `nostr-dm-agent ${run.id}`,
          payment: prepared.payment,
        },
        {
          onSpawn: (pid) => {
            deps.runs.running(run.id, pid);
            deps.reached('task:running');
            log.info({ pid, backend: backend.name, mode: run.mode }, 'agent started');
          },
          onEvent: (event) => {
            if (event.type === 'session' && event.backendSession !== session.backendSession) {
              deps.sessions.update(session.id, { backendSession: event.backendSession });
            }
            progress.saw(event);
          },
          onActivity: deadline.touch,
        },
        deadline.signal,
      );
    const result = await runWithRetries(attempt, provider.retryPauses ?? [], deadline.signal);
    if (result.outcome !== 'stopped') provider.ended?.(run.id, result.failure);
    if (result.backendSession !== undefined) {
      deps.sessions.update(session.id, { backendSession: result.backendSession });
    }
    return withNote(endingOf(result, deadline.signal), prepared.note);
  } finally {
    deadline.stop();
    progress.stop();
  }
}

/** What the owner is to know beside the answer. */
const withNote = (ending: Ending, note: string | undefined): Ending =>
  note === undefined ? ending : { ...ending, answer: [ending.answer, note].filter(Boolean).join('\n\n') };

/** The run's model calls wait for money. Must not throw. */
function tellHold(run: Run, provider: Provider, hold: Hold, deps: RunDeps): void {
  try {
    const text = holdNotice({ ...hold, budget: provider.usage?.(run.id)?.budget, holdMs: deps.holdMs });
    deps.messenger.send(recipientOf(run), text);
  } catch (cause) {
    deps.log.error({ cause, run: run.id }, 'the owner could not be asked for more money');
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

async function settle(runId: string, provider: Provider, deps: RunDeps, log: Logger): Promise<Settlement> {
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
  deps: Pick<RunDeps, 'runs' | 'sessions' | 'messenger' | 'atomically' | 'clock'>,
): void {
  const endedAt = deps.clock.now();
  deps.atomically(() => {
    deps.runs.finish(runId, { ...ending, endedAt });
    const run = deps.runs.get(runId);
    if (run === undefined) return;
    deps.sessions.update(run.session, { usedAt: endedAt });
    const to = recipientOf(run);
    const { text, foot } = finalReply(run, endedAt - startedAt, settlement);
    deps.messenger.send(to, text, foot);
    const target = { id: run.message, author: run.owner, kind: run.messageKind };
    deps.messenger.react(to, target, ending.outcome === 'answered' ? '✅' : '❌');
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
function startProgress(run: Run, provider: Provider, deps: RunDeps) {
  const startedAt = deps.clock.now();
  let steps = 0;
  let last: AgentEvent | undefined;
  let held = false;
  const tell = () => {
    const elapsedMs = deps.clock.now() - startedAt;
    const usage = provider.usage?.(run.id);
    const cost = usage && costText(usage);
    deps.messenger.send(recipientOf(run), progressLine({ elapsedMs, steps, last, cost, held }));
  };
  const timer = deps.progressMs > 0 ? setInterval(tell, deps.progressMs) : undefined;
  return {
    saw: (event: AgentEvent) => {
      if (event.type === 'step') steps += 1;
      if (event.type === 'tool' || event.type === 'text') last = event;
    },
    holds: (waiting: boolean) => {
      held = waiting;
    },
    stop: () => clearInterval(timer),
  };
}
