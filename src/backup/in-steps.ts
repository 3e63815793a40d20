import { setImmediate } from 'node:timers/promises';

/** Work that yields wherever it may be put off, or given up. */
export type Steps<T> = Generator<undefined, T>;

const atOnceMs = 50;

/**
 * Does work of files, which waits for nothing, so that Ctrl-C and timers are heard meanwhile.
 *
 * @throws what the work throws, and the signal's reason: what the work holds is let go of before
 */
export async function inSteps<T>(work: Steps<T>, signal: AbortSignal): Promise<T> {
  let since = performance.now();
  for (;;) {
    const step = signal.aborted ? work.throw(signal.reason) : work.next();
    if (step.done === true) return step.value;
    if (performance.now() - since < atOnceMs) continue;
    await setImmediate();
    since = performance.now();
  }
}
