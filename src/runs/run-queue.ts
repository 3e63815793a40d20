import { after } from '@nostr-dm-agent/kit/timers';
import { executeRun } from './execute-run.ts';
import { messageOf, replyToRun } from './messenger.ts';
import type { Run, RunOrder, StopReason } from './run.ts';
import type { RunDeps } from './run-deps.ts';

/** Tasks of one session run one after another; different sessions side by side, up to `concurrency`. */
export type RunQueue = {
  /** Puts a task in the stored queue; may be part of the caller's transaction. It is started right after. */
  readonly enqueue: (order: RunOrder) => Run;
  /** Whether a task that is put in now has to wait for others. */
  readonly mustWait: (session: string) => boolean;
  /** Every run that is not done: those that run first, then those that wait, each in order. */
  readonly list: () => readonly Run[];
  /** Ends a running one; false when it isn't running. Its reply follows when it has been settled. */
  readonly stop: (runId: string) => boolean;
  /** Takes a waiting task off the queue; false when it isn't waiting (any more). */
  readonly drop: (runId: string) => boolean;
  /** Begins to take tasks; before that they are only stored. */
  readonly start: () => void;
  /** Takes no more tasks and ends those that run; resolves when they are settled and answered. */
  readonly close: () => Promise<void>;
};

export function createRunQueue(deps: RunDeps, concurrency: number): RunQueue {
  const { runs } = deps.stores;
  const running = new Map<
    string,
    { readonly session: string; readonly controller: AbortController; done: Promise<void> }
  >();
  let taking = false;
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

  const take = () => {
    if (!taking || running.size >= concurrency) return;
    const busy = new Set([...running.values()].map(({ session }) => session));
    for (const run of runs.open()) {
      if (running.size >= concurrency) return;
      if (run.state !== 'queued' || busy.has(run.session)) continue;
      busy.add(run.session);
      begin(run);
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
      const open = runs.open();
      return open.length >= concurrency || open.some((run) => run.session === session);
    },
    list: () => {
      const open = runs.open();
      return [
        ...open.filter(({ state }) => state !== 'queued'),
        ...open.filter(({ state }) => state === 'queued'),
      ];
    },
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
      deps.messenger.react(replyToRun(run), messageOf(run), '⏹');
      return true;
    },
    start: () => {
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
