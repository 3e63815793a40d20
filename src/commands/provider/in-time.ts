import { RefusalError } from '../command.ts';

/** What moves money goes on when its command has run out of time: the owner is told so, and not to send it again. */
export async function inTime<T>(signal: AbortSignal, work: Promise<T>, late: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const reason: unknown = signal.reason;
    const timeout = reason instanceof DOMException && reason.name === 'TimeoutError';
    if (!signal.aborted || !timeout) throw error;
    throw new RefusalError(late, { cause: error });
  }
}
