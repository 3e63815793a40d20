import type { PaidRun } from './paid-run.ts';

/** Rows that somebody works on: an agent may be alive, or a reply waits. What is owed is asked for without them. */
export type LiveRuns = {
  readonly begin: (id: string) => void;
  readonly end: (id: string) => void;
  readonly during: <T>(id: string, work: () => Promise<T>) => Promise<T>;
  readonly has: (id: string) => boolean;
  /** The row, or the one that it adds to. */
  readonly includes: (run: PaidRun) => boolean;
};

/** @param freed told when a row may be looked after again */
export function createLiveRuns(freed: () => void): LiveRuns {
  const live = new Set<string>();
  const end = (id: string): void => {
    live.delete(id);
    freed();
  };
  return {
    begin: (id) => live.add(id),
    end,
    during: async (id, work) => {
      live.add(id);
      try {
        return await work();
      } finally {
        end(id);
      }
    },
    has: (id) => live.has(id),
    includes: ({ id, ticket }) => live.has(id) || live.has(ticket.parent ?? id),
  };
}
