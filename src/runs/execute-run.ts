import type { Logger } from '@nostr-dm-agent/kit/log';
import { sat } from '@nostr-dm-agent/kit/sat';
import { whenFree } from '@nostr-dm-agent/kit/sqlite';
import type {
  AgentFailure,
  AgentRequest,
  AgentResult,
  RunObserver,
  RunPayment,
} from '../backends/backend.ts';
import { hostedPlace } from '../backends/hosts/place.ts';
import { providerNoteText } from '../replies/connection-replies.ts';
import { ownerName } from '../replies/owner-name.ts';
import {
  answerLostText,
  backendGoneText,
  begunAnewText,
  correctionText,
  costText,
  cutInstructionsText,
  otherModelText,
  unaskedText,
  wentOnText,
} from '../replies/run-replies.ts';
import { answerEarly, type EarlySending, sendEarly, wentOn } from './answer-early.ts';
import { startAnswerParts } from './answer-parts.ts';
import { conclude, type Ending } from './conclude.ts';
import { wholeOf } from './gather-parts.ts';
import { reactToRun, replyToRun } from './messenger.ts';
import { type PaidTask, type PaidWork, payAndWork, payThenWork } from './pay-and-work.ts';
import type { Provider, Settlement } from './provider.ts';
import type { Run, Session, StopReason } from './run.ts';
import { startRunDeadline } from './run-deadline.ts';
import type { RunDeps } from './run-deps.ts';
import { type RunProgress, startProgress } from './run-progress.ts';
import { timeRun } from './run-timings.ts';
import { runWithRetries } from './run-with-retries.ts';

/** How long a run waits for a database that another program holds, before it is left to the next start. */
const patienceMs = 10 * 60_000;

/** How long settling may still take once somebody has stopped the run: they wait for its answer. */
const stoppedSettleMs = 5_000;

/** A run that has been taken off the queue. */
type Job = {
  readonly run: Run;
  readonly session: Session;
  readonly provider: Provider;
  /** As its provider calls it. */
  readonly model: string | undefined;
  readonly log: Logger;
  readonly times: ReturnType<typeof timeRun>;
};

/**
 * The life of one run, from the queue to its reply (docs/design.md#states-of-a-run). Resolves when the run is done; does
 * not throw.
 * @param signal aborting it with a `StopReason` ends the agent; the run is then settled and answered all the same, be
 * it that what it cost is not known yet
 */
export async function executeRun(run: Run, deps: RunDeps, signal: AbortSignal): Promise<void> {
  const { stores } = deps;
  const log = deps.log.child({ run: run.id, session: run.session });
  const begun = stores.sessions.get(run.session);
  if (begun === undefined) throw new RangeError(`run ${run.id} has no session`);
  const { session, leave } = deps.places.enter(begun);
  try {
    await executeIn(session, run, deps, signal, log);
  } finally {
    leave();
  }
}

