import type { StopReason } from './run.ts';

/** Limits of one run, in milliseconds. */
export type RunDeadlines = { readonly timeoutMs: number; readonly idleMs: number };

/** Aborts when a run takes too long, or is silent for too long. */
type RunDeadline = {
  readonly signal: AbortSignal;
  /** The run gave a sign of life. */
  readonly touch: () => void;
  readonly stop: () => void;
};

/**
 * The idle timer looks at the last sign of life when it fires, instead of being set anew for each one:
 * an agent can write thousands of lines a second.
 */
export function startRunDeadline({ timeoutMs, idleMs }: RunDeadlines, outer: AbortSignal): RunDeadline {
  const controller = new AbortController();
  const end = (reason: StopReason) => controller.abort(reason);
  let lastSign = performance.now();

  const timeout = setTimeout(() => end('timeout'), timeoutMs);
  let idle: Timer;
  const watchIdle = (wait: number) => {
    idle = setTimeout(() => {
      const silent = performance.now() - lastSign;
      if (silent >= idleMs) end('idle');
      else watchIdle(idleMs - silent);
    }, wait);
  };
  watchIdle(idleMs);

  return {
    signal: AbortSignal.any([outer, controller.signal]),
    touch: () => {
      lastSign = performance.now();
    },
    stop: () => {
      clearTimeout(timeout);
      clearTimeout(idle);
    },
  };
}
