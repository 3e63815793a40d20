import { z } from 'zod';
import type { ModelRequest } from './api.ts';
import type { MeterPrice, RunLimits } from './metered-run.ts';
import { readRequest } from './read-request.ts';

const tokenCount = z.number().int().positive().nullish().catch(undefined);
const bodySchema = z.looseObject({
  model: z.string().min(1),
  stream: z.boolean().nullish(),
  messages: z.array(z.unknown()),
  max_tokens: tokenCount,
  max_completion_tokens: tokenCount,
});

/** Undefined for what is no chat completion request. */
export const readChatRequest = (text: string): ModelRequest | undefined =>
  readRequest(text, bodySchema, (body) => body.max_tokens ?? body.max_completion_tokens);

/**
 * Fields of a request that cost nothing beside what is reserved for it. Others stay here: `n` and `best_of` ask for many
 * answers, `plugins`, `web_search_options` and the like for services that are billed apart.
 */
const passedOn = new Set([
  ...['model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'stop', 'seed'],
  ...[
    'temperature',
    'top_p',
    'top_k',
    'min_p',
    'presence_penalty',
    'frequency_penalty',
    'repetition_penalty',
  ],
  ...['tools', 'tool_choice', 'parallel_tool_calls', 'response_format', 'logit_bias', 'user', 'metadata'],
  ...['reasoning', 'reasoning_effort', 'include_reasoning', 'thinking', 'verbosity', 'chat_template_kwargs'],
  ...['prompt_cache_key', 'usage'],
]);

/** Tools that the agent carries out itself; others (`web_search`, …) are the node's, and billed apart. */
const ownTools = (tools: unknown): unknown =>
  Array.isArray(tools) ? tools.filter((tool) => functionTool.safeParse(tool).success) : undefined;
const functionTool = z.looseObject({ type: z.literal('function') });

/** The body for the node, asking for one answer of at most `maxTokens`. */
export function writeChatRequest(request: ModelRequest, maxTokens: number | undefined): string {
  const known = Object.fromEntries(Object.entries(request.body).filter(([name]) => passedOn.has(name)));
  const body = {
    ...known,
    ...('tools' in known ? { tools: ownTools(known.tools) } : {}),
    ...(request.body.max_completion_tokens == null ? {} : { max_completion_tokens: maxTokens }),
    // The field that every node's reservation reads; older ones know no other.
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    // Without it a stream has no usage, and what it cost would be a guess.
    ...(request.stream ? { stream_options: { include_usage: true } } : {}),
  };
  return JSON.stringify(body);
}

/** The most that the limits let this request ask for. */
export function clampTokens(request: ModelRequest, limits: RunLimits): number | undefined {
  const { maxTokens } = limits;
  if (maxTokens === undefined) return request.maxTokens;
  return Math.min(request.maxTokens ?? maxTokens, maxTokens);
}

/**
 * `max_tokens` with which the reservation fits into `availableMsat`; undefined when not even `leastTokens` do.
 */
export function fitTokens(
  request: ModelRequest,
  wanted: number,
  price: MeterPrice,
  availableMsat: number,
  leastTokens: number,
): number | undefined {
  const { prompt, completion, request: fixed } = price.sat;
  const left = availableMsat / 1000 - request.promptTokens * prompt - fixed;
  if (left < 0) return undefined;
  const affordable = completion === 0 ? wanted : Math.floor(left / completion);
  if (affordable >= wanted) return wanted;
  return affordable >= leastTokens ? affordable : undefined;
}
