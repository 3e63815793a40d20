import type { Logger } from './logging/logger.ts';

export type TimerOptions = {
  /** What it does, for the log. */
  readonly name: string;
  readonly log: Pick<Logger, 'error'>;
  /** Ends the timer. What it has begun goes on, and is not logged any more when it fails. */
  readonly signal?: AbortSignal;
};

/** Ends a timer, as its signal would. Can be called again. */
export type Cancel = () => void;

type Work = () => void | Promise<void>;

/**
 * Runs `work` once, after `ms`. A timer that touches a database or a socket can't end the process: what `work` throws
 * (SQLITE_BUSY while a backup tool holds the file, a full disk) is logged. None of these timers keeps the process alive.
 */
export const after = (ms: number, options: TimerOptions, work: Work): Cancel =>
  start(ms, options, work, false);

/** The same again and again: `ms` after the last time ended, whatever became of it. Never twice at a time. */
export const every = (ms: number, options: TimerOptions, work: Work): Cancel =>
  start(ms, options, work, true);

function start(ms: number, { name, log, signal }: TimerOptions, work: Work, again: boolean): Cancel {
  let over = false;
  let timer: Timer | undefined;
  const cancel = () => {
    over = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  };
  const tick = async () => {
    try {
      await work();
    } catch (error) {
      if (!over) log.error({ timer: name, error }, 'what a timer does has failed');
    }
    if (again) arm();
    else cancel();
  };
  const arm = () => {
    if (over) return;
    timer = setTimeout(tick, ms);
    timer.unref();
  };
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted === true) cancel();
  arm();
  return cancel;
}
