import type { Recovered } from '../runs/recover.ts';
import { plural } from './format.ts';

/** What admins are told when the bot has started. */
export function readyNotice(
  version: string,
  waiting: number,
  recovered: Recovered & {
    /** Of agents that an earlier life left behind. */
    readonly processes: number;
  },
): string {
  const { interrupted, processes, missed, lines } = recovered;
  const found = [
    ...(interrupted > 0 ? [`${plural(interrupted, 'run')} had been cut off; each was answered.`] : []),
    ...(processes > 0 ? [`Processes left behind and ended: ${processes}.`] : []),
    ...(missed > 0 ? [`${plural(missed, 'task')} had waited too long and did not run.`] : []),
    ...lines,
    ...(waiting > 0 ? [`${plural(waiting, 'task')} of the queue going on.`] : []),
  ];
  return [`Ready (version ${version}). Send a task, or !help.`, ...found].join('\n');
}
