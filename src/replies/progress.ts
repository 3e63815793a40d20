import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import type { AgentEvent } from '../backends/backend.ts';
import type { Todo } from '../backends/session-desk.ts';
import { formatDuration, plural, shorten } from './format.ts';

/** What a run has done so far. */
export type Progress = {
  readonly elapsedMs: number;
  readonly steps: number;
  /** The last thing that the agent was seen doing. */
  readonly last: AgentEvent | undefined;
  /** A command of the agent's that is running now. */
  readonly command: string | undefined;
  /** Sat; undefined where nobody counts. */
  readonly cost: { readonly spent: number; readonly budget: number } | undefined;
  /** The agent's own list. */
  readonly todos?: readonly Todo[];
  /** Why the model is being asked again. */
  readonly retry?: string | undefined;
  /** Its model calls wait for money. */
  readonly held: boolean;
};

/** `⏳ 2 min · editing src/a.ts · 12 steps · 340 of 2,000 sat`. */
export function progressLine({
  elapsedMs,
  steps,
  last,
  command,
  cost,
  held,
  todos = [],
  retry,
}: Progress): string {
  const facts = [
    formatDuration(elapsedMs),
    held ? undefined : command === undefined ? doing(last) : `running: ${shorten(command, 80)}`,
    plural(steps, 'step'),
    todos.length === 0
      ? undefined
      : `${todos.filter(({ state }) => state === 'done').length} of ${todos.length} to-dos`,
    retry === undefined ? undefined : `the model is asked again: ${shorten(retry, 60)}`,
    cost && `${cost.spent.toLocaleString('en-US')} of ${formatSat(sat(cost.budget))}`,
    held ? 'waits for money: !more or !stop' : undefined,
  ];
  return `⏳ ${facts.filter((fact) => fact !== undefined && fact !== '').join(' · ')}`;
}

/** What a tool does, as one would say it; others are called by their name. */
const verbs: Readonly<Record<string, string>> = {
  edit: 'editing',
  multiedit: 'editing',
  patch: 'editing',
  apply_patch: 'editing',
  write: 'writing',
  read: 'reading',
  list: 'listing',
  ls: 'listing',
  grep: 'searching for',
  glob: 'searching for',
  webfetch: 'fetching',
  websearch: 'searching the web for',
  bash: 'ran',
  shell: 'ran',
  task: 'subtask:',
};

export function doing(event: AgentEvent | undefined): string | undefined {
  if (event?.type === 'tool') {
    const verb = verbs[event.tool.toLowerCase()];
    if (event.title === '') return event.tool;
    return shorten(verb === undefined ? `${event.tool}: ${event.title}` : `${verb} ${event.title}`, 80);
  }
  if (event?.type === 'text') return shorten(event.text, 80);
  return undefined;
}
