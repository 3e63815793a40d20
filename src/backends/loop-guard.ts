import type { AgentFailureKind } from './backend.ts';
import type { OpencodeEvent } from './opencode-events.ts';

/** Why a run must not go on. */
export type LoopVerdict = { readonly kind: AgentFailureKind; readonly detail: string };

/** How often in a row a thing may happen; the bounds are far from what a working agent does. */
export const loopBounds = {
  /** Steps that ended without a finish reason: a stream cut short, or an answer that is no answer. */
  unknownFinishes: 4,
  /** The provider says that the request is too large, again after the history was compacted. */
  overflows: 2,
  /** Compactions with hardly a step between them: the configured context is smaller than the bare prompt. */
  compactions: 3,
  /** The same tool with the same input. */
  sameCalls: 12,
} as const;

/**
 * opencode 1.18.33 goes on for ever in these cases, each round a paid request. The guard sees every event of one run
 * and returns a verdict as soon as it is certain.
 */
export const createLoopGuard = () => {
  let unknownFinishes = 0;
  let overflows = 0;
  let compactions = 0;
  let stepsSinceCompaction = 0;
  let lastCall = '';
  let sameCalls = 0;

  return (event: OpencodeEvent): LoopVerdict | undefined => {
    switch (event.type) {
      case 'step_start':
        return undefined;
      case 'step_finish':
        stepsSinceCompaction++;
        if (event.part.reason === 'tool-calls') overflows = 0;
        unknownFinishes = event.part.reason === 'unknown' ? unknownFinishes + 1 : 0;
        return unknownFinishes < loopBounds.unknownFinishes
          ? undefined
          : {
              kind: 'provider_nonsense',
              detail: `${unknownFinishes} answers in a row ended without a finish reason`,
            };
      case 'error':
        if (event.error.name !== 'ContextOverflowError') return undefined;
        overflows++;
        return overflows < loopBounds.overflows
          ? undefined
          : { kind: 'context_overflow', detail: event.error.data.message ?? 'too large again' };
      case 'text':
        if (!event.part.synthetic) return undefined;
        compactions = stepsSinceCompaction <= 3 ? compactions + 1 : 1;
        stepsSinceCompaction = 0;
        return compactions < loopBounds.compactions
          ? undefined
          : { kind: 'context_overflow', detail: `compacted ${compactions} times in a row to no avail` };
      case 'tool_use': {
        const call = `${event.part.tool} ${JSON.stringify(event.part.state.input)}`;
        sameCalls = call === lastCall ? sameCalls + 1 : 1;
        lastCall = call;
        return sameCalls < loopBounds.sameCalls
          ? undefined
          : { kind: 'loop', detail: `${event.part.tool} ${sameCalls} times in a row with the same input` };
      }
    }
  };
};
