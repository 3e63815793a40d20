import { z } from 'zod';
import { type ChatRequest, chatRequest } from './model-messages.ts';
import { callIdOf } from './model-wire.ts';
import type { Reply } from './reply.ts';

/**
 * OpenAI's responses and Anthropic's messages, as other agents ask for them: read as the chat completion that they would
 * be, and answered in their own words.
 */
export type OtherApi = {
  readonly read: (body: unknown) => ChatRequest | undefined;
  /** The events of a stream, in order. */
  readonly events: (reply: Reply, about: About) => readonly Event[];
  readonly whole: (reply: Reply, about: About) => unknown;
};
type About = {
  readonly model: string;
  readonly callId: string;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
};
type Event = Readonly<Record<string, unknown>> & { readonly type: string };

const block = z.looseObject({
  type: z.string(),
  text: z.string().nullish(),
  content: z.unknown().optional(),
  output: z.unknown().optional(),
});
const blocks = z.union([z.string(), z.array(block)]);
const tools = z.array(z.looseObject({ name: z.string().optional() })).default([]);

const textOf = (value: unknown): string => {
  const parsed = blocks.safeParse(value);
  if (!parsed.success) return '';
  return typeof parsed.data === 'string' ? parsed.data : parsed.data.map(({ text }) => text ?? '').join('\n');
};
const named = (list: z.output<typeof tools>) =>
  list.flatMap(({ name }) => (name === undefined ? [] : [{ function: { name } }]));
const asChat = (chat: unknown): ChatRequest | undefined => chatRequest.safeParse(chat).data;
const saidBy = (reply: Reply): string => (reply.type === 'text' ? reply.text : '');

const messagesRequest = z.object({
  model: z.string(),
  stream: z.boolean().default(false),
  system: blocks.optional(),
  messages: z.array(z.object({ role: z.string(), content: blocks })),
  tools,
});

/** `POST /v1/messages` */
export const messagesApi: OtherApi = {
  read: (body) => {
    const asked = messagesRequest.safeParse(body).data;
    if (asked === undefined) return undefined;
    const messages = asked.messages.flatMap(({ role, content }) => {
      if (typeof content === 'string') return [{ role, content }];
      const results = content.filter(({ type }) => type === 'tool_result');
      const calls = content.filter(({ type }) => type === 'tool_use');
      const text = textOf(content.filter(({ type }) => type === 'text'));
      return [
        ...results.map((result) => ({ role: 'tool', content: textOf(result.content) })),
        ...(calls.length > 0 ? [{ role, content: text, tool_calls: calls }] : []),
        ...(calls.length === 0 && (text !== '' || results.length === 0) ? [{ role, content: text }] : []),
      ];
    });
    const { model, stream, system } = asked;
    const told = system === undefined ? [] : [{ role: 'system', content: textOf(system) }];
    return asChat({ model, stream, messages: [...told, ...messages], tools: named(asked.tools) });
  },
  events: (reply, { model, callId, usage }) => {
    const message = {
      ...{ id: `msg_${callId}`, type: 'message', role: 'assistant', model, content: [] },
      ...{ stop_reason: null, stop_sequence: null },
      usage: { input_tokens: usage.prompt_tokens, output_tokens: 1 },
    };
    return [
      { type: 'message_start', message },
      ...contentOf(reply, callId).flatMap((block, index) => {
        const isCall = block.type === 'tool_use';
        const delta = isCall
          ? { type: 'input_json_delta', partial_json: JSON.stringify(block.input) }
          : { type: 'text_delta', text: block.text };
        return [
          {
            ...{ type: 'content_block_start', index },
            content_block: isCall ? { ...block, input: {} } : { ...block, text: '' },
          },
          { type: 'content_block_delta', index, delta },
          { type: 'content_block_stop', index },
        ];
      }),
      {
        type: 'message_delta',
        delta: { stop_reason: stopOf(reply), stop_sequence: null },
        usage: { output_tokens: usage.completion_tokens },
      },
      { type: 'message_stop' },
    ];
  },
  whole: (reply, { model, callId, usage }) => ({
    ...{ id: `msg_${callId}`, type: 'message', role: 'assistant', model },
    content: contentOf(reply, callId),
    ...{ stop_reason: stopOf(reply), stop_sequence: null },
    usage: { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens },
  }),
};

