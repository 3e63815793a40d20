import { z } from 'zod';

const text = z.string();
const tokens = z.object({
  input: z.number().catch(0),
  output: z.number().catch(0),
  reasoning: z.number().catch(0),
  cache: z.object({ read: z.number().catch(0), write: z.number().catch(0) }),
});

/** A part of a message; what is not here is not looked at. */
export const messagePart = z.discriminatedUnion('type', [
  z.object({
    ...{ type: z.literal('text'), id: text, sessionID: text, messageID: text, text },
    synthetic: z.boolean().default(false),
    time: z.object({ end: z.number().optional() }).optional(),
  }),
  z.object({ type: z.literal('reasoning'), id: text, sessionID: text, messageID: text }),
  z.object({ type: z.literal('step-start'), id: text, sessionID: text, messageID: text }),
  z.object({
    ...{ type: z.literal('step-finish'), id: text, sessionID: text, messageID: text, tokens },
    reason: text,
  }),
  z.object({
    ...{ type: z.literal('tool'), id: text, sessionID: text, messageID: text, tool: text },
    state: z.object({
      status: text,
      input: z.record(text, z.unknown()).default({}),
      title: text.optional(),
      error: text.optional(),
      metadata: z.object({ exit: z.number().nullish() }).optional(),
    }),
  }),
]);
export type MessagePart = z.infer<typeof messagePart>;

export const serverError = z.object({
  name: text,
  data: z
    .object({
      message: text.optional(),
      statusCode: z.number().optional(),
      responseBody: text.optional(),
    })
    .default({}),
});

export const permissionAsked = z.object({
  id: text,
  sessionID: text,
  permission: text,
  patterns: z.array(text).default([]),
  metadata: z.record(text, z.unknown()).default({}),
  always: z.array(text).default([]),
});
export type PermissionAsked = z.infer<typeof permissionAsked>;

export const questionAsked = z.object({
  id: text,
  sessionID: text,
  questions: z.array(
    z.object({
      question: text,
      options: z.array(z.object({ label: text, description: text.default('') })).default([]),
      multiple: z.boolean().default(false),
    }),
  ),
});
export type QuestionAsked = z.infer<typeof questionAsked>;

const event = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('session.created'),
    properties: z.object({ info: z.object({ id: text, parentID: text.optional() }) }),
  }),
  z.object({ type: z.literal('session.idle'), properties: z.object({ sessionID: text }) }),
  z.object({
    type: z.literal('session.error'),
    properties: z.object({ sessionID: text.optional(), error: serverError.optional() }),
  }),
  z.object({
    type: z.literal('session.status'),
    properties: z.object({
      sessionID: text,
      status: z.object({ type: text, message: text.default('') }),
    }),
  }),
  z.object({ type: z.literal('message.part.updated'), properties: z.object({ part: messagePart }) }),
  z.object({
    type: z.literal('message.updated'),
    properties: z.object({
      info: z.object({
        ...{ id: text, sessionID: text, role: text },
        // true: a compaction wrote it; of a task: what it changed so far.
        summary: z
          .union([z.literal(true), z.looseObject({ diffs: z.array(z.unknown()).optional() })])
          .optional()
          .catch(undefined),
      }),
    }),
  }),
  z.object({
    type: z.literal('message.part.delta'),
    properties: z.object({ sessionID: text, messageID: text, partID: text, field: text, delta: text }),
  }),
  z.object({
    type: z.literal('todo.updated'),
    properties: z.object({
      sessionID: text,
      todos: z.array(z.object({ content: text, status: text })),
    }),
  }),
  z.object({ type: z.literal('permission.asked'), properties: permissionAsked }),
  z.object({ type: z.literal('question.asked'), properties: questionAsked }),
]);
/** What a warm server says and the bot acts on. */
export type ServerEvent = z.infer<typeof event>;

/** Every durable event comes a second time with its number in the history of its session. */
const numbered = z.object({
  type: z.literal('sync'),
  syncEvent: z.object({ aggregateID: text, seq: z.number() }),
});
export type Numbered = { readonly session: string; readonly seq: number };

const envelope = z.object({ payload: z.unknown() });

/** What one message of the stream means; undefined for everything else that a server says. */
export const readServerEvent = (
  data: string,
): { readonly event: ServerEvent } | { readonly numbered: Numbered } | undefined => {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { payload } = envelope.safeParse(json).data ?? {};
  const known = event.safeParse(payload);
  if (known.success) return { event: known.data };
  const sync = numbered.safeParse(payload);
  if (!sync.success) return undefined;
  const { aggregateID, seq } = sync.data.syncEvent;
  return { numbered: { session: aggregateID, seq } };
};

const historyEntry = z.object({ aggregate_id: text, seq: z.number(), type: text, data: z.unknown() });

/** One entry of a session's history, which has its version behind its type. */
export const readHistoryEntry = (
  entry: unknown,
): (Numbered & { readonly event: ServerEvent | undefined }) | undefined => {
  const parsed = historyEntry.safeParse(entry);
  if (!parsed.success) return undefined;
  const { aggregate_id: session, seq, type, data } = parsed.data;
  const known = event.safeParse({ type: type.replace(/\.\d+$/, ''), properties: data });
  return { session, seq, event: known.data };
};
