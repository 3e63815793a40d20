import { after } from '@nostr-dm-agent/kit/timers';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { placeKey, type QueueCounts } from '../store/runs-table.ts';
import { executeRun } from './execute-run.ts';
import { reactToRun } from './messenger.ts';
import type { Run, RunOrder, Session, StopReason } from './run.ts';
import type { RunDeps } from './run-deps.ts';

/** Tasks of one session run one after another; different sessions side by side, up to `concurrency`. */
export type RunQueue = {
  /** Puts a task in the stored queue; may be part of the caller's transaction. It is started right after. */
  readonly enqueue: (order: RunOrder) => Run;
  /** Whether a task that is put in now has to wait for others. */
  readonly mustWait: (session: string) => boolean;
  /** The first of the queue: those that run, then those that wait, each in order; of one owner when they are named. */
  readonly list: (mostWaiting: number, owner?: PublicKey) => readonly Run[];
  /** Ends a running one; false when it isn't running. Its reply follows when it has been settled. */
  readonly stop: (runId: string) => boolean;
  /** Takes a waiting task off the queue; false when it isn't waiting (any more). */
  readonly drop: (runId: string) => boolean;
  /** How many run and wait; of one owner when they are named. */
  readonly counts: (owner?: PublicKey) => QueueCounts;
  /** How many of a session run or wait, of those before `seq`. */
  readonly openIn: (session: string, seq?: number) => number;
  /** Whether one of a session runs. */
  readonly isBusy: (session: string) => boolean;
  /** The nth that waits of an owner, from 1; or (`seq`) the one of this number. */
  readonly waitingAt: (
    owner: PublicKey,
    place: { readonly nth: number } | { readonly seq: number },
  ) => Run | undefined;
  /** Those of an owner that run or wait and that these messages asked for. */
  readonly openOf: (owner: PublicKey, messages: readonly EventId[]) => readonly Run[];
  /** Takes all that wait of an owner off the queue; returns how many. */
  readonly dropAll: (owner: PublicKey) => number;
  /** What tasks wait for may be there. */
  readonly look: () => void;
  /**
   * Begins to take tasks; before that they are only stored.
   * @param mayBegin asked before each: false, and it waits for the next `look`
   */
  readonly start: (mayBegin?: () => boolean) => void;
  /** Takes no more tasks and ends those that run; resolves when they are settled and answered. */
  readonly close: () => Promise<void>;
};

/** Of tasks that are dropped at once, so many get a mark under their message: each is encrypted and signed. */
const mostMarked = 50;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share what runs
export function createRunQueue(deps: RunDeps, concurrency: number): RunQueue {
  const { runs } = deps.stores;
  const running = new Map<
    string,
    { readonly session: string; readonly controller: AbortController; done: Promise<void> }
  >();
  let taking = false;
  let mayBegin = (): boolean => true;
  let kicked = false;

  const kick = () => {
    if (!taking || kicked) return;
    kicked = true;
    // After the caller's transaction, which may still be open here.
    after(0, { name: 'the queue', log: deps.log }, () => {
      kicked = false;
      take();
    });
  };

  /** By their keys, places that were away at the last look, and a session in each: thousands may wait for one. */
  const away = new Map<string, Session>();
  const waits = (id: string): boolean => {
    const session = deps.stores.sessions.get(id);
    if (session === undefined || !deps.places.waits(session)) return false;
    away.set(placeKey(session), session);
    return true;
  };

  const take = () => {
    if (!taking || running.size >= concurrency) return;
    for (const [key, session] of away) if (!deps.places.waits(session)) away.delete(key);
    const busy = new Set([...running.values()].map(({ session }) => session));
    while (running.size < concurrency) {
      const run = runs.next([...busy], [...away.keys()]);
      if (run === undefined || !mayBegin()) return;
      busy.add(run.session);
      if (!waits(run.session)) begin(run);
    }
  };

  const begin = (run: Run) => {
    const controller = new AbortController();
    const entry = { session: run.session, controller, done: Promise.resolve() };
    running.set(run.id, entry);
    entry.done = executeRun(run, deps, controller.signal)
      .catch((cause: unknown) => deps.log.error({ cause, run: run.id }, 'a run could not be concluded'))
      .finally(() => {
        running.delete(run.id);
        kick();
      });
  };

  const end = (runId: string, reason: StopReason) => {
    const entry = running.get(runId);
    entry?.controller.abort(reason);
    return entry !== undefined;
  };

  return {
    enqueue: (order) => {
      const run = runs.enqueue(crypto.randomUUID().slice(0, 8), order, deps.clock.now());
      kick();
      return run;
    },
    mustWait: (session) => {
      const { begun, waiting } = runs.counts();
      return waits(session) || begun + waiting >= concurrency || runs.openIn(session) > 0;
    },
    list: (mostWaiting, owner) => [...runs.begun(owner), ...runs.waiting(mostWaiting, owner)],
    stop: (runId) => end(runId, 'stopped'),
    drop: (runId) => {
      const run = runs.get(runId);
      if (run?.state !== 'queued' || running.has(runId)) return false;
      runs.finish(runId, {
        outcome: 'dropped',
        answer: undefined,
        result: undefined,
        endedAt: deps.clock.now(),
      });
      reactToRun(deps.messenger, run, '⏹');
      return true;
    },
    counts: runs.counts,
    openIn: runs.openIn,
    isBusy: runs.hasBegunIn,
    openOf: runs.openOf,
    waitingAt: (owner, place) =>
      'nth' in place ? runs.waiting(1, owner, place.nth - 1)[0] : runs.waitingNumbered(owner, place.seq),
    dropAll: (owner) => {
      // One that was taken, and is still to be written down as such, waits no more.
      const taken = [...running.keys()];
      const marked = runs.waiting(mostMarked, owner).filter(({ id }) => !taken.includes(id));
      const dropped = runs.dropWaiting(owner, deps.clock.now(), taken);
      for (const run of marked) reactToRun(deps.messenger, run, '⏹');
      return dropped;
    },
    look: kick,
    start: (may = mayBegin) => {
      mayBegin = may;
      taking = true;
      kick();
    },
    close: async () => {
      taking = false;
      for (const runId of running.keys()) end(runId, 'interrupted');
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}
