import { pause } from '../abort.ts';
import { errorCode } from '../error-code.ts';

/** Whether another process (a backup tool, say) held the database for longer than `openDatabase` lets a write wait. */
export const isBusy = (error: unknown): boolean => errorCode(error)?.startsWith('SQLITE_BUSY') ?? false;

const pauseMs = 250;

/**
 * Does a transaction now or, while another process holds the database, as soon as it does not: for what must not be
 * lost. (Each try waits on the spot for as long as `openDatabase` says; between two the rest of the program gets on.)
 *
 * @param onBusy told of each try that failed
 * @throws what `work` throws, and SQLITE_BUSY when the signal was aborted before the database was free
 */
export async function whenFree<T>(
  work: () => T,
  signal: AbortSignal,
  onBusy?: (error: unknown) => void,
): Promise<T> {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || signal.aborted) throw error;
      onBusy?.(error);
      await pause(pauseMs, signal);
    }
  }
}
