import { parseRefusal, parseShortage, type Shortage } from '../node/refusal-shapes.ts';

/**
 * Why a request is refused, as the agent is told. opencode repeats a request when the message or the body contain
 * certain digits and words (docs/design.md#what-opencode-does), so every text here is fixed and free of them; what
 * the node really said is in `AgentRefusal.detail`.
 */
export const refusals = {
  insufficient_balance: [402, 'The budget of this run is used up.'],
  node_contradicts: [400, 'The node contradicts its own bills about what is left of the budget.'],
  key_refused: [401, 'The node does not accept the key of this run.'],
  model_unknown: [404, 'The node does not know this model.'],
  no_price: [400, 'The price of this model is not known, so this run cannot use it.'],
  bad_request: [400, 'The node does not accept this request.'],
  slow_down: [400, 'The node asks for a longer pause than a run can make.'],
  node_down: [424, 'The node, or the model behind it, does not answer.'],
  nonsense: [424, 'The node answered with something that is not a model’s answer.'],
  too_long: [400, 'The conversation no longer fits into the context window of this model.'],
  loop: [400, 'The model repeats the same step over and over.'],
  request_limit: [400, 'This run has made as many model calls as it may.'],
  run_over: [403, 'This run is over.'],
  no_lease: [403, 'No run pays for the calls of this session.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type RefusalCode = keyof typeof refusals;

/** The body, and the error object inside a stream, in the shape that OpenAI-compatible clients read. */
export const refusalBody = (code: RefusalCode): string =>
  JSON.stringify({ error: { message: refusals[code][1], type: 'meter', code } });

/** Ends the matter: opencode does not repeat it. */
export const refuse = (code: RefusalCode): Response =>
  new Response(refusalBody(code), {
    status: refusals[code][0],
    headers: { 'content-type': 'application/json' },
  });

/** An answer with an error in the words of another API. */
export const errorAnswer = (
  status: number,
  body: object,
  pauseMs?: number,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  Response.json(body, {
    status,
    headers: {
      ...headers,
      ...(pauseMs === undefined ? {} : { 'retry-after-ms': String(Math.ceil(pauseMs)) }),
    },
  });

/** Contains the words that make opencode repeat a request, in a body and inside a stream. */
export const retryBody = JSON.stringify({
  error: { message: 'The node is overloaded.', type: 'meter', code: 'try_again' },
});

/** Invites opencode to repeat the request after a pause. */
export const inviteRetry = (pauseMs: number | undefined): Response =>
  new Response(retryBody, {
    status: 503,
    headers: {
      'content-type': 'application/json',
      ...(pauseMs === undefined ? {} : { 'retry-after-ms': String(Math.ceil(pauseMs)) }),
    },
  });

/** Makes opencode compact the conversation and go on: the code it looks for. */
export const inviteCompaction = (): Response =>
  new Response(
    JSON.stringify({
      error: { message: refusals.too_long[1], type: 'meter', code: 'context_length_exceeded' },
    }),
    { status: 400, headers: { 'content-type': 'application/json' } },
  );

/** What the node's refusal means for the run. */
export type Verdict =
  | ({ readonly kind: 'short' } & Shortage & Said)
  | ({ readonly kind: 'too_long' } & Said)
  /** May pass by itself. */
  | ({ readonly kind: 'transient'; readonly code: 'node_down' | 'slow_down' } & Said)
  | ({ readonly kind: 'final'; readonly code: RefusalCode } & Said);
type Said = { readonly detail: string };

/** Upstreams word it in many ways; opencode 1.18.33 looks for these and for the code. */
const tooLong =
  /context[_ ](?:length|window)[_ ]?(?:exceeded|limit)|exceeds (?:the )?(?:model'?s )?(?:maximum )?context|maximum context length|(?:prompt|input) is too long|prompt too long|request[_ ](?:entity )?too[_ ]large|too many tokens|token limit exceeded|reduce the length of the messages/i;

/** Judges an answer with an error status. */
export function judge(status: number, body: string): Verdict {
  const refusal = parseRefusal(body, undefined);
  const detail = refusal.message;
  // A redirect, or a success that is none.
  if (status < 400) return { kind: 'final', code: 'nonsense', detail };
  if (status === 402 || isShortage(refusal.code, refusal.type)) {
    return { kind: 'short', ...parseShortage(refusal), detail };
  }
  if (status === 413 || tooLong.test(detail) || tooLong.test(refusal.code ?? '')) {
    return { kind: 'too_long', detail };
  }
  if (status === 429) return { kind: 'transient', code: 'slow_down', detail };
  if (status >= 500 || status === 408 || status === 409 || status === 424 || status === 425) {
    return { kind: 'transient', code: 'node_down', detail };
  }
  if (status === 401 || status === 403) return { kind: 'final', code: 'key_refused', detail };
  const unknown = status === 404 || refusal.type === 'invalid_model' || refusal.code === 'model_not_found';
  return { kind: 'final', code: unknown ? 'model_unknown' : 'bad_request', detail };
}

const isShortage = (code: string | undefined, type: string | undefined): boolean =>
  code === 'insufficient_balance' || code === 'balance_limit_exceeded' || type === 'insufficient_quota';
