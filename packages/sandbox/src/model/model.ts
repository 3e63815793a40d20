import { setTimeout as sleep } from 'node:timers/promises';
import { asAgentCalls } from './agent-tools.ts';
import { type ChatRequest, chatRequest, readConversation } from './model-messages.ts';
import { errorResponse, htmlResponse, streamResponse, usageOf, wholeResponse } from './model-wire.ts';
import { messagesApi, namedEvents, type OtherApi, responsesApi } from './other-apis.ts';
import { decideReply } from './reply.ts';

/** One chat completion that was asked for. */
export type ModelRequest = {
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it was sent. */
  readonly text: string;
  readonly chat: ChatRequest;
  /** The program asked for a title, not for an answer. */
  readonly title: boolean;
};

export type ModelOptions = {
  /** Default: any free one. */
  readonly port?: number;
  /** Ids that it answers to. Default `tiny` and `small`. */
  readonly models?: readonly string[];
  /** Looks at the API key (`undefined`: none was sent); a response refuses the request. */
  readonly authorize?: (bearer: string | undefined) => Response | undefined;
};

/** A running model. */
export type SandboxModel = {
  /** Base URL of the API, with `/v1`. */
  readonly url: string;
  /** What was asked so far, oldest first. */
  readonly requests: readonly ModelRequest[];
  readonly stop: () => Promise<void>;
};

const otherApis: Readonly<Record<string, OtherApi>> = {
  '/v1/messages': messagesApi,
  '/v1/responses': responsesApi,
};

const bearerOf = (request: Request): string | undefined =>
  /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];

/**
 * A small deterministic model behind an OpenAI-compatible API on 127.0.0.1. It understands the instructions of
 * `grammar.ts` and carries them out through the tools of the agent that asks.
 */
export const startModel = (options: ModelOptions = {}): SandboxModel => {
  const ids = options.models ?? ['tiny', 'small'];
  const requests: ModelRequest[] = [];
  const failedOnce = new Set<string>();
  const stopping = new AbortController();
  let calls = 0;

  const complete = async (request: Request, other: OtherApi | undefined): Promise<Response> => {
    const text = await request.text();
    const body: unknown = JSON.parse(text);
    const chat = other === undefined ? chatRequest.safeParse(body).data : other.read(body);
    if (chat === undefined) return errorResponse(400);
    const conversation = readConversation(chat);
    requests.push({
      headers: Object.fromEntries(request.headers),
      text,
      chat,
      title: conversation.wantsTitle,
    });
    if (!ids.includes(chat.model)) return errorResponse(404);
    const signal = AbortSignal.any([request.signal, stopping.signal]);
    const tools = chat.tools.map((tool) => tool.function);
    const decided = decideReply(conversation);
    const reply =
      decided.type === 'calls'
        ? { ...decided, calls: decided.calls.map((call) => asAgentCalls(call, tools)) }
        : decided;
    if (reply.delayMs > 0) await sleep(reply.delayMs, undefined, { signal });
    switch (reply.type) {
      case 'html':
        return htmlResponse();
      case 'hang silently':
        return await sleep(2 ** 31 - 1, errorResponse(500), { signal });
      case 'status':
        if (!reply.once) return errorResponse(reply.status);
        if (!failedOnce.has(conversation.task)) {
          failedOnce.add(conversation.task);
          return errorResponse(reply.status);
        }
        break;
      default:
    }
    const answered =
      reply.type === 'status'
        ? ({ type: 'text', text: 'It worked this time.', finish: 'stop', delayMs: 0, wordMs: 0 } as const)
        : reply;
    const content = answered.type === 'text' ? answered.text : JSON.stringify(answered);
    const usage = usageOf(text, content);
    const callId = `call_${++calls}`;
    if (other !== undefined) {
      const about = { model: chat.model, callId, usage };
      return chat.stream
        ? namedEvents(other.events(answered, about))
        : Response.json(other.whole(answered, about));
    }
    return chat.stream
      ? streamResponse(answered, chat, usage, callId, signal)
      : wholeResponse(answered, chat, usage, callId);
  };

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: options.port ?? 0,
    idleTimeout: 0,
    development: false,
    fetch: async (request) => {
      const refused = options.authorize?.(bearerOf(request));
      if (refused !== undefined) return refused;
      const { pathname } = new URL(request.url);
      if (pathname === '/v1/models') {
        const data = ids.map((id) => ({ id, object: 'model', created: 1, owned_by: 'sandbox' }));
        return Response.json({ object: 'list', data });
      }
      const other = otherApis[pathname];
      if (request.method !== 'POST') return errorResponse(404);
      if (pathname !== '/v1/chat/completions' && other === undefined) return errorResponse(404);
      return complete(request, other);
    },
    // A client that went away in mid-answer, or a body that is no JSON.
    error: () => errorResponse(400),
  });

  return {
    url: `http://127.0.0.1:${server.port}/v1`,
    requests,
    stop: async () => {
      stopping.abort();
      await server.stop(true);
    },
  };
};
