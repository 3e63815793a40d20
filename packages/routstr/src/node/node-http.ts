import { type Fetch, neverSent, readText } from '@nostr-dm-agent/kit/http';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { timeRequest } from '@nostr-dm-agent/kit/timings';
import type { Evidence } from './outcomes.ts';
import { scrub } from './refusal-shapes.ts';

/** What came of one HTTP request to a node. */
export type Reply =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: string;
      readonly requestId: string | undefined;
      readonly retryAfterMs: number | undefined;
    }
  /** Nobody listened, or the name has no address: the request never left. */
  | { readonly kind: 'not_sent'; readonly message: string }
  /** It left and no (whole) answer came: the node may have done what it was asked. */
  | { readonly kind: 'no_answer'; readonly message: string };

export type NodeRequest = {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly bearer?: string;
  /** A token that pays for this one request, or that paid for an earlier one. */
  readonly payment?: string;
  readonly json?: unknown;
  /** For the whole exchange, body included. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
};

/**
 * One request, no redirects (a key must not follow one) and no retries.
 *
 * @throws the signal's reason when the caller aborts; never for what the node or the network does
 */
export async function exchange(
  request: NodeRequest,
  signal: AbortSignal,
  fetch: Fetch = outwardFetch,
): Promise<Reply> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(request.timeoutMs);
  try {
    const ask = () =>
      fetch(request.url, {
        method: request.method,
        headers: {
          accept: 'application/json',
          ...(request.bearer === undefined ? {} : { authorization: `Bearer ${request.bearer}` }),
          ...(request.payment === undefined ? {} : { 'x-cashu': request.payment }),
          ...(request.json === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
        redirect: 'manual',
        // A connection of its own: a stale one would be reconnected behind our back and the request sent twice.
        keepalive: false,
        signal: AbortSignal.any([signal, timeout]),
      });
    const response = await timeRequest('node_request', request.url, ask, ({ status }) => status < 500);
    const body = await readText(response, request.maxBytes);
    if (body === undefined) return { kind: 'no_answer', message: 'the answer is too large' };
    return {
      kind: 'answer',
      status: response.status,
      body,
      requestId: response.headers.get('x-routstr-request-id') ?? undefined,
      retryAfterMs: retryAfterMs(response.headers),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { kind: 'no_answer', message: `no answer within ${request.timeoutMs} ms` };
    const message = scrub(error instanceof Error ? error.message : 'request failed');
    return { kind: neverSent(error) ? 'not_sent' : 'no_answer', message };
  }
}

export const noAnswer = (message: string): Evidence => ({
  status: undefined,
  code: undefined,
  message,
  requestId: undefined,
});

/** `Retry-After` in either of its forms, in ms; undefined when absent or unreadable. */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
