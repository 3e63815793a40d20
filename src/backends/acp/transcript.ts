import type { AgentEvent } from '../backend.ts';
import type { AcpUpdate } from './messages.ts';

/** So much of an answer is kept; an agent that writes without end fills no memory. */
const longestAnswer = 1024 * 1024;

/** Follows what an agent says. The answer is what it said after its last tool. */
export function createAcpTranscript(observe: (event: AgentEvent) => void) {
  let answer = '';
  let steps = 0;
  let closed = true;
  let context: { readonly used: number; readonly of: number | undefined } | undefined;
  const tools: Record<string, number> = {};
  const names = new Map<string, { readonly tool: string; readonly title: string }>();
  const over = new Set<string>();

  const step = (): void => {
    if (!closed) return;
    closed = false;
    steps += 1;
    observe({ type: 'step' });
  };

  const add = (update: AcpUpdate): void => {
    switch (update.sessionUpdate) {
      case 'agent_message_chunk': {
        const { content } = update;
        if (content.type !== 'text' || typeof content.text !== 'string') return;
        if (closed) answer = '';
        step();
        answer = (answer + content.text).slice(0, longestAnswer);
        observe({ type: 'delta', part: `${steps}`, text: content.text });
        return;
      }
      case 'tool_call':
      case 'tool_call_update': {
        const known = names.get(update.toolCallId);
        const tool = update.kind ?? known?.tool ?? 'tool';
        const title = update.title ?? known?.title ?? '';
        if (known === undefined) {
          step();
          closed = true;
          tools[tool] = (tools[tool] ?? 0) + 1;
        }
        names.set(update.toolCallId, { tool, title });
        const { status } = update;
        if ((status !== 'completed' && status !== 'failed') || over.has(update.toolCallId)) return;
        over.add(update.toolCallId);
        observe({ type: 'tool', tool, title, ok: status === 'completed' });
        return;
      }
      case 'plan':
        observe({
          type: 'todos',
          todos: update.entries.map(({ content, status }) => ({
            text: content,
            state: status === 'completed' ? 'done' : status === 'in_progress' ? 'doing' : 'open',
          })),
        });
        return;
      case 'usage_update':
        context = { used: update.used, of: update.size ?? undefined };
    }
  };
  return { add, read: () => ({ answer: answer.trim(), steps, tools, context }) };
}
