import { z } from 'zod';
import { type AgentEvent, type AgentFailure, type AgentFailureKind, machineWords } from './backend.ts';
import { toDetail } from './cover-secrets.ts';

const message = z.object({
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })),
});

const cursorEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('system'), session_id: z.string(), model: z.string().optional() }),
  z.object({ type: z.literal('user') }),
  z.object({ type: z.literal('thinking') }),
  z.object({ type: z.literal('assistant'), session_id: z.string().optional(), message }),
  z.object({
    type: z.literal('tool_call'),
    subtype: z.string(),
    /** One key, which names the tool: `{"shellToolCall":{"args":{…},"result":{…}}}`. */
    tool_call: z.record(z.string(), z.unknown()),
  }),
  z.object({
    type: z.literal('result'),
    subtype: z.string(),
    is_error: z.boolean().default(false),
    result: z.string().optional(),
    session_id: z.string().optional(),
  }),
]);

/** One line of `agent -p --output-format stream-json` that is understood. */
type CursorEvent = z.infer<typeof cursorEvent>;

export const parseCursorEvent = (line: string): CursorEvent | undefined => {
  try {
    const parsed = cursorEvent.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const toolBody = z.object({
  args: z.record(z.string(), z.unknown()).catch({}).default({}),
  result: z.record(z.string(), z.unknown()).catch({}).default({}),
});
const shellSuccess = z.object({ success: z.object({ exitCode: z.number() }) });

const describeTool = (call: Readonly<Record<string, unknown>>): AgentEvent => {
  const [key = 'tool', value] = Object.entries(call)[0] ?? [];
  const body = toolBody.safeParse(value);
  const { args, result } = body.success ? body.data : { args: {}, result: {} };
  const described = [args.description, args.command, args.path, args.pattern, args.query];
  const title = described.find((text) => typeof text === 'string');
  const shell = shellSuccess.safeParse(result);
  const ok = 'success' in result && (!shell.success || shell.data.success.exitCode === 0);
  return {
    type: 'tool',
    tool: key.replace(/ToolCall$/, ''),
    title: toDetail(typeof title === 'string' ? title : '', 200),
    ok,
  };
};

/** Gathers the events of one run of Cursor's agent. */
export const createCursorTranscript = (observe: (event: AgentEvent) => void) => {
  let session: string | undefined;
  let model: string | undefined;
  let lastText = '';
  let result: Extract<CursorEvent, { type: 'result' }> | undefined;
  let steps = 0;
  const tools = new Map<string, number>();

  const add = (event: CursorEvent): void => {
    switch (event.type) {
      case 'system':
        if (session === undefined) observe({ type: 'session', backendSession: event.session_id });
        session = event.session_id;
        model = event.model ?? model;
        return;
      case 'user':
      case 'thinking':
        return;
      case 'assistant': {
        steps++;
        observe({ type: 'step' });
        const text = event.message.content.map((part) => part.text ?? '').join('');
        if (text.trim() === '') return;
        lastText = text;
        observe({ type: 'text', text });
        return;
      }
      case 'tool_call': {
        if (event.subtype !== 'completed') return;
        const described = describeTool(event.tool_call);
        if (described.type === 'tool') tools.set(described.tool, (tools.get(described.tool) ?? 0) + 1);
        observe(described);
        return;
      }
      case 'result':
        result = event;
        session = event.session_id ?? session;
    }
  };

  const read = () => ({
    session,
    model,
    // `result` holds every text of the run in one string; the last text is the answer.
    answer: (lastText || (result?.is_error === true ? '' : (result?.result ?? ''))).trim(),
    steps,
    tools: Object.fromEntries(tools),
    result,
  });

  return { add, read };
};

const byWords: readonly (readonly [RegExp, AgentFailureKind])[] = [
  [/not logged in|authentication|unauthorized|log ?in|api key|forbidden/i, 'unauthorized'],
  [/usage limit|out of (?:credits|usage)|payment|upgrade your plan|spend limit/i, 'budget_exhausted'],
  [/rate limit|too many requests/i, 'rate_limited'],
  [
    /model.{0,60}(?:not (?:found|available)|unknown|invalid)|cannot use this model|named models/i,
    'model_unknown',
  ],
  [/(?:chat|session|conversation).{0,40}not found/i, 'session_unknown'],
  [/context (?:length|window)|too long/i, 'context_overflow'],
  [/network|connect|timed? ?out|unavailable|5\d\d/i, 'provider_down'],
  [/unknown option|invalid option/i, 'bad_configuration'],
];

/** What Cursor's agent says when it fails: plain words, on standard error or as a bare line. */
export const classifyCursorWords = (words: string): AgentFailure => ({
  kind: [...machineWords, ...byWords].find(([pattern]) => pattern.test(words))?.[1] ?? 'crashed',
  detail: toDetail(words) || undefined,
  status: undefined,
});
