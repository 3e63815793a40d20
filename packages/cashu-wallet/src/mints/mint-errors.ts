import { HttpResponseError, isMintOperationError, NetworkError, RateLimitError } from '@cashu/cashu-ts';
import { MintError, type MintProblem } from '../wallet-errors.ts';
import { RequestTimeoutError } from './mint-transport.ts';

/** What went wrong at the mint, in the wallet's own words. A MintError stays what it is. */
export function explainMintError(mint: string, error: unknown): MintError {
  return error instanceof MintError ? error : new MintError(mint, problemOf(error), error);
}

/** Asks a mint; what goes wrong with its answer is a MintError. @throws MintError, the signal's reason */
export async function askMint<T>(mint: string, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    signal.throwIfAborted();
    throw explainMintError(mint, cause);
  }
}

function problemOf(error: unknown): MintProblem {
  if (isMintOperationError(error)) return { kind: 'refused', code: error.code, detail: error.message };
  if (error instanceof RateLimitError) return { kind: 'rate-limited', retryAfterMs: error.retryAfterMs };
  if (error instanceof HttpResponseError)
    return { kind: 'http', status: error.status, detail: error.message };
  if (error instanceof RequestTimeoutError) return { kind: 'timeout', afterMs: error.afterMs };
  if (error instanceof NetworkError) return { kind: 'unreachable' };
  return { kind: 'nonsense', detail: error instanceof Error ? error.message.slice(0, 200) : 'unknown' };
}

/**
 * Whether the mint has said, in answer to this very request, that it does not do it. Everything else (a timeout, 5xx,
 * an answer that makes no sense) leaves open what it did.
 */
export const isDefiniteRefusal = (error: unknown): boolean =>
  isMintOperationError(error) ||
  (error instanceof HttpResponseError && error.status >= 400 && error.status < 500);

/** The mint has signed these outputs before: NUT-00's code, and that of older mints. Says nothing of where money is. */
export const isSignedBefore = (error: unknown): boolean =>
  isMintOperationError(error) && (error.code === 11003 || error.code === 10002);

export { isMintOperationError };
