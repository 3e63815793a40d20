import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import { missedText, pausedText, reminderText } from '../replies/schedule-replies.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Run } from '../runs/run.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Stores } from '../store/open-stores.ts';
import { promptOf, type Sent } from './prompt.ts';
import type { Missed, Pause, Schedule, ScheduledEnd, ScheduledWork } from './schedule.ts';
import { nextTime } from './when.ts';

/** The clock is looked at so often at least: a suspended machine and one that is set anew heal within it. */
const longestWaitMs = 60_000;
/** Until a database that another program holds is tried again. */
const busyPauseMs = 1_000;
/** After that, a time has been missed. */
const graceMs = 2 * 60_000;
/** What was missed longer ago than this is told, and not done. */
const lateOnceMs = 12 * 3_600_000;
const lateAgainMs = 3_600_000;
/** So many missed times are counted. */
const mostCounted = 500;
const failuresBeforePause = 3;
/** Of one that is asked for by name: unlike a time, none of them is passed over. */
const mostWaiting = 5;

/**
 * Does what is to be done at a time: puts tasks in the queue, sends reminders. Durable: a time is met once, ever. In one
 * transaction what comes of it is written and the schedule goes on to the first time after now; a kill before it
 * leaves the time due, one after it leaves a task in the stored queue or a message in the outbox.
 */
export type Scheduler = {
  /**
   * Begins; what was missed meanwhile is told. Until `signal` ends it.
   * @param mayBegin asked when something is due: false, and it waits for the next look
   */
  readonly start: (signal: AbortSignal, mayBegin?: () => boolean) => void;
  /** Looks at the clock now, and does what is due. */
  readonly look: () => void;
  /** Something was scheduled, or taken back: when the next time comes may have changed. */
  readonly changed: () => void;
  /** What stands in the way of one, as is looked at when its time comes. */
  readonly whyNot: (schedule: Schedule) => Pause | undefined;
  /** Does it now, out of turn. `busy`: it runs already. To be part of the caller's transaction. */
  readonly runNow: (schedule: Schedule) => 'begun' | 'busy' | Pause;
  /** A trigger asks for it, with a text. `busy`: enough of it waits already. To be part of the caller's transaction. */
  readonly asked: (schedule: Schedule, sent: Sent) => 'begun' | 'busy' | Pause;
  /** What its schedule makes of the end of a run; see `RunDeps.scheduled`. */
  readonly ended: (run: Run) => ScheduledEnd | 'quiet' | undefined;
};

export type SchedulerDeps = {
  readonly stores: Pick<Stores, 'schedules' | 'runs' | 'sessions' | 'settings' | 'owners' | 'atomically'>;
  readonly queue: Pick<RunQueue, 'enqueue'>;
  readonly currentSessions: Pick<CurrentSessions, 'beginBeside' | 'workspaces' | 'backends'>;
  readonly messenger: Pick<Messenger, 'send'>;
  readonly tellAdmins: (text: string) => void;
  /** Whether members may schedule tasks. */
  readonly membersMay: () => boolean;
  /** What was due before is not done: another bot with this key may have done it. Unix ms. */
  readonly actsSince: () => number;
  /** Told between two steps, when everything is on disk. Tests end the process there. */
  readonly reached: (checkpoint: 'schedule:due' | 'schedule:met') => void;
  readonly clock: Clock;
  readonly log: Logger;
};

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { stores, clock, log } = deps;
  const { schedules } = stores;
  let cancel: Cancel | undefined;
  let until: AbortSignal | undefined;
  let mayBegin = (): boolean => true;

  /** @param met what was due until then has been looked at: where it still is, a fault or another program keeps it from being met */
  const arm = (met = 0, leastMs = 0): void => {
    cancel?.();
    if (until === undefined || until.aborted) return;
    const now = clock.now();
    const next = schedules.nextAt(0);
    // Without one there is nothing to look at. What could not be met is tried again with the next one, or after a while: never at once.
    const upcoming = next !== undefined && next <= met ? schedules.nextAt(met) : next;
    const wait = Math.min(longestWaitMs, Math.max(leastMs, (upcoming ?? Number.POSITIVE_INFINITY) - now));
    if (next !== undefined) cancel = after(wait, { name: 'schedules', log, signal: until }, look);
  };
  const look = (): void => {
    const lookedAt = clock.now();
    let leastMs = 0;
    try {
      meetAll(deps, mayBegin);
    } catch (cause) {
      if (!isBusy(cause)) throw cause;
      leastMs = busyPauseMs;
      log.warn({ cause }, 'another program holds the database; what is due waits');
    } finally {
      // Also after a fault: the next look finds what is still due.
      cancel = undefined;
      if (until?.aborted === false) arm(leastMs > 0 ? 0 : lookedAt, leastMs);
    }
  };

  return {
    start: (signal, may = mayBegin) => {
      until = signal;
      mayBegin = may;
      // A fault here is the timer's to tell: nothing else depends on it.
      cancel = after(0, { name: 'schedules', log, signal }, look);
    },
    look,
    changed: () => arm(),
    whyNot: (schedule) => whyNot(deps, schedule),
    runNow: (schedule) => {
      const why = whyNot(deps, schedule);
      if (why !== undefined) return why;
      if (isUnderWay(deps, schedule)) return 'busy';
      doIt(deps, schedule, undefined);
      return 'begun';
    },
    asked: (schedule, sent) => {
      const why =
        whyNot(deps, schedule) ?? (schedule.state === 'active' ? undefined : (schedule.pause ?? 'asked'));
      if (why !== undefined) return why;
      if (stores.runs.openOfSchedule(schedule.id) >= mostWaiting) return 'busy';
      doIt(deps, schedule, undefined, sent);
      return 'begun';
    },
    ended: (run) => endOf(deps, run),
  };
}

