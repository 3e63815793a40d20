import type { Progress } from '../replies/progress.ts';

/** How far runs under way have come; each tells it while it lasts. Nothing is kept. */
export type RunBoard = {
  /** @returns what ends it */
  readonly join: (runId: string, how: () => RunView) => () => void;
  readonly of: (runId: string) => RunView | undefined;
};
export type RunView = Pick<Progress, 'steps' | 'last' | 'cost' | 'held'>;

export function createRunBoard(): RunBoard {
  const runs = new Map<string, () => RunView>();
  return {
    join: (runId, how) => {
      runs.set(runId, how);
      return () => void runs.delete(runId);
    },
    of: (runId) => runs.get(runId)?.(),
  };
}
