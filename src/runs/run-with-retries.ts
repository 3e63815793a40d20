import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentFailureKind, AgentResult } from '../backends/backend.ts';

const passing: ReadonlySet<AgentFailureKind> = new Set([
  'rate_limited',
  'provider_down',
  'provider_nonsense',
]);

/** opencode itself repeats most failed requests, for more than a minute: what took so long is not begun once more. */
const promptMs = 30_000;

/**
 * Runs an agent, again after each of `pauses` (ms) when it failed for a reason that may pass, soon, and before it did
 * anything. What did some work already is never done twice.
 */
export async function runWithRetries(
  attempt: () => Promise<AgentResult>,
  pauses: readonly number[],
  signal: AbortSignal,
): Promise<AgentResult> {
  const timed = async () => {
    const begun = performance.now();
    const result = await attempt();
    return { result, prompt: performance.now() - begun < promptMs };
  };
  let last = await timed();
  for (const pause of pauses) {
    if (!last.prompt || !isWorthAnother(last.result)) break;
    try {
      await sleep(pause, undefined, { signal });
    } catch (error) {
      if (signal.aborted) return { ...last.result, outcome: 'stopped', failure: undefined };
      throw error;
    }
    last = await timed();
  }
  return last.result;
}

const isWorthAnother = ({ outcome, answer, failure, tools }: AgentResult): boolean =>
  outcome === 'failed' &&
  failure !== undefined &&
  passing.has(failure.kind) &&
  answer === '' &&
  Object.keys(tools).length === 0;
