import type { RunState } from './run-state.ts';

/** The runs that are open at the meter, by their ids; others may wait until one is. */
export type OpenRuns = {
  readonly open: (run: RunState) => void;
  readonly closed: (run: RunState) => void;
  /** A session was leased to it, so its calls came through a door. */
  readonly isLeased: (run: RunState) => boolean;
  /** Calls `then` as soon as the run is open: at once if it is. @returns nobody waits any more */
  readonly whenOpen: (runId: string, then: (run: RunState) => void) => () => void;
};

export function createOpenRuns(): OpenRuns {
  const runs = new Map<string, RunState>();
  const leased = new WeakSet<RunState>();
  const waiting = new Map<string, Set<(run: RunState) => void>>();
  return {
    open: (run) => {
      const { runId } = run.options;
      runs.set(runId, run);
      const waiters = waiting.get(runId) ?? [];
      waiting.delete(runId);
      for (const then of waiters) {
        leased.add(run);
        then(run);
      }
    },
    isLeased: (run) => leased.has(run),
    closed: (run) => {
      if (runs.get(run.options.runId) === run) runs.delete(run.options.runId);
    },
    whenOpen: (runId, then) => {
      const run = runs.get(runId);
      if (run) {
        leased.add(run);
        then(run);
        return () => undefined;
      }
      const waiters = waiting.get(runId) ?? new Set();
      waiting.set(runId, waiters.add(then));
      return () => {
        waiters.delete(then);
        if (waiters.size === 0 && waiting.get(runId) === waiters) waiting.delete(runId);
      };
    },
  };
}