/** Everything whose time has come, an owner's in one transaction: what they missed is one message. */
function meetAll(deps: SchedulerDeps, mayBegin: () => boolean): void {
  const due = deps.stores.schedules.due(deps.clock.now());
  if (due.length === 0 || !mayBegin()) return;
  for (const [, theirs] of Map.groupBy(due, ({ owner }) => owner)) {
    deps.reached('schedule:due');
    deps.stores.atomically(() => meetThose(deps, theirs));
    deps.reached('schedule:met');
  }
}

function meetThose(deps: SchedulerDeps, due: readonly Schedule[]): void {
  const now = deps.clock.now();
  const missed: { readonly schedule: Schedule; readonly missed: Missed }[] = [];
  for (const schedule of due) {
    const { id, nextAt } = schedule;
    if (nextAt === undefined) continue;
    try {
      // Within the other: one that can't be met holds up no other.
      deps.stores.atomically(() => {
        const left = meet(deps, schedule, nextAt, now);
        if (left !== undefined) missed.push({ schedule, missed: left });
      });
    } catch (cause) {
      if (isBusy(cause)) throw cause;
      deps.log.error({ cause, schedule: id }, 'what was due could not be begun');
    }
  }
  const last = missed.at(-1);
  if (last !== undefined) deps.messenger.send(recipientOf(last.schedule), missedText(missed, now));
}

/** Inside a transaction. Returns what there is to be told of times that were missed. */
function meet(deps: SchedulerDeps, schedule: Schedule, dueAt: number, now: number): Missed | undefined {
  const { schedules } = deps.stores;
  const { id, when, zone } = schedule;
  const why = whyNot(deps, schedule);
  if (why !== undefined) {
    schedules.update(id, { turn: { state: 'paused', pause: why } });
    tellPaused(deps, schedule, why);
    return undefined;
  }
  const nextAt = nextTime(when, zone, now);
  const goesOn =
    nextAt === undefined ? ({ state: 'ended' } as const) : ({ state: 'active', nextAt } as const);
  schedules.update(id, { turn: goesOn });
  const since = deps.actsSince();
  if (now - dueAt <= graceMs && dueAt >= since) {
    if (isUnderWay(deps, schedule)) schedules.update(id, { skipped: schedule.skipped + 1 });
    else doIt(deps, schedule, dueAt);
    return undefined;
  }
  const late = timesMissed(schedule, dueAt, now);
  const once = when.kind === 'once';
  const isWanted =
    late.lastAt >= since &&
    (schedule.work.kind === 'reminder' || now - late.lastAt <= (once ? lateOnceMs : lateAgainMs));
  if (isWanted && !isUnderWay(deps, schedule)) {
    doIt(deps, schedule, late.lastAt);
    // The late one is told with what comes of it.
    return late.times > 1 ? { ...late, times: late.times - 1, nextAt } : undefined;
  }
  if (once) schedules.update(id, { turn: { state: 'missed' } });
  return { ...late, nextAt };
}

function timesMissed({ when, zone }: Schedule, dueAt: number, now: number): Omit<Missed, 'nextAt'> {
  let times = 1;
  let lastAt = dueAt;
  for (; times < mostCounted; times += 1) {
    const next = nextTime(when, zone, lastAt);
    if (next === undefined || next > now) return { times, more: false, lastAt };
    lastAt = next;
  }
  return { times, more: true, lastAt };
}

/** What stands in the way of one that was wanted when it was made. */
function whyNot(
  { stores, currentSessions, membersMay }: SchedulerDeps,
  { owner, work }: Schedule,
): Pause | undefined {
  const role = stores.owners.roleOf(owner);
  if (role === undefined) return 'not_owner';
  if (work.kind === 'reminder') return undefined;
  if (role === 'member' && !membersMay()) return 'not_allowed';
  if (!currentSessions.workspaces.some(({ name }) => name === work.workspace)) return 'no_workspace';
  if (!currentSessions.backends.includes(work.backend)) return 'no_backend';
  return undefined;
}

