import {
  Amount,
  CTSError,
  HttpResponseError,
  MintOperationError,
  NetworkError,
  RateLimitError,
  type RequestFn,
} from '@cashu/cashu-ts';
import { neverSent, readText } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { timeRequest } from '@nostr-dm-agent/kit/timings';
import { z } from 'zod';

export type RequestLimits = {
  /** For the whole exchange, body included. */
  readonly timeoutMs: number;
  /** Paying an invoice takes as long as Lightning takes. */
  readonly meltTimeoutMs: number;
};

/** No mint that means well sends more: a keyset is some 5 kB, a restore of 300 outputs some 100 kB. */
const maxBodyBytes = 8 * 1024 * 1024;

/** The request was certainly never sent: nobody listened, or the name has no address. */
export class NotSentError extends NetworkError {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    // cashu-ts sets the prototype in its constructors, which would make this a plain NetworkError.
    Object.setPrototypeOf(this, NotSentError.prototype);
    this.name = 'NotSentError';
  }
}
/** No answer in time. The mint may have done what it was asked. */
export class RequestTimeoutError extends NetworkError {
  readonly afterMs: number;
  constructor(afterMs: number, cause: unknown) {
    super(`no answer within ${afterMs} ms`, { cause });
    Object.setPrototypeOf(this, RequestTimeoutError.prototype);
    this.name = 'RequestTimeoutError';
    this.afterMs = afterMs;
  }
}

/**
 * How cashu-ts speaks to a mint during one operation: with its signal, a timeout on every request, no redirects, no
 * cookies, and no retries of its own (what became of a lost answer is for recovery to find out).
 */
export function createRequest(signal: AbortSignal, limits: RequestLimits): RequestFn {
  return async <T>(args: Parameters<RequestFn>[0]): Promise<T> => {
    signal.throwIfAborted();
    const { endpoint, requestBody, headers, method } = args;
    const afterMs = endpoint.endsWith('/v1/melt/bolt11') ? limits.meltTimeoutMs : limits.timeoutMs;
    const timeout = AbortSignal.timeout(afterMs);
    const text = requestBody === undefined ? undefined : encodeBody(requestBody);
    try {
      const ask = () =>
        outwardFetch(endpoint, {
          method: method ?? 'GET',
          headers: {
            accept: 'application/json',
            ...(text === undefined ? {} : { 'content-type': 'application/json' }),
            'user-agent': 'Mozilla/5.0',
            ...headers,
          },
          ...(text === undefined ? {} : { body: text }),
          redirect: 'error',
          signal: AbortSignal.any([signal, timeout]),
        });
      const response = await timeRequest('mint_request', endpoint, ask, ({ status }) => status < 500);
      const body = await readText(response, maxBodyBytes);
      if (body === undefined) throw new CTSError('the answer is too large');
      if (!response.ok) throw errorOf(response, body);
      // RequestFn's contract: the caller, cashu-ts, names the shape and checks it.
      return JSON.parse(body) as T;
    } catch (cause) {
      if (cause instanceof CTSError) throw cause;
      signal.throwIfAborted();
      if (timeout.aborted) throw new RequestTimeoutError(afterMs, cause);
      if (cause instanceof SyntaxError) throw new CTSError('the answer is not JSON', { cause });
      const message = cause instanceof Error ? cause.message : 'request failed';
      throw neverSent(cause) ? new NotSentError(message, cause) : new NetworkError(message, { cause });
    }
  };
}

/** JSON with amounts as integers, as the NUTs want them; the same object always gives the same bytes (NUT-19). */
function encodeBody(body: Record<string, unknown>): string {
  return JSON.stringify(body, function (this: Record<string, unknown>, key, value: unknown) {
    // `value` has been through Amount.toJSON, which makes a string.
    const raw = this[key];
    if (raw instanceof Amount) return raw.toNumber();
    return typeof value === 'bigint' ? Amount.from(value).toNumber() : value;
  });
}

const refusalSchema = z.object({ code: z.number(), detail: z.string() });
const detailSchema = z.union([
  z.object({ detail: z.string() }).transform((body) => body.detail),
  z.object({ error: z.string() }).transform((body) => body.error),
]);

function errorOf(response: Response, body: string): CTSError {
  if (response.status === 429) {
    const seconds = Number(response.headers.get('retry-after'));
    return new RateLimitError('429 Too Many Requests', seconds > 0 ? seconds * 1000 : undefined);
  }
  const parsed = parseJson(body);
  const refusal = refusalSchema.safeParse(parsed);
  if (response.status === 400 && refusal.success) {
    return new MintOperationError(refusal.data.code, refusal.data.detail.slice(0, 300));
  }
  const detail = detailSchema.safeParse(parsed);
  return new HttpResponseError(detail.success ? detail.data.slice(0, 300) : 'bad response', response.status);
}
