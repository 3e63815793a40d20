import { parseJson } from '@nostr-dm-agent/kit/json';
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
  input: z.union([z.string(), z.array(z.unknown())]),
  max_output_tokens: z.number().int().positive().nullish().catch(undefined),
});

/** Fields that cost nothing beside what is reserved. Nothing is kept at the node, and no tool of the node's is used. */
const passedOn = new Set([
  ...['model', 'input', 'instructions', 'stream', 'temperature', 'top_p', 'tools', 'tool_choice'],
  ...[
    'parallel_tool_calls',
    'reasoning',
    'text',
    'include',
    'truncation',
    'metadata',
    'user',
    'prompt_cache_key',
  ],
]);
/** Tools that the agent carries out itself. */
const ownTool = z.looseObject({ type: z.enum(['function', 'custom', 'local_shell']) });

const write = ({ body }: ModelRequest, maxTokens: number | undefined): string => {
  const known = Object.fromEntries(Object.entries(body).filter(([name]) => passedOn.has(name)));
  const tools = Array.isArray(body.tools)
    ? body.tools.filter((tool) => ownTool.safeParse(tool).success)
    : undefined;
  return JSON.stringify({
    ...known,
    ...('tools' in known ? { tools } : {}),
    store: false,
    ...(maxTokens === undefined ? {} : { max_output_tokens: maxTokens }),
  });
};

const responseSchema = z.looseObject({
  usage: z
    .looseObject({
      input_tokens: z.unknown().optional(),
      output_tokens: z.unknown().optional(),
      input_tokens_details: z
        .looseObject({ cached_tokens: z.unknown().optional() })
        .nullish()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
});
/** Of a whole answer, or of the one in `response.completed`, in the words of a chat completion. */
const billOf = (response: unknown): BillPart | undefined => {
  const answer = responseSchema.safeParse(response).data;
  const usage = answer?.usage;
  if (!answer || !usage) return undefined;
  return billSchema.safeParse({
    ...answer,
    usage: {
      ...usage,
      prompt_tokens: usage.input_tokens,
      completion_tokens: usage.output_tokens,
      prompt_tokens_details: usage.input_tokens_details,
    },
  }).data;
};

const deltaSchema = z.looseObject({ delta: z.string() });
const itemSchema = z.looseObject({
  item: z.looseObject({
    type: z.string(),
    name: z.string().optional(),
    arguments: z.string().optional(),
    input: z.unknown().optional(),
  }),
  output_index: z.number().optional(),
});
const failedSchema = z.looseObject({ response: z.looseObject({ error: z.unknown().optional() }) });
const last = new Set(['response.completed', 'response.incomplete']);

const lateErrorSchema = z.strictObject({ error: z.looseObject({ code: z.string(), message: z.string() }) });
const lateCode = (code: string): string =>
  code === 'server_error' || code === 'context_length_exceeded'
    ? code
    : code === 'insufficient_balance'
      ? 'insufficient_quota'
      : 'invalid_prompt';

/** Codes that Codex gives up on at once; it repeats after others. */
const finalCode = (code: RefusalCode | 'too_long'): string =>
  code === 'insufficient_balance'
    ? 'insufficient_quota'
    : code === 'too_long'
      ? 'context_length_exceeded'
      : 'invalid_prompt';
const failedFrame = (code: string, message: string): string =>
  namedFrame(
    JSON.stringify({
      type: 'response.failed',
      response: { id: 'meter', object: 'response', status: 'failed', error: { code, message }, output: [] },
    }),
  );
const errorBody = (message: string, code: string): object => ({ error: { message, type: 'meter', code } });

/** OpenAI's responses: Codex. */
export const responsesApi: Api = {
  path: 'responses',
  read: (text) => readRequest(text, bodySchema, (body) => body.max_output_tokens),
  write,
  isAnswer: (json) => 'output' in json,
  billOf,
  follow: () =>
    followEvents({
      bill: (event) => billOf(event.response),
      characters: (event) =>
        event.type.endsWith('.delta') ? (deltaSchema.safeParse(event).data?.delta.length ?? 0) : 0,
      tool: (event) => {
        if (event.type !== 'response.output_item.done') return undefined;
        const found = itemSchema.safeParse(event).data;
        if (!found || !/_call$/.test(found.item.type)) return undefined;
        const { name = '', arguments: args = '', input } = found.item;
        return { key: String(found.output_index), text: `${name}\n${args}\n${JSON.stringify(input) ?? ''}` };
      },
      failure: (event) => {
        if (event.type === 'error') return event.error ?? event;
        if (event.type !== 'response.failed') return undefined;
        return failedSchema.safeParse(event).data?.response.error ?? event;
      },
      isLast: (event) => last.has(event.type),
    }),
  frame: (data) => {
    // An error that came when the stream had begun already.
    const late = lateErrorSchema.safeParse(parseJson(data)).data?.error;
    return late === undefined ? namedFrame(data) : failedFrame(lateCode(late.code), late.message);
  },
  done: '',
  wording: {
    refuse: (code) => errorAnswer(refusals[code][0], errorBody(refusals[code][1], code)),
    inviteRetry: (pauseMs) => errorAnswer(503, errorBody('The node is overloaded.', 'server_error'), pauseMs),
    inviteCompaction: () => errorAnswer(400, errorBody(refusals.too_long[1], 'context_length_exceeded')),
    refusalFrame: (code) => failedFrame(finalCode(code), refusals[code][1]),
    retryFrame: failedFrame('server_error', 'The node is overloaded.'),
  },
};