async function executeIn(
  session: Session,
  run: Run,
  deps: RunDeps,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  const { stores, clock, reached } = deps;
  const { provider, note } = deps.providers.providerFor(session);
  const startedAt = clock.now();
  await whenFree(() => prepare(run, provider, startedAt, deps), signal);
  reached('task:preparing');

  const model = provider.model === undefined ? run.model : provider.model(run.model);
  const providerNote = note === undefined ? otherModel(run, model, provider) : providerNoteText(note);
  const times = timeRun(run, clock);
  // A work tree that is only made now is not its agent's doing.
  let since = startedAt;
  const refuseRun: RunDeps['refuseRun'] = async (...asked) => {
    const refusal = await deps.refuseRun(...asked);
    since = clock.now();
    return refusal;
  };
  const close = (ending: Ending, settlement: Settlement): void => {
    conclude(run.id, ending, settlement, { startedAt, since }, deps);
    if (ending.outcome === 'answered') times.answered();
  };
  const early = sendEarly(
    (ending, settlement) => close(withNote(ending, providerNote), settlement),
    () => {
      if (signal.aborted) return undefined;
      return provider.bill === undefined ? 'nobody_counts' : provider.bill(run.id);
    },
    log,
  );
  let ending: Ending;
  try {
    ending = await work({ run, session, provider, model, log, times }, { ...deps, refuseRun }, signal, early);
  } catch (cause) {
    ending = signal.aborted
      ? { outcome: stopReasonOf(signal), answer: undefined, result: undefined }
      : failed(cause);
    if (!signal.aborted) log.error({ cause }, 'the run broke off');
    ending = { ...ending, answer: stores.runs.get(run.id)?.told };
  }
  ending = withNote(ending, providerNote);
  const sent = early.sent();
  // With its answer: a bot that is killed while it settles still has it.
  if (sent === undefined) await keepOr(() => stores.runs.settling(run.id, ending), log);
  else if (ending.outcome === 'answered') await keepOr(() => stores.runs.amend(run.id, ending), log);
  reached('task:settling');
  // Whatever becomes of its answer: a full disk, or one that no database takes, leaves no money at a provider.
  const answer = (settlement: Settlement): Promise<boolean> => keepOr(() => close(ending, settlement), log);
  const counted = ending.outcome === 'answered' ? provider.bill?.(run.id) : undefined;
  const settling = settle(run.id, provider, deps, signal, log);
  const { settlement, told } =
    sent === undefined
      ? await answerEarly(settling, counted, answer)
      : { settlement: await settling, told: sent.settlement };
  reached('task:settled');
  if (told !== undefined || sent !== undefined) {
    const more = sent && wentOn(sent.ending, ending) ? wentOnText(ending.answer ?? '') : undefined;
    for (const text of [more, told && correctionText(told, settlement)])
      if (text !== undefined) await keepOr(() => deps.messenger.send(replyToRun(run), text), log);
  } else if (!(await answer(settlement))) {
    ending = { outcome: ending.outcome, answer: answerLostText, result: undefined };
    // What cannot be written either is told after the next start.
    if (!(await answer(settlement))) return;
  }
  reached('task:done');
  log.info(
    {
      from: ownerName(run.owner),
      outcome: ending.outcome,
      failure: ending.result?.failure?.kind,
      mode: run.mode,
      backend: session.backend,
      provider: provider.name,
      cost: settlement && costText(settlement),
      ms: clock.now() - startedAt,
    },
    'run done',
  );
}

/** Takes it off the queue, and says so. */
const prepare = (run: Run, { name }: Provider, startedAt: number, { stores, messenger }: RunDeps): void =>
  stores.atomically(() => {
    stores.runs.prepare(run.id, name, startedAt);
    reactToRun(messenger, run, '👀');
  });

/** The owner's model is not silently another one. */
const otherModel = (run: Run, model: string | undefined, { name }: Provider): string | undefined =>
  run.model === undefined || (model !== undefined && nameOf(model) === nameOf(run.model))
    ? undefined
    : otherModelText(name, run.model, model);

/** Providers have names of their own for one model: `anthropic/claude-sonnet-4.5` and `routstr/claude-sonnet-4-5`. */
const nameOf = (model: string): string =>
  (model.toLowerCase().split('/').at(-1) ?? '').replace(/[._]/g, '-').replace(/-\d{8}$/, '');

