import {
  Amount,
  CTSError,
  HttpResponseError,
  MintOperationError,
  NetworkError,
  RateLimitError,
  type RequestFn,
} from '@cashu/cashu-ts';
import { z } from 'zod';

/** How the node calls itself at mints: nothing else there looks like it. */
export const nodeUserAgent = 'routstr-sandbox';

/** The mint cannot have heard of the request: nobody listens at its address. */
export class MintUnreachableError extends NetworkError {
  constructor(cause: unknown) {
    super('the mint is not there', { cause });
    // cashu-ts sets the prototype in its constructors, which would make this a plain NetworkError.
    Object.setPrototypeOf(this, MintUnreachableError.prototype);
    this.name = 'MintUnreachableError';
  }
}

const refusal = z.object({ code: z.number(), detail: z.string() });

/**
 * How the node speaks to mints. Written here and not borrowed: it stands in for another program, and must not have the
 * faults of what it tests.
 *
 * @param life aborted when the node's process dies
 * @param places where mints are whose address leads there only for their clients (an onion service, for one)
 */
export function createMintRequest(
  life: AbortSignal,
  timeoutMs: number,
  places: Readonly<Record<string, string>> = {},
): RequestFn {
  const placeOf = (endpoint: string): string => {
    const [mint, place] = Object.entries(places).find(([url]) => endpoint.startsWith(`${url}/`)) ?? ['', ''];
    return `${place}${endpoint.slice(mint.length)}`;
  };
  return async <T>({
    endpoint,
    method = 'GET',
    requestBody,
    headers,
  }: Parameters<RequestFn>[0]): Promise<T> => {
    let response: Response;
    let text: string;
    try {
      response = await fetch(placeOf(endpoint), {
        method,
        headers: { 'content-type': 'application/json', ...headers, 'user-agent': nodeUserAgent },
        ...(requestBody === undefined ? {} : { body: encode(requestBody) }),
        signal: AbortSignal.any([life, AbortSignal.timeout(timeoutMs)]),
      });
      text = await response.text();
    } catch (cause) {
      life.throwIfAborted();
      const refused = cause instanceof Error && 'code' in cause && cause.code === 'ConnectionRefused';
      throw refused ? new MintUnreachableError(cause) : new NetworkError('no answer', { cause });
    }
    const body = parse(text);
    // RequestFn's contract: the caller, cashu-ts, names the shape and checks it.
    if (response.ok && body !== undefined) return body as T;
    if (response.ok) throw new CTSError('the answer is not JSON');
    const said = refusal.safeParse(body);
    if (response.status === 429) throw new RateLimitError('429 Too Many Requests');
    if (response.status === 400 && said.success)
      throw new MintOperationError(said.data.code, said.data.detail);
    throw new HttpResponseError('bad response', response.status);
  };
}

/** Amounts are integers in JSON; cashu-ts' own form of one is text. */
const encode = (body: Record<string, unknown>): string =>
  JSON.stringify(body, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key];
    return raw instanceof Amount ? raw.toNumber() : typeof value === 'bigint' ? Number(value) : value;
  });

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
