import type { AgentEvent } from '../backends/backend.ts';
import { formatDuration, plural, shorten } from './format.ts';

/** What a run has done so far. */
export type Progress = {
  readonly elapsedMs: number;
  readonly steps: number;
  /** The last thing that the agent was seen doing. */
  readonly last: AgentEvent | undefined;
  /** The provider's words for what it cost so far. */
  readonly cost: string | undefined;
  /** Its model calls wait for money. */
  readonly held: boolean;
};

/** `⏳ 2 min · 5 steps · bash: Run the tests`. */
export function progressLine({ elapsedMs, steps, last, cost, held }: Progress): string {
  const facts = [
    formatDuration(elapsedMs),
    plural(steps, 'step'),
    cost,
    held ? 'waits for money: !more or !stop' : doing(last),
  ];
  return `⏳ ${facts.filter((fact) => fact !== undefined).join(' · ')}`;
}

function doing(event: AgentEvent | undefined): string | undefined {
  if (event?.type === 'tool')
    return shorten(event.title === '' ? event.tool : `${event.tool}: ${event.title}`, 80);
  if (event?.type === 'text') return shorten(event.text, 80);
  return undefined;
}
