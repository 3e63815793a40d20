import type { Profile } from './node-types.ts';

/** What a node says when it says no: the shapes A to F in which routstr-core wraps an error. */
export type Envelope =
  /** A, B and C: FastAPI's `HTTPException`. Its detail is a sentence, or an object that may hold `error`. */
  | { readonly kind: 'detail'; readonly detail: string | Readonly<Record<string, unknown>> }
  /** D: the proxy's own. `code` is the HTTP status where nothing better is known. */
  | {
      readonly kind: 'error';
      readonly error: {
        readonly message: string;
        readonly type: string;
        readonly code: string | number;
        readonly [more: string]: unknown;
      };
      /** Most carry the request id; those of the `x-cashu` path do not. */
      readonly withoutRequestId?: true;
    }
  /** E: a request that doesn't fit the endpoint's schema. Without a request id. */
  | { readonly kind: 'validation'; readonly detail: readonly Readonly<Record<string, unknown>>[] }
  /** F: an exception that nobody expected. The header with the request id is missing here. */
  | { readonly kind: 'unhandled' };

/** Ends the handling of a request with an error answer. */
export class NodeRefusal extends Error {
  override readonly name = 'NodeRefusal';
  readonly status: number;
  readonly envelope: Envelope;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, envelope: Envelope, headers: Readonly<Record<string, string>> = {}) {
    super(`${status} ${JSON.stringify(envelope)}`);
    this.status = status;
    this.envelope = envelope;
    this.headers = headers;
  }
}

/** Envelope A. */
export const plain = (status: number, detail: string): NodeRefusal =>
  new NodeRefusal(status, { kind: 'detail', detail });

/** Envelope B. */
export const coded = (
  status: number,
  error: { readonly message?: string; readonly type: string; readonly code: string },
  more: Readonly<Record<string, unknown>> = {},
): NodeRefusal => new NodeRefusal(status, { kind: 'detail', detail: { error: { ...error, ...more } } });

/** Envelope C. */
export const detailed = (status: number, detail: Readonly<Record<string, unknown>>): NodeRefusal =>
  new NodeRefusal(status, { kind: 'detail', detail });

/** Envelope D. */
export const proxied = (
  status: number,
  type: string,
  message: string,
  options: {
    readonly code?: string;
    readonly details?: unknown;
    readonly headers?: Record<string, string>;
  } = {},
): NodeRefusal =>
  new NodeRefusal(
    status,
    {
      kind: 'error',
      error: {
        message,
        type,
        code: options.code ?? status,
        ...(options.details === undefined ? {} : { details: options.details }),
      },
    },
    options.headers,
  );

/** Envelope E for one field that is not there. */
export const missingField = (where: 'header' | 'body' | 'query', name: string, input: unknown): NodeRefusal =>
  new NodeRefusal(422, {
    kind: 'validation',
    detail: [{ type: 'missing', loc: [where, name], msg: 'Field required', input }],
  });

/** The answer for a refusal, byte for byte as the node's version writes it. */
export function refusalResponse(refusal: NodeRefusal, requestId: string, profile: Profile): Response {
  const headers = { 'x-routstr-request-id': requestId, ...refusal.headers };
  const answer = (body: unknown) => Response.json(body, { status: refusal.status, headers });
  const { envelope } = refusal;
  switch (envelope.kind) {
    case 'detail': {
      const { detail } = envelope;
      // Since 0.4.5 `error` also stands at the top, where OpenAI's clients look for it.
      const doubled = typeof detail === 'object' && 'error' in detail && profile !== 'legacy';
      return answer({ detail, ...(doubled ? detail : {}), request_id: requestId });
    }
    case 'error':
      return answer({
        error: envelope.error,
        ...(envelope.withoutRequestId ? {} : { request_id: requestId }),
      });
    case 'validation':
      return answer({ detail: envelope.detail });
    case 'unhandled':
      return Response.json(
        {
          detail: 'Internal server error, please contact support with the request ID.',
          request_id: requestId,
        },
        { status: 500 },
      );
  }
}

/** The machine-readable code of a refusal, where it has one. */
export function codeOf({ envelope }: NodeRefusal): string | number | undefined {
  if (envelope.kind === 'error') return envelope.error.code;
  if (envelope.kind !== 'detail' || typeof envelope.detail !== 'object') return undefined;
  const { error } = envelope.detail;
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
