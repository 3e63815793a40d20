import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolCall } from './agent-tools.ts';
import type { ChatRequest } from './model-messages.ts';
import type { Reply } from './reply.ts';

/** Token counts as OpenAI gives them: about four characters a token, always the same for the same text. */
export const usageOf = (requestText: string, answer: string) => {
  const prompt = Math.max(1, Math.ceil(requestText.length / 4));
  const completion = Math.max(1, Math.ceil(answer.length / 4));
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
};
type Usage = ReturnType<typeof usageOf>;

const errorBodies: Readonly<Record<number, readonly [message: string, type: string, code: string]>> = {
  400: ['Bad request', 'invalid_request_error', 'invalid_request'],
  401: ['Invalid API key', 'invalid_request_error', 'invalid_api_key'],
  402: [
    'Insufficient balance: 154 sats required, 100 available',
    'insufficient_quota',
    'insufficient_balance',
  ],
  403: ['Forbidden', 'forbidden', 'forbidden'],
  404: ['Model not found', 'invalid_request_error', 'model_not_found'],
  413: ['Request entity too large', 'invalid_request_error', 'request_too_large'],
  429: ['Rate limit exceeded', 'rate_limit_error', 'rate_limited'],
  500: ['Internal server error', 'server_error', 'internal_error'],
  503: ['Overloaded', 'overloaded', 'overloaded'],
};

/** An error as such servers answer it. 502 comes from the proxy in front of them, as a page. */
export const errorResponse = (status: number): Response => {
  if (status === 502)
    return new Response('<html>Bad gateway</html>', { status, headers: { 'content-type': 'text/html' } });
  const [message, type, code] = errorBodies[status] ?? ['Something failed', 'error', 'error'];
  return Response.json({ error: { message, type, code } }, { status });
};

export const htmlResponse = (): Response =>
  new Response('<html><body>Please log in to this network</body></html>', {
    headers: { 'content-type': 'text/html' },
  });

const encoder = new TextEncoder();
const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

const chunker = (request: ChatRequest) => {
  const head = { id: 'chatcmpl-sandbox', object: 'chat.completion.chunk', created: 1, model: request.model };
  return {
    delta: (delta: unknown, finish: string | null = null): string =>
      event({ ...head, choices: [{ index: 0, delta, finish_reason: finish }] }),
    usage: (usage: Usage): string => event({ ...head, choices: [], usage }),
  };
};

const toolCallOf = (call: ToolCall, id: string, index: number) => ({
  id: callIdOf(id, index),
  type: 'function',
  function: { name: call.name, arguments: JSON.stringify(call.input) },
});

/** Several calls of one answer have ids of their own. */
export const callIdOf = (id: string, index: number): string => (index === 0 ? id : `${id}_${index + 1}`);

type Piece = string | { readonly waitMs: number } | 'BREAK' | 'HANG';

function* streamOf(reply: Reply, request: ChatRequest, usage: Usage, callId: string): Generator<Piece> {
  const { delta, usage: usageChunk } = chunker(request);
  yield delta({ role: 'assistant', content: '' });
  switch (reply.type) {
    case 'text':
      for (const word of reply.text.split(/(?<=\s)(?=\S)/)) {
        if (word !== '') yield delta({ content: word });
        if (reply.wordMs > 0) yield { waitMs: reply.wordMs };
      }
      if (reply.finish === 'none') return;
      yield delta({}, reply.finish);
      break;
    case 'calls':
      for (const [index, call] of reply.calls.entries())
        yield delta({ tool_calls: [{ index, ...toolCallOf(call, callId, index) }] });
      yield delta({}, 'tool_calls');
      break;
    case 'hang':
      yield delta({ content: 'This answer never ' });
      yield 'HANG';
      return;
    case 'cut':
      yield delta({ content: 'This answer is cut ' });
      yield { waitMs: 100 };
      yield 'BREAK';
      return;
    case 'stream error':
      yield delta({ content: 'Before ' });
      yield event({
        error: { message: 'The upstream failed', type: 'upstream_error', code: 'upstream_error' },
      });
      yield 'data: [DONE]\n\n';
      return;
    default:
      return;
  }
  yield usageChunk(usage);
  yield 'data: [DONE]\n\n';
}

/** The answer as server-sent events. */
export const streamResponse = (
  reply: Reply,
  request: ChatRequest,
  usage: Usage,
  callId: string,
  signal: AbortSignal,
): Response => {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      try {
        for (const piece of streamOf(reply, request, usage, callId)) {
          if (signal.aborted) break;
          if (piece === 'HANG') await sleep(2 ** 31 - 1, undefined, { signal });
          else if (piece === 'BREAK') throw new Error('cut');
          else if (typeof piece === 'string') controller.enqueue(encoder.encode(piece));
          else await sleep(piece.waitMs, undefined, { signal });
        }
        controller.close();
      } catch (error) {
        controller.error(error);
      }
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
};

/** The answer in one piece. */
export const wholeResponse = (reply: Reply, request: ChatRequest, usage: Usage, callId: string): Response => {
  const message =
    reply.type === 'calls'
      ? {
          ...{ role: 'assistant', content: null },
          tool_calls: reply.calls.map((call, index) => toolCallOf(call, callId, index)),
        }
      : { role: 'assistant', content: reply.type === 'text' ? reply.text : '' };
  const finish = reply.type === 'calls' ? 'tool_calls' : reply.type === 'text' ? reply.finish : 'stop';
  return Response.json({
    id: 'chatcmpl-sandbox',
    object: 'chat.completion',
    created: 1,
    model: request.model,
    choices: [{ index: 0, message, finish_reason: finish === 'none' ? null : finish }],
    usage,
  });
};
