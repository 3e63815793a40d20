import type { StopReason } from './run.ts';

/** Limits of one run, in milliseconds. */
export type RunDeadlines = { readonly timeoutMs: number; readonly idleMs: number };

/** Aborts when a run takes too long, or is silent for too long. */
type RunDeadline = {
  readonly signal: AbortSignal;
  /** The run gave a sign of life. */
  readonly touch: () => void;
  /** While it waits for its owner it may be silent; the time that they take is not the run's. */
  readonly waiting: (begun: boolean) => void;
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

  const startedAt = performance.now();
  let waitedMs = 0;
  let waitsSince: number | undefined;
  const waited = (): number => waitedMs + (waitsSince === undefined ? 0 : performance.now() - waitsSince);
  let timeout: Timer;
  const watchTime = (wait: number) => {
    timeout = setTimeout(() => {
      const left = startedAt + timeoutMs + waited() - performance.now();
      if (left > 0) watchTime(left);
      else end('timeout');
    }, wait);
  };
  watchTime(timeoutMs);
  let idle: Timer;
  const watchIdle = (wait: number) => {
    idle = setTimeout(() => {
      if (waitsSince !== undefined) lastSign = performance.now();
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
    waiting: (begun) => {
      const now = performance.now();
      if (waitsSince !== undefined) waitedMs += now - waitsSince;
      waitsSince = begun ? now : undefined;
      lastSign = now;
    },
    stop: () => {
      clearTimeout(timeout);
      clearTimeout(idle);
    },
  };
}