async function work(job: Job, deps: RunDeps, signal: AbortSignal, early: EarlySending): Promise<Ending> {
  const { run, session, provider, model } = job;
  const backend = deps.backends.get(session.backend);
  if (backend === undefined)
    return {
      outcome: 'refused',
      answer: backendGoneText(session.backend, [...deps.backends.keys()]),
      result: undefined,
    };
  const refusal = await deps.refuseRun(run, signal);
  if (refusal !== undefined) return { outcome: 'refused', answer: refusal, result: undefined };
  const deadline = startRunDeadline(deps.limits, signal);
  const progress = startProgress(run, provider, deps);
  const asks = deps.asks.ofRun(
    run,
    (begun) => {
      deadline.waiting(begun);
      progress.waiting(begun);
    },
    hostedPlace(session.directory)?.path ?? session.directory,
    signal,
  );
  const { onHold, onHoldEnd } = progress;
  const observer = { onActivity: job.times.asked(deadline.touch), onHold, onHoldEnd };
  try {
    const { id: runId, owner, task, budget } = run;
    const ticket = {
      ...{ runId, sessionId: session.id, owner, model, task, observer },
      budget: budget === undefined ? undefined : sat(budget),
    };
    const standing = provider.standing?.(owner, model);
    const request: AgentRequest = {
      runId,
      owner,
      task,
      mode: run.mode,
      model,
      workspace: session.directory,
      backendSession: session.backendSession,
      // Not the task: a title is an argument, and arguments are visible to every user of the host.
      title: `nostr-dm-agent ${runId}`,
      payment: notYetPaid,
      standing,
      approvals: await deps.approvalsFor(session, signal),
      ...{ job: run.job, pictures: run.pictures },
    };
    const { onApproval, onQuestion } = asks;
    const endings = createEndings(job, deps, deadline.signal);
    const observed = observerOf(job, deps, progress, deadline.touch, early);
    const onAnswer = (result: AgentResult): void => {
      if (!endings.isPaid() || !early.send(endings.of(result))) return;
      progress.stop();
      provider.answered?.(run.id);
    };
    const seen: RunObserver = { ...observed, onApproval, onQuestion, onAnswer };
    const paidTask: PaidTask<AgentResult> = {
      pay: async (signal) => {
        const prepared = await provider.prepareRun(ticket, signal);
        if (prepared.state === 'ready') endings.paid(prepared.note);
        return prepared;
      },
      work: (payment, ended) => {
        const paid = payment instanceof Promise ? { paying: payment } : { payment };
        const signal = AbortSignal.any([deadline.signal, ended]);
        const once = (again: Pick<AgentRequest, 'backendSession'>) =>
          backend.run({ ...request, ...paid, ...again }, seen, signal);
        return attempts(once, job, signal, endings.lost);
      },
    };
    let paid: PaidWork<AgentResult>;
    if (backend.warm === undefined || standing?.openDoor === undefined)
      paid = await payThenWork(paidTask, signal);
    else {
      const reason = provider.refusal?.(ticket);
      paid = reason === undefined ? await payAndWork(paidTask, signal) : { state: 'refused', reason };
    }
    if (paid.state === 'refused') return { outcome: 'refused', answer: paid.reason, result: undefined };
    if (paid.state === 'stopped')
      return { outcome: stopReasonOf(signal), answer: undefined, result: undefined };

    const result = paid.work;
    if (result.outcome !== 'stopped') provider.ended?.(runId, result.failure);
    const { backendSession } = result;
    if (backendSession !== undefined) {
      await inTime(() => deps.stores.sessions.update(session.id, { backendSession }), job.log);
    }
    deps.lookAgain(session.backend, result.failure);
    return endings.of(result);
  } finally {
    asks.end();
    deadline.stop();
    progress.stop();
  }
}

/** How a run went, with what its owner is to know beside the answer. */
const createEndings = ({ run, session }: Job, { stores }: RunDeps, signal: AbortSignal) => {
  let isPaid = false;
  let paidNote: string | undefined;
  let lostNote: string | undefined;
  return {
    paid: (note: string | undefined): void => {
      isPaid = true;
      paidNote = note;
    },
    /** What there is to be known of who serves it is known. */
    isPaid: () => isPaid,
    lost: (failure: AgentFailure): void => {
      lostNote = begunAnewText(failure);
    },
    of: (result: AgentResult): Ending => {
      const answer = wholeOf(result.answer, stores.runs.get(run.id)?.told);
      const notes = [paidNote, lostNote, ...onceIn(session, result)].filter((note) => note !== undefined);
      return withNote(endingOf({ ...result, answer }, signal), notes.join('\n\n') || undefined);
    },
  };
};

const notYetPaid: RunPayment = { credentials: 'provided', variables: {}, configuration: {} };

/**
 * Runs the agent, again for faults that pass, and without its session when that is lost.
 * @param onLost the backend has forgotten the session, and a new one is begun
 */
async function attempts(
  run: (again: Pick<AgentRequest, 'backendSession'>) => Promise<AgentResult>,
  { session, provider }: Job,
  signal: AbortSignal,
  onLost: (failure: AgentFailure) => void,
): Promise<AgentResult> {
  const attempt = (backendSession: string | undefined): Promise<AgentResult> =>
    runWithRetries(() => run({ backendSession }), provider.retryPauses ?? [], signal);
  const first = await attempt(session.backendSession);
  const lost = memoryLost(first);
  if (lost === undefined) return first;
  onLost(lost);
  return signal.aborted ? first : attempt(undefined);
}

