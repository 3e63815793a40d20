import { z } from 'zod';
import type { Approval, ApprovalRule, Asked } from '../approval.ts';
import type { PermissionAsk } from './messages.ts';

/** What changes nothing. */
const readingKinds = new Set(['read', 'search', 'think', 'fetch']);
const editingKinds = new Set(['edit', 'delete', 'move']);
const commandInput = z.object({ command: z.string().or(z.array(z.string())) });

/** What the agent wants to do, in the words of its owner's question. */
export function approvalOf({ toolCall }: PermissionAsk): Approval {
  const { kind, title, rawInput, content, locations, toolCallId } = toolCall;
  const about = { id: toolCallId, bySubAgent: false };
  const diff = content?.find((part) => part.type === 'diff' && 'newText' in part);
  if (diff !== undefined || (kind != null && editingKinds.has(kind))) {
    const change = diffSchema.safeParse(diff);
    const file = change.success ? change.data.path : (locations?.[0]?.path ?? title ?? 'a file');
    return {
      ...about,
      what: { kind: 'edit', file, diff: change.success ? diffText(change.data) : undefined },
    };
  }
  const input = commandInput.safeParse(rawInput);
  if (kind === 'execute' || input.success) {
    const command = input.success ? input.data.command : (title ?? 'a command');
    return { ...about, what: { kind: 'command', command: [command].flat().join(' ') } };
  }
  return {
    ...about,
    what: { kind: 'other', permission: kind ?? 'a tool', patterns: title == null ? [] : [title] },
  };
}

const diffSchema = z.object({ path: z.string(), oldText: z.string().nullish(), newText: z.string() });

/** Lines that go and lines that come, without those that both have at their beginning and end. */
function diffText({ oldText, newText }: z.output<typeof diffSchema>): string {
  const before = (oldText ?? '').split('\n');
  const after = newText.split('\n');
  let head = 0;
  while (head < Math.min(before.length, after.length) && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < Math.min(before.length, after.length) - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail++;
  return [
    ...before.slice(head, before.length - tail).map((line) => `-${line}`),
    ...after.slice(head, after.length - tail).map((line) => `+${line}`),
  ].join('\n');
}

/**
 * Answers what an agent asks: by its kind where the rule is clear, else by its owner.
 * @returns the option's id; undefined where the agent offers none like it
 */
export async function answerPermission(
  ask: PermissionAsk,
  by: {
    readonly rule: ApprovalRule;
    /** `ask` and `plan`: nothing is changed. */
    readonly readOnly: boolean;
    readonly onApproval: Asked['onApproval'];
  },
  signal: AbortSignal,
): Promise<string | undefined> {
  const option = (...kinds: readonly string[]): string | undefined =>
    kinds
      .map((kind) => ask.options.find((each) => each.kind === kind)?.optionId)
      .find((id) => id !== undefined);
  const allow = () => option('allow_once', 'allow_always');
  const reject = () => option('reject_once', 'reject_always');
  const { kind } = ask.toolCall;
  const { what } = approvalOf(ask);
  const reads = kind != null && readingKinds.has(kind) && what.kind === 'other';
  if (reads) return allow();
  if (by.readOnly || signal.aborted) return reject();
  if (by.rule === 'off' || (by.rule === 'commands' && what.kind === 'edit')) return allow();
  const verdict = await by.onApproval?.(approvalOf(ask), signal);
  return verdict === undefined || verdict.answer === 'no' ? reject() : allow();
}
