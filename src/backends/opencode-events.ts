import { z } from 'zod';
import type { AgentEvent, Tokens } from './backend.ts';
import { toDetail } from './cover-secrets.ts';

const count = z.number().catch(0);

const stepStart = z.object({
  type: z.literal('step_start'),
  sessionID: z.string(),
  part: z.object({ messageID: z.string() }),
});

const text = z.object({
  type: z.literal('text'),
  sessionID: z.string(),
  part: z.object({
    messageID: z.string(),
    text: z.string(),
    /** Written by opencode itself, not by the model: what goes on after a compaction. */
    synthetic: z.boolean().default(false),
  }),
});

const toolUse = z.object({
  type: z.literal('tool_use'),
  sessionID: z.string(),
  part: z.object({
    tool: z.string(),
    state: z.object({
      status: z.string(),
      input: z.record(z.string(), z.unknown()).default({}),
      title: z.string().optional(),
      error: z.string().optional(),
      metadata: z.object({ exit: z.number().nullish() }).optional(),
    }),
  }),
});

const stepFinish = z.object({
  type: z.literal('step_finish'),
  sessionID: z.string(),
  part: z.object({
    reason: z.string(),
    tokens: z.object({
      input: count,
      output: count,
      reasoning: count,
      cache: z.object({ read: count, write: count }),
    }),
  }),
});

const errorEvent = z.object({
  type: z.literal('error'),
  sessionID: z.string().optional(),
  error: z.object({
    name: z.string(),
    data: z
      .object({
        message: z.string().optional(),
        statusCode: z.number().optional(),
        responseBody: z.string().optional(),
      })
      .default({}),
  }),
});

const opencodeEvent = z.discriminatedUnion('type', [stepStart, text, toolUse, stepFinish, errorEvent]);

/** One line of `opencode run --format json` (1.18.33) that is understood. */
export type OpencodeEvent = z.infer<typeof opencodeEvent>;
export type OpencodeError = z.infer<typeof errorEvent>['error'];

/** Undefined for what no schema knows: newer versions say more, and none of it may break a run. */
export const parseOpencodeEvent = (line: string): OpencodeEvent | undefined => {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const parsed = opencodeEvent.safeParse(json);
  return parsed.success ? parsed.data : undefined;
};

/** What is known of a run from the events so far. */
export type Transcript = {
  readonly session: string | undefined;
  /** The texts of the last message that had any. */
  readonly answer: string;
  readonly steps: number;
  readonly tools: Readonly<Record<string, number>>;
  readonly tokens: Tokens;
  /** Why the last step ended: `stop`, `tool-calls`, `length`, `unknown`, … */
  readonly lastReason: string | undefined;
  /** An error that nothing went on after. */
  readonly error: OpencodeError | undefined;
  /** A tool was turned down by a rule that asks; opencode then stops with exit code 0. */
  readonly rejected: string | undefined;
};

const rejection = /rejected permission/i;

type ToolPart = z.infer<typeof toolUse>['part'];

/** The tool as the model named it: a call of one that is not there arrives as the tool `invalid`. */
const nameOf = ({ tool, state }: ToolPart): string =>
  tool === 'invalid' && typeof state.input.tool === 'string' ? state.input.tool : tool;

const succeeded = ({ tool, state }: ToolPart): boolean =>
  state.status === 'completed' && tool !== 'invalid' && (state.metadata?.exit ?? 0) === 0;

const describingInputs = ['description', 'command', 'filePath', 'path', 'pattern', 'url', 'query'];

/** opencode names files from the root of the file system where there is no repository. */
const titleOf = ({ state }: ToolPart, workspace: string): string => {
  const described = describingInputs
    .map((name) => state.input[name])
    .find((value) => typeof value === 'string');
  const title = state.title || (typeof described === 'string' ? described : '');
  return toDetail(title.replaceAll(`${workspace}/`, '').replaceAll(`${workspace.slice(1)}/`, ''), 200);
};

/** Of what a model says more is not kept: it has to fit into memory and into the database. */
const longestAnswer = 1024 * 1024;

const noTokens: Tokens = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };

/** Gathers the events of one run in `workspace`, passing on what an observer wants to see as it happens. */
export const createTranscript = (workspace: string, observe: (event: AgentEvent) => void) => {
  let session: string | undefined;
  let message: { readonly id: string; readonly texts: string[] } | undefined;
  let tokens = noTokens;
  let lastReason: string | undefined;
  let error: OpencodeError | undefined;
  let rejected: string | undefined;
  const steps = new Set<string>();
  const tools = new Map<string, number>();

  const add = (event: OpencodeEvent): void => {
    if (session === undefined && event.sessionID !== undefined) {
      session = event.sessionID;
      observe({ type: 'session', backendSession: session });
    }
    switch (event.type) {
      case 'step_start': {
        const { messageID } = event.part;
        if (steps.has(messageID)) return;
        steps.add(messageID);
        observe({ type: 'step' });
        return;
      }
      case 'text': {
        const { messageID, synthetic, text } = event.part;
        // What the model said before was the summary for a compaction: not for the reader.
        if (synthetic) message = undefined;
        else {
          if (message?.id !== messageID) message = { id: messageID, texts: [] };
          const room = longestAnswer - message.texts.reduce((sum, one) => sum + one.length, 0);
          if (room > 0) message.texts.push(text.slice(0, room));
          observe({ type: 'text', text });
        }
        return;
      }
      case 'tool_use': {
        const tool = nameOf(event.part);
        tools.set(tool, (tools.get(tool) ?? 0) + 1);
        if (rejection.test(event.part.state.error ?? '')) rejected = tool;
        observe({ type: 'tool', tool, title: titleOf(event.part, workspace), ok: succeeded(event.part) });
        return;
      }
      case 'step_finish': {
        const { reason, tokens: used } = event.part;
        lastReason = reason;
        error = undefined;
        tokens = {
          input: tokens.input + used.input,
          output: tokens.output + used.output,
          reasoning: tokens.reasoning + used.reasoning,
          cacheRead: tokens.cacheRead + used.cache.read,
          cacheWrite: tokens.cacheWrite + used.cache.write,
        };
        return;
      }
      case 'error':
        error = event.error;
    }
  };

  const read = (): Transcript => ({
    session,
    answer: (message?.texts ?? []).join('\n\n').trim(),
    steps: steps.size,
    tools: Object.fromEntries(tools),
    tokens,
    lastReason,
    error,
    rejected,
  });

  return { add, read };
};
