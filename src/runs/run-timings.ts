import type { Clock } from '@nostr-dm-agent/kit/clock';
import { tellTiming } from '@nostr-dm-agent/kit/timings';
import type { AgentEvent } from '../backends/backend.ts';
import type { Run } from './run.ts';

/** Tells how long one run's parts took, each once. */
export function timeRun({ queuedAt }: Pick<Run, 'queuedAt'>, clock: Clock) {
  let isAtWork = false;
  let isAsked = false;
  let heardAt: number | undefined;
  return {
    /** Its agent is at work. */
    spawned: (): void => {
      if (!isAtWork) tellTiming({ name: 'task_agent', ms: clock.now() - queuedAt });
      isAtWork = true;
    },
    /** It calls a model by the meter, or an answer comes in; then `next` is called. */
    asked: (next: () => void) => (): void => {
      if (!isAsked) tellTiming({ name: 'task_model', ms: clock.now() - queuedAt });
      isAsked = true;
      next();
    },
    heard: ({ type }: AgentEvent): void => {
      if (type === 'text' || type === 'delta') heardAt = clock.now();
    },
    /** Its answer is signed and on disk. */
    answered: (): void => {
      if (heardAt !== undefined) tellTiming({ name: 'answer_reply', ms: clock.now() - heardAt });
      heardAt = undefined;
    },
  };
}
