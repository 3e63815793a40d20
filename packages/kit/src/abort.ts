import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for what can't be cancelled, until the signal says stop: its late answer, or late failure, is dropped.
 * @throws the signal's reason, or what `promise` rejects with
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Resolves after `ms` with true, or with false as soon as the signal is aborted. Never rejects. */
export const pause = (ms: number, signal: AbortSignal): Promise<boolean> =>
  sleep(ms, true, { signal }).catch(() => false);
