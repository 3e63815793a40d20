import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Hold } from './metered-run.ts';

export type HoldEnd = 'more' | 'let_go';

type HoldOptions = {
  readonly holdMs: number;
  readonly onHold: (hold: Hold) => void;
  readonly onHoldEnd: (end: HoldEnd) => void;
  readonly onActivity: () => void;
};

/** While requests wait the run is not idle; told this often. */
const tickMs = 15_000;

/** The requests of a run that wait for money. They wait together: one question to the owner, one answer for all. */
export type HoldQueue = {
  /** @throws the signal's reason when the one who waits goes away */
  readonly wait: (hold: Hold, signal: AbortSignal) => Promise<HoldEnd>;
  readonly waiting: () => number;
  /** @returns whether anybody waited */
  readonly end: (how: HoldEnd) => boolean;
};

export function createHoldQueue(options: HoldOptions): HoldQueue {
  const waiters = new Set<(end: HoldEnd) => void>();
  let timers: readonly ReturnType<typeof setTimeout>[] = [];
  /** Once nobody paid, nothing waits again: the agent would only be held up once more. */
  let refused = false;

  const stopTimers = (): void => {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
  };
  const end = (how: HoldEnd): boolean => {
    refused = how === 'let_go';
    const all = [...waiters];
    waiters.clear();
    stopTimers();
    if (all.length === 0) return false;
    options.onHoldEnd(how);
    for (const resolve of all) resolve(how);
    return true;
  };

  return {
    end,
    waiting: () => waiters.size,
    wait: async (hold, signal) => {
      signal.throwIfAborted();
      if (refused) return 'let_go';
      const { promise, resolve } = Promise.withResolvers<HoldEnd>();
      waiters.add(resolve);
      if (waiters.size === 1) {
        timers = [setTimeout(() => end('let_go'), options.holdMs), setInterval(options.onActivity, tickMs)];
        options.onHold(hold);
      }
      try {
        return await untilAborted(promise, signal);
      } finally {
        waiters.delete(resolve);
        if (waiters.size === 0) stopTimers();
      }
    },
  };
}