const stopOf = ({ type }: Reply) => (type === 'calls' ? 'tool_use' : 'end_turn');
const contentOf = (reply: Reply, callId: string) =>
  reply.type === 'calls'
    ? reply.calls.map(({ name, input }, index) => ({
        ...{ type: 'tool_use' as const, id: `toolu_${callIdOf(callId, index)}`, name, input },
      }))
    : [{ type: 'text' as const, text: saidBy(reply) }];

const responsesRequest = z.object({
  model: z.string(),
  stream: z.boolean().default(false),
  instructions: z.string().nullish(),
  input: z.union([
    z.string(),
    z.array(z.looseObject({ type: z.string().optional(), role: z.string().optional() })),
  ]),
  tools,
});

/** `POST /v1/responses` */
export const responsesApi: OtherApi = {
  read: (body) => {
    const asked = responsesRequest.safeParse(body).data;
    if (asked === undefined) return undefined;
    const { model, stream, instructions, input } = asked;
    const items = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
    const messages = items.flatMap((item): readonly unknown[] => {
      if (item.type === 'function_call_output') return [{ role: 'tool', content: textOf(item.output) }];
      if (item.type === 'function_call') return [{ role: 'assistant', content: '', tool_calls: [item] }];
      return item.role === undefined ? [] : [{ role: item.role, content: textOf(item.content) }];
    });
    const told = instructions == null ? [] : [{ role: 'system', content: instructions }];
    return asChat({ model, stream, messages: [...told, ...messages], tools: named(asked.tools) });
  },
  events: (reply, about) => {
    const response = responseOf(reply, about);
    return [
      { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
      ...outputOf(reply, about).flatMap((item, output_index) => {
        const at = { output_index };
        const isCall = item.type === 'function_call';
        const delta = { ...at, item_id: `msg_${about.callId}`, content_index: 0, delta: saidBy(reply) };
        return [
          {
            ...{ type: 'response.output_item.added', ...at },
            item: isCall ? { ...item, arguments: '' } : { ...item, content: [] },
          },
          ...(isCall ? [] : [{ type: 'response.output_text.delta', ...delta }]),
          { type: 'response.output_item.done', ...at, item },
        ];
      }),
      { type: 'response.completed', response },
    ];
  },
  whole: (reply, about) => responseOf(reply, about),
};

const outputOf = (reply: Reply, { callId }: About) =>
  reply.type === 'calls'
    ? reply.calls.map(({ name, input }, index) => ({
        ...{ id: `fc_${callId}_${index}`, type: 'function_call' as const, status: 'completed' },
        ...{ call_id: callIdOf(callId, index), name, arguments: JSON.stringify(input) },
      }))
    : [
        {
          ...{ id: `msg_${callId}`, type: 'message' as const, role: 'assistant', status: 'completed' },
          content: [{ type: 'output_text', text: saidBy(reply), annotations: [] }],
        },
      ];

const responseOf = (reply: Reply, about: About) => {
  const { prompt_tokens: input, completion_tokens: output } = about.usage;
  return {
    ...{ id: `resp_${about.callId}`, object: 'response', status: 'completed', model: about.model },
    output: outputOf(reply, about),
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + output,
    },
  };
};

/** Events with names, as both of them stream. */
export const namedEvents = (events: readonly Event[]): Response =>
  new Response(events.map((each) => `event: ${each.type}\ndata: ${JSON.stringify(each)}\n\n`).join(''), {
    headers: { 'content-type': 'text/event-stream' },
  });