/** Why a backend can't go on with what it knew; undefined when it can. Nothing was done or paid then. */
const memoryLost = ({ failure, steps }: AgentResult): AgentFailure | undefined =>
  steps === 0 && (failure?.kind === 'session_unknown' || failure?.kind === 'store_damaged')
    ? failure
    : undefined;

/** Said once in a session. */
const onceIn = (
  session: Session,
  { cutInstructions, unasked }: AgentResult,
): readonly (string | undefined)[] =>
  session.backendSession === undefined
    ? [
        cutInstructions === undefined ? undefined : cutInstructionsText(cutInstructions),
        unasked === true ? unaskedText : undefined,
      ]
    : [];

/** Whether it could be written. */
async function keepOr(change: () => void, log: Logger): Promise<boolean> {
  try {
    await inTime(change, log);
    return true;
  } catch (cause) {
    log.error({ cause }, 'what came of a run could not be stored');
    return false;
  }
}

/** What the agent has done must not be lost because another program holds the database. */
const inTime = (change: () => void, log: Logger): Promise<void> =>
  whenFree(change, AbortSignal.timeout(patienceMs), (cause) =>
    log.warn({ cause }, 'another program holds the database; the run waits'),
  );

function observerOf(
  { run, session, log, times }: Job,
  deps: RunDeps,
  progress: RunProgress,
  onActivity: () => void,
  early: Pick<EarlySending, 'sent'>,
): RunObserver {
  const { stores, reached } = deps;
  const sendParts = startAnswerParts(run, { ...deps, log }, progress.said);
  /** Written once more when the agent has ended; while it works, nothing of it may end it. */
  const note = (change: () => void): void => {
    try {
      change();
    } catch (cause) {
      log.warn({ cause }, 'what a run does could not be written down');
    }
  };
  return {
    onSpawn: (pid) => {
      note(() => stores.runs.running(run.id, pid));
      progress.spawned(pid);
      times.spawned();
      reached('task:running');
      log.debug({ pid, backend: session.backend, mode: run.mode }, 'agent started');
    },
    onElsewhere: () => {
      note(() => stores.runs.running(run.id, undefined));
      reached('task:running');
    },
    onEvent: (event) => {
      if (event.type === 'session' && event.backendSession !== session.backendSession) {
        note(() => stores.sessions.update(session.id, { backendSession: event.backendSession }));
      }
      progress.saw(event);
      times.heard(event);
      // What its agent says of it comes after the answer.
      if (early.sent() === undefined) sendParts(event);
    },
    onActivity,
  };
}

/** What the owner is to know beside the answer. */
const withNote = (ending: Ending, note: string | undefined): Ending =>
  note === undefined ? ending : { ...ending, answer: [ending.answer, note].filter(Boolean).join('\n\n') };

const stopReasonOf = (signal: AbortSignal): StopReason => {
  const reason: unknown = signal.reason;
  return reason === 'stopped' || reason === 'timeout' || reason === 'idle' ? reason : 'interrupted';
};

const endingOf = ({ outcome, answer, ...result }: AgentResult, signal: AbortSignal): Ending => ({
  outcome: outcome === 'stopped' ? stopReasonOf(signal) : outcome,
  answer,
  result,
});

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
    limits: [],
    newGit: [],
  },
});

async function settle(
  runId: string,
  provider: Provider,
  { limits }: RunDeps,
  signal: AbortSignal,
  log: Logger,
): Promise<Settlement> {
  const patience = new AbortController();
  const giveUp = () => patience.abort();
  const timers = [setTimeout(giveUp, limits.settleMs)];
  const hurry = () => timers.push(setTimeout(giveUp, stoppedSettleMs));
  signal.addEventListener('abort', hurry, { once: true });
  if (signal.aborted) hurry();
  try {
    return await provider.finalizeRun(runId, patience.signal);
  } catch (cause) {
    // The provider keeps what is owed in its own journal and goes on asking; the reply does not wait for it.
    log.error({ cause, provider: provider.name }, 'the run could not be settled yet');
    return undefined;
  } finally {
    signal.removeEventListener('abort', hurry);
    timers.forEach(clearTimeout);
  }
}
