import type { Run, RunResult } from '../runs/types.ts';
import { describeFailure } from './failure.ts';
import { formatDuration, plural, shorten } from './format.ts';

/** `— agent · 42 s · 5 steps · claude-sonnet-4` (DESIGN §5). `cost` is the provider's part of it. */
export function factsLine(run: Run, durationMs: number, cost: string | undefined): string {
  const model = run.result?.model ?? run.model;
  const facts = [
    run.mode,
    formatDuration(durationMs),
    run.result === undefined ? undefined : plural(run.result.steps, 'step'),
    cost,
    model?.split('/').at(-1),
  ];
  return `— ${facts.filter((fact) => fact !== undefined && fact !== '').join(' · ')}`;
}

/** The final reply of a run that is done. */
export function finalReply(run: Run, durationMs: number, cost: string | undefined): string {
  const parts = [run.answer?.trim() ?? '', ending(run), factsLine(run, durationMs, cost)];
  return parts.filter((part) => part !== '').join('\n\n');
}

function ending(run: Run): string {
  switch (run.outcome) {
    case 'answered':
      return run.result?.failure === undefined ? '' : describeFailure(run.result.failure);
    case 'failed':
      return run.result?.failure === undefined
        ? 'The run failed. Try !retry.'
        : describeFailure(run.result.failure);
    case 'stopped':
      return `Stopped.${soFar(run.result)} !retry runs the task again.`;
    case 'timeout':
      return `Stopped: the time limit of a run was reached.${soFar(run.result)} Send “go on” to let it continue.`;
    case 'idle':
      return `Stopped: the agent had been silent for too long.${soFar(run.result)} !retry runs the task again.`;
    case 'interrupted':
      return `Interrupted: the bot was stopped while this ran: “${shorten(run.task, 80)}”.${soFar(run.result)} !retry runs it again.`;
    case 'missed':
      return `Not run, the bot was away too long: “${shorten(run.task, 80)}”. !retry runs it now.`;
    case 'refused':
    case 'dropped':
    case undefined:
      return '';
  }
}

const soFar = (result: RunResult | undefined) =>
  result === undefined || result.steps === 0 ? '' : ` It had done ${plural(result.steps, 'step')}.`;
