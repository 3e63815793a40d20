import { z } from 'zod';
import type { Api, ModelRequest } from './api.ts';
import type { BillPart } from './cost.ts';
import { billSchema } from './cost.ts';
import { followEvents, namedFrame } from './named-events.ts';
import { readRequest } from './read-request.ts';
import { errorAnswer, type RefusalCode, refusals } from './refusals.ts';

const bodySchema = z.looseObject({
  model: z.string().min(1),
  stream: z.boolean().nullish(),
  messages: z.array(z.unknown()),
  max_tokens: z.number().int().positive().nullish().catch(undefined),
});

/** Fields that cost nothing beside what is reserved. No container, no MCP server and no tool of the node's is used. */
const passedOn = new Set([
  ...['model', 'messages', 'system', 'stream', 'temperature', 'top_p', 'top_k', 'stop_sequences'],
  ...['tools', 'tool_choice', 'metadata', 'thinking'],
]);
/** Tools that the agent carries out itself: its own, and those whose form alone is the API's. */
const ownTool = z.looseObject({
  name: z.string(),
  type: z
    .string()
    .regex(/^(?:custom|(?:bash|text_editor|memory)_\d+)$/)
    .optional(),
});
const budgetSchema = z.looseObject({ budget_tokens: z.number() });
const leastThinking = 1024;

/** Thinking has to fit into the answer, or the request is refused. */
const thinkingIn = (thinking: unknown, maxTokens: number | undefined): object => {
  const asked = budgetSchema.safeParse(thinking).data;
  if (asked === undefined || maxTokens === undefined || asked.budget_tokens < maxTokens) return { thinking };
  return maxTokens > leastThinking
    ? { thinking: { ...asked, budget_tokens: maxTokens - 1 } }
    : { thinking: { type: 'disabled' } };
};

const write = ({ body }: ModelRequest, maxTokens: number | undefined): string => {
  const known = Object.fromEntries(Object.entries(body).filter(([name]) => passedOn.has(name)));
  const tools = Array.isArray(body.tools)
    ? body.tools.filter((tool) => ownTool.safeParse(tool).success)
    : undefined;
  return JSON.stringify({
    ...known,
    ...('tools' in known ? { tools } : {}),
    ...('thinking' in known ? thinkingIn(known.thinking, maxTokens) : {}),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
  });
};

const count = z.number().nonnegative().nullish().catch(undefined);
const usageSchema = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
});
const answerSchema = z.looseObject({ usage: usageSchema.nullish().catch(undefined) });
/** In the words of a chat completion, whose count of the prompt holds what was cached. */
const billOf = (answer: unknown): BillPart | undefined => {
  const read = answerSchema.safeParse(answer).data;
  const usage = read?.usage;
  if (!read || !usage) return undefined;
  const {
    input_tokens: input,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: written,
  } = usage;
  const prompt = input == null ? undefined : input + (cached ?? 0) + (written ?? 0);
  return billSchema.safeParse({
    ...read,
    usage: {
      ...usage,
      prompt_tokens: prompt,
      completion_tokens: usage.output_tokens ?? undefined,
      prompt_tokens_details: cached == null ? undefined : { cached_tokens: cached },
    },
  }).data;
};

const deltaSchema = z.looseObject({
  index: z.number(),
  delta: z.looseObject({
    text: z.string().optional(),
    thinking: z.string().optional(),
    partial_json: z.string().optional(),
  }),
});
const startSchema = z.looseObject({
  index: z.number(),
  content_block: z.looseObject({ type: z.literal('tool_use'), name: z.string() }),
});

const typeOf = (code: RefusalCode): string =>
  code === 'key_refused'
    ? 'authentication_error'
    : code === 'run_over' || code === 'no_lease'
      ? 'permission_error'
      : code === 'model_unknown'
        ? 'not_found_error'
        : 'invalid_request_error';
const errorBody = (type: string, message: string): object => ({ type: 'error', error: { type, message } });
const errorFrame = (type: string, message: string): string =>
  namedFrame(JSON.stringify(errorBody(type, message)));
/** What Claude's agent looks for to shorten the conversation. */
const tooLong = 'prompt is too long';
/** Its SDK repeats by the status, unless it is told. */
const repeat = (should: boolean) => ({ 'x-should-retry': String(should) });

/** Anthropic's messages: Claude Code. */
export const messagesApi: Api = {
  path: 'messages',
  read: (text) => readRequest(text, bodySchema, (body) => body.max_tokens),
  write,
  isAnswer: (json) => 'content' in json && 'role' in json,
  billOf,
  follow: () =>
    followEvents({
      bill: (event) => billOf(event.type === 'message_start' ? event.message : event),
      characters: (event) => {
        const delta = deltaSchema.safeParse(event).data?.delta;
        return (delta?.text ?? delta?.thinking ?? delta?.partial_json ?? '').length;
      },
      tool: (event) => {
        const begun = startSchema.safeParse(event).data;
        if (begun) return { key: String(begun.index), text: `${begun.content_block.name}\n` };
        const more = deltaSchema.safeParse(event).data;
        const json = more?.delta.partial_json;
        return json === undefined ? undefined : { key: String(more?.index), text: json };
      },
      failure: (event) => (event.type === 'error' ? (event.error ?? event) : undefined),
      isLast: (event) => event.type === 'message_stop',
    }),
  frame: namedFrame,
  done: '',
  wording: {
    refuse: (code) =>
      errorAnswer(refusals[code][0], errorBody(typeOf(code), refusals[code][1]), undefined, repeat(false)),
    inviteRetry: (pauseMs) =>
      errorAnswer(503, errorBody('overloaded_error', 'The node is overloaded.'), pauseMs, repeat(true)),
    inviteCompaction: () =>
      errorAnswer(400, errorBody('invalid_request_error', tooLong), undefined, repeat(false)),
    refusalFrame: (code) => errorFrame(typeOf(code), refusals[code][1]),
    retryFrame: errorFrame('overloaded_error', 'The node is overloaded.'),
  },
};
