import type { ModelAnswer } from '@nostr-dm-agent/routstr';
import type { AgentRequest, AgentResult } from '../backend.ts';

/** So much of a context opencode may want to keep for an answer, and shortens the conversation otherwise. */
const keptTokens = 52_000;

export type EarlyAnswerDeps = {
  readonly request: AgentRequest;
  readonly session: string;
  readonly prompt: string;
  readonly model: string | undefined;
  /** Tokens that fit into the model's context; undefined: not known, to opencode neither. */
  readonly contextLimit: number | undefined;
  /** Nothing of the run was heard that could make another end of it. */
  readonly isPlain: () => boolean;
  readonly changes: () => NonNullable<AgentResult['changes']>;
  readonly cutInstructions: string | undefined;
  /** May come again, when more of the run's calls are over. */
  readonly offer: (result: AgentResult) => void;
};

/**
 * The answer of a run that used no tool is known at the meter before opencode says that it is done. What the run did is
 * known, too: nothing. Anything that opencode may go on after waits for its word.
 */
export const createEarlyAnswer = (deps: EarlyAnswerDeps) => {
  const { request, session } = deps;
  let steps = 0;
  let others = 0;
  let last: ModelAnswer | undefined;
  /** A new session is given a title beside its first step. */
  const mostOthers = request.backendSession === undefined ? 1 : 0;

  const used = (): number => (last?.promptTokens ?? 0) + (last?.completionTokens ?? 0);
  const fits = (): boolean => {
    const { contextLimit: limit } = deps;
    return limit === undefined || (used() > 0 && used() < Math.min(limit / 2, limit - keptTokens));
  };

  return (answer: ModelAnswer): void => {
    if (answer.session !== session || !answer.isStep) others += 1;
    else {
      steps += 1;
      last = answer;
    }
    const text = last?.text?.trim() ?? '';
    if (request.job === 'compact' || steps !== 1 || others > mostOthers || text === '') return;
    if (!fits() || !deps.isPlain()) return;
    const context = used() === 0 ? undefined : { used: used(), of: deps.contextLimit };
    const { prompt, model, cutInstructions } = deps;
    deps.offer({
      ...{ outcome: 'answered', answer: text, failure: undefined, backendSession: session, steps, tools: {} },
      tokens: {
        input: last?.promptTokens ?? 0,
        output: last?.completionTokens ?? 0,
        ...{ reasoning: 0, cacheRead: 0, cacheWrite: 0 },
      },
      ...{ model, prompt, unknownEvents: 0, limits: [], newGit: [], changes: deps.changes() },
      ...(context === undefined ? {} : { context }),
      ...(cutInstructions === undefined ? {} : { cutInstructions }),
    });
  };
};
