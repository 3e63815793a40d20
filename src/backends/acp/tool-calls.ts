import type { AcpUpdate, PermissionAsk } from './messages.ts';

type ToolCall = PermissionAsk['toolCall'];

/** What is asked for is one of the last. */
const kept = 64;

/** Remembers what an agent told of its tools: some ask for one by its id alone. */
export function createToolCalls() {
  const calls = new Map<string, ToolCall>();
  const merged = (call: ToolCall): ToolCall => {
    const known = calls.get(call.toolCallId);
    const { title, kind, rawInput, content, locations } = call;
    return {
      ...call,
      title: title ?? known?.title,
      kind: kind ?? known?.kind,
      rawInput: rawInput ?? known?.rawInput,
      content: content ?? known?.content,
      locations: locations ?? known?.locations,
    };
  };
  return {
    note: (update: AcpUpdate): void => {
      if (update.sessionUpdate !== 'tool_call' && update.sessionUpdate !== 'tool_call_update') return;
      const call = merged(update);
      calls.delete(call.toolCallId);
      calls.set(call.toolCallId, call);
      const [oldest] = calls.keys();
      if (calls.size > kept && oldest !== undefined) calls.delete(oldest);
    },
    /** The ask with what was told before it. */
    whole: (ask: PermissionAsk): PermissionAsk => ({ ...ask, toolCall: merged(ask.toolCall) }),
  };
}