/** Whoever is no owner any more hears nothing. */
function tellPaused({ messenger, tellAdmins }: SchedulerDeps, schedule: Schedule, why: Pause): void {
  const text = pausedText(schedule, why);
  if (why === 'not_owner') tellAdmins(text);
  else messenger.send(recipientOf(schedule), text);
}

const recipientOf = ({ owner, protocol, fallbackRelays, message }: Schedule) => ({
  publicKey: owner,
  protocol,
  fallbackRelays,
  inReplyTo: message,
});

const isUnderWay = ({ stores }: SchedulerDeps, { id }: Schedule): boolean =>
  stores.runs.openOfSchedule(id) > 0;

/** @param dueAt undefined: out of turn */
function doIt(deps: SchedulerDeps, schedule: Schedule, dueAt: number | undefined, sent?: Sent): void {
  const { stores, messenger, clock } = deps;
  const { id, text, work, runs } = schedule;
  const now = clock.now();
  const late = dueAt !== undefined && now - dueAt > graceMs ? dueAt : undefined;
  if (work.kind === 'reminder') {
    messenger.send(recipientOf(schedule), reminderText(text, late, schedule.zone, now));
    stores.schedules.update(id, { runs: runs + 1, lastAt: now });
    return;
  }
  const session = sessionFor(deps, schedule, work);
  const { owner, message, messageKind, protocol, fallbackRelays } = schedule;
  const { mode, model, budget } = work;
  const task = promptOf(text, lastReport(deps, id), sent);
  // `(schedule, dueAt)` is unique: whatever else goes wrong, a time is met once.
  deps.queue.enqueue({
    ...{ owner, session, message, messageKind, protocol, fallbackRelays, task, mode, model, budget },
    ...{ schedule: id, dueAt },
  });
  stores.schedules.update(id, { session, runs: runs + 1, lastAt: now });
}

/**
 * A conversation begun anew in the session of the time before, so that what it costs does not grow; what was reported
 * then stands in the prompt. One that its owner has gone on with is theirs.
 */
function sessionFor(
  { stores, currentSessions }: SchedulerDeps,
  { id, owner, text }: Schedule,
  work: ScheduledWork & { kind: 'task' },
): string {
  const { sessions, settings, runs } = stores;
  const last = work.session === undefined ? undefined : sessions.get(work.session);
  const isTheirs =
    last === undefined ||
    settings.get(owner, 'session') === last.id ||
    runs.ofSession(last.id, 1)[0]?.schedule !== id;
  if (!isTheirs) {
    sessions.update(last.id, { backendSession: undefined });
    return last.id;
  }
  const title = `⏰ #${id} ${text.replace(/\s+/g, ' ').slice(0, 60)}`;
  const { workspace, backend, mode, model } = work;
  return currentSessions.beginBeside(owner, { workspace, backend, mode, model, title });
}

const nothingNew = /^[\s"'“”*_`.–—-]*nothing (?:new )?to report[\s"'“”*_`.!–—-]*$/iu;

const lastReport = ({ stores }: SchedulerDeps, id: number): string | undefined =>
  stores.runs.answersOf(id, 20).find(({ answer = '' }) => !nothingNew.test(answer))?.answer;

function endOf({ stores, log }: SchedulerDeps, run: Run): ScheduledEnd | 'quiet' | undefined {
  const { outcome, answer = '', schedule: id, dueAt, queuedAt } = run;
  const schedule = id === undefined ? undefined : stores.schedules.get(id);
  if (schedule === undefined) return undefined;
  const { skipped, failures, refusals, quiet, state, zone } = schedule;
  const change = (changed: Parameters<typeof stores.schedules.update>[1]): void =>
    stores.schedules.update(schedule.id, changed);
  const late = dueAt !== undefined && queuedAt - dueAt > graceMs ? { dueAt, zone } : undefined;
  const told = (pausedAfter?: number): ScheduledEnd => {
    if (skipped > 0) change({ skipped: 0 });
    const name = schedule.when.kind === 'asked' ? schedule.when.name : undefined;
    return { id: schedule.id, name, late, skipped, pausedAfter };
  };
  switch (outcome) {
    case 'answered':
      change({ failures: 0, refusals: 0 });
      if (!nothingNew.test(answer)) return told();
      change({ quiet: quiet + 1 });
      log.info({ run: run.id, schedule: schedule.id }, 'a scheduled run had nothing to report');
      return 'quiet';
    case 'refused':
      // Said once, until it works again: it is tried at each of its times.
      change({ refusals: refusals + 1 });
      return refusals === 0 ? told() : 'quiet';
    case 'failed':
    case 'timeout':
    case 'idle': {
      change({ failures: failures + 1 });
      if (failures + 1 < failuresBeforePause || state !== 'active') return told();
      change({ turn: { state: 'paused', pause: 'failures' } });
      return told(failures + 1);
    }
    default:
      return told();
  }
}
