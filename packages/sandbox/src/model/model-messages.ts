import { z } from 'zod';
import { knownTools } from './agent-tools.ts';

const part = z.object({
  type: z.string(),
  text: z.string().optional(),
  image_url: z.object({ url: z.string() }).optional().catch(undefined),
});
const content = z
  .union([z.string(), z.array(part), z.null()])
  .optional()
  .transform((value) =>
    typeof value === 'string' || value === undefined || value === null
      ? { text: value ?? '', pictures: [] }
      : {
          text: value.flatMap(({ text }) => text ?? []).join('\n'),
          pictures: value.flatMap(({ image_url: image }) =>
            image === undefined ? [] : [pictureIn(image.url)],
          ),
        },
  );

/** What a `data:` URL holds: `image/png, 68 bytes`. */
function pictureIn(url: string): string {
  const [, mime = 'no picture', base64 = ''] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  return `${mime}, ${Buffer.from(base64, 'base64').length} bytes`;
}

/** What a tool takes, where it says so. */
const parameters = z
  .object({ properties: z.record(z.string(), z.unknown()) })
  .optional()
  .catch(undefined);

/** The part of an OpenAI chat completion request that the small model looks at. */
export const chatRequest = z.object({
  model: z.string(),
  stream: z.boolean().default(false),
  messages: z.array(
    z
      .object({ role: z.string(), content, tool_calls: z.array(z.unknown()).optional() })
      .transform(({ content: { text, pictures }, ...message }) => ({ ...message, content: text, pictures })),
  ),
  tools: z.array(z.object({ function: z.object({ name: z.string(), parameters }) })).default([]),
});
export type ChatRequest = z.infer<typeof chatRequest>;

/** A message of the user without what the agent program puts into it. */
const plainText = (text: string): string =>
  text.replace(/<system-reminder>[\s\S]*?<\/system-reminder>/g, '').trim();

/** The conversation as the small model understands it. */
export type Conversation = {
  /** What was asked for last. */
  readonly task: string;
  /** What was said before, oldest first. */
  readonly earlier: readonly string[];
  /** Results of the tools called since the task, in order. */
  readonly results: readonly string[];
  readonly tools: ReadonlySet<string>;
  /** Pictures that came with the task, as they are told: `image/png, 68 bytes`. */
  readonly pictures: readonly string[];
  /** The agent program wants a title for the session, not an answer. */
  readonly wantsTitle: boolean;
};

export const readConversation = (request: ChatRequest): Conversation => {
  const { messages } = request;
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const said = messages.filter(({ role }) => role === 'user').map((message) => plainText(message.content));
  const instructions = messages.filter(({ role }) => role === 'system' || role === 'developer');
  return {
    task: said.at(-1) ?? '',
    earlier: said.slice(0, -1),
    results: messages
      .slice(last + 1)
      .filter(({ role }) => role === 'tool')
      .map((message) => message.content),
    tools: knownTools(request.tools.map((tool) => tool.function.name)),
    wantsTitle:
      request.tools.length === 0 && instructions.some((m) => /title generator|thread title/i.test(m.content)),
    pictures: messages[last]?.pictures ?? [],
  };
};
