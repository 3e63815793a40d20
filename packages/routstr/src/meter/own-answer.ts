import { readChatRequest } from './chat-request.ts';
import { refuse } from './refusals.ts';
import { eventStream } from './relay-stream.ts';

/** Calls of one session that the meter answers by itself. */
export const mostOwnAnswers = 8;
/** What a server sends to warm up: its own instructions and tools, and a word. */
const largestOwnRequest = 1024 * 1024;

/** A word in place of a model: what a server needs to be warm. Nothing is sent anywhere, and nothing is counted. */
export async function answerByItself(http: Request): Promise<Response> {
  const length = Number(http.headers.get('content-length') ?? Number.NaN);
  if (!(length <= largestOwnRequest)) return refuse('bad_request');
  const request = readChatRequest(await http.text().catch(() => ''));
  if (!request) return refuse('bad_request');
  const { model } = request;
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const message = { role: 'assistant', content: 'Ready.' };
  const facts = { id: 'meter', created: 0, model };
  if (!request.stream) {
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    return Response.json({ ...facts, object: 'chat.completion', choices, usage });
  }
  const chunks = [
    { choices: [{ index: 0, delta: message, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { choices: [], usage },
  ].map((part) => JSON.stringify({ ...facts, object: 'chat.completion.chunk', ...part }));
  const body = [...chunks, '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
  return new Response(body, { headers: eventStream });
}
