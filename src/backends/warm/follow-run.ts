import type { AgentFailure, AgentRequest, RunObserver, Tokens } from '../backend.ts';
import { createLoopGuard, type LoopVerdict } from '../loop-guard.ts';
import { createTranscript, type Transcript } from '../opencode-events.ts';
import type { Todo } from '../session-desk.ts';
import { asRunEvent } from './as-run-events.ts';
import type { MessagePart, Numbered, PermissionAsked, QuestionAsked, ServerEvent } from './server-events.ts';

/** Why nothing more is to be waited for. */
export type RunOver =
  | 'idle'
  /** The server said that something is wrong, and may or may not go on. */
  | 'error'
  /** The loop guard. */
  | 'loop';

type FollowOptions = {
  readonly request: AgentRequest;
  readonly observer: RunObserver;
  /** The session that the task was given to. */
  readonly root: string;
  /** Id of the task's message. */
  readonly prompt: string;
  readonly onPermission: (asked: PermissionAsked, bySubAgent: boolean) => void;
  readonly onQuestion: (asked: QuestionAsked) => void;
  readonly onOver: (why: RunOver) => void;
};

const todoStates: Readonly<Record<string, Todo['state']>> = {
  in_progress: 'doing',
  completed: 'done',
  cancelled: 'dropped',
};
export const toTodos = (
  todos: readonly { readonly content: string; readonly status: string }[],
): readonly Todo[] =>
  todos.map(({ content, status }) => ({ text: content, state: todoStates[status] ?? 'open' }));

/** How a run goes, by what its server says of its session and of those of its sub-agents. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one short branch for each kind of event
export const followRun = (options: FollowOptions) => {
  const { request, observer, root, prompt } = options;
  const transcript = createTranscript(request.workspace, (event) => {
    // It is known before the first word.
    if (event.type !== 'session') observer.onEvent?.(event);
  });
  const guard = createLoopGuard();
  const family = new Set([root]);
  /** The last number that is known of each session's history. */
  const numbers = new Map<string, number>();
  /** Messages of the model's, and the kinds of parts, as far as they were told. */
  const roles = new Map<string, string>([[prompt, 'user']]);
  const kinds = new Map<string, string>();
  const told = new Set<string>();
  let verdict: LoopVerdict | undefined;
  let begun = false;
  /** Something was said that was not heard. */
  let gap = false;
  let retried = false;
  let last: Tokens | undefined;
  /** How often what the task changed was summed up: when it begins, and behind the end of each step. */
  let sums = 0;
  let summed = (): void => undefined;

  const partUpdated = (part: MessagePart): void => {
    kinds.set(part.id, part.type);
    begun = true;
    if (part.sessionID !== root || told.has(part.id)) return;
    const event = asRunEvent(part, roles.get(part.messageID) !== 'user');
    if (event === undefined) return;
    told.add(part.id);
    transcript.add(event);
    if (part.type === 'step-finish') {
      const { input, output, reasoning, cache } = part.tokens;
      last = { input, output, reasoning, cacheRead: cache.read, cacheWrite: cache.write };
    }
    verdict ??= guard(event);
    if (verdict !== undefined) options.onOver('loop');
  };

  const on = (event: ServerEvent): void => {
    switch (event.type) {
      case 'session.created': {
        const { id, parentID } = event.properties.info;
        if (parentID !== undefined && family.has(parentID)) family.add(id);
        return;
      }
      case 'message.part.updated':
        if (!family.has(event.properties.part.sessionID)) return;
        observer.onActivity?.();
        partUpdated(event.properties.part);
        return;
      case 'message.updated': {
        const { id, role, sessionID, summary } = event.properties.info;
        // What a compaction makes of the conversation is said to nobody.
        if (family.has(sessionID)) roles.set(id, summary === true ? 'summary' : role);
        if (
          sessionID === root &&
          role === 'user' &&
          typeof summary === 'object' &&
          summary.diffs !== undefined
        ) {
          sums += 1;
          summed();
        }
        return;
      }
      case 'session.error': {
        const { sessionID, error } = event.properties;
        if (sessionID !== root || error === undefined) return;
        const said = { type: 'error' as const, sessionID, error };
        transcript.add(said);
        verdict ??= guard(said);
        options.onOver(verdict === undefined ? 'error' : 'loop');
        return;
      }
      default:
        if (family.has(event.properties.sessionID)) onFamily(event);
    }
  };

  const onFamily = (
    event: Exclude<
      ServerEvent,
      { type: 'session.created' | 'message.part.updated' | 'message.updated' | 'session.error' }
    >,
  ): void => {
    observer.onActivity?.();
    const isRoot = event.properties.sessionID === root;
    switch (event.type) {
      case 'session.idle':
        if (isRoot) options.onOver('idle');
        return;
      case 'session.status': {
        const { type, message } = event.properties.status;
        if (type === 'busy' && isRoot) begun = true;
        if (type === 'retry') {
          retried = true;
          observer.onEvent?.({ type: 'retry', message });
        }
        return;
      }
      case 'message.part.delta': {
        const { messageID, partID, field, delta } = event.properties;
        const isSaid = field === 'text' && kinds.get(partID) === 'text';
        const isAnswer = isSaid && (roles.get(messageID) ?? 'assistant') === 'assistant';
        if (isRoot && isAnswer && !gap) observer.onEvent?.({ type: 'delta', part: partID, text: delta });
        return;
      }
      case 'todo.updated':
        if (isRoot) observer.onEvent?.({ type: 'todos', todos: toTodos(event.properties.todos) });
        return;
      case 'permission.asked':
        options.onPermission(event.properties, !isRoot);
        return;
      case 'question.asked':
        options.onQuestion(event.properties);
    }
  };

  return {
    on,
    numbered: ({ session, seq }: Numbered): void => {
      if (family.has(session)) numbers.set(session, Math.max(seq, numbers.get(session) ?? -1));
    },
    /** What is being written is known again when it is complete. */
    missed: (): void => {
      gap = true;
    },
    family: family as ReadonlySet<string>,
    numbers: numbers as ReadonlyMap<string, number>,
    /** The model is at work, or was. */
    hasBegun: () => begun,
    verdict: (): AgentFailure | undefined =>
      verdict && { kind: verdict.kind, detail: verdict.detail, status: undefined },
    read: (): Transcript => transcript.read(),
    /** Nothing went wrong, no tool was used and no sub-agent was at work, as far as was heard. */
    isPlain: (): boolean => {
      const { error, tools, steps } = transcript.read();
      const isClean = verdict === undefined && error === undefined && !retried && !gap;
      return isClean && Object.keys(tools).length === 0 && steps <= 1 && family.size === 1;
    },
    /** Resolves when what the task changed is summed up as of its last step, or with the signal. */
    whenSummed: async (signal: AbortSignal): Promise<void> => {
      const { promise: over, resolve } = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => resolve(), { once: true });
      summed = () => {
        if (sums > transcript.read().steps) resolve();
      };
      if (signal.aborted) resolve();
      summed();
      await over;
    },
    /** Of the last step: what the conversation takes up. */
    lastTokens: () => last,
  };
};
export type FollowedRun = ReturnType<typeof followRun>;
