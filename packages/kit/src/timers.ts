import type { Logger } from './log.ts';

/** What a timer does, for the log. */
export type TimerOptions = { readonly name: string; readonly log: Pick<Logger, 'error'> };

/** Ends a timer; what it has begun goes on. Can be called again. */
export type Cancel = () => void;

/**
 * Runs `work` once, after `ms`. A timer that touches a database or a socket can't end the process: whatever `work` throws
 * (SQLITE_BUSY while a backup tool holds the file, a full disk) is logged. None of these timers keeps the process alive.
 */
export function after(ms: number, options: TimerOptions, work: () => void | Promise<void>): Cancel {
  const timer = setTimeout(() => guarded(options, work), ms);
  timer.unref();
  return () => clearTimeout(timer);
}

/** The same again and again, every `ms`, whatever became of the time before. */
export function every(ms: number, options: TimerOptions, work: () => void | Promise<void>): Cancel {
  const timer = setInterval(() => guarded(options, work), ms);
  timer.unref();
  return () => clearInterval(timer);
}

/** Resolves when it is done, one way or the other; never rejects. */
async function guarded({ name, log }: TimerOptions, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error({ timer: name, error }, 'a timer failed; the next one goes on');
  }
}
