import type { Recovered } from '../runs/recover-runs.ts';
import { plural } from './format.ts';

/** What admins are told once, where the backend's own login pays as long as nothing else was said. */
export const firstSteps = (hasWallet: boolean): readonly string[] => [
  'Your tasks use the backend’s own login on the host (provider local). !provider shows who pays.',
  ...(hasWallet ? ['To pay with ecash: !wallet topup 5000, then !provider set routstr.'] : []),
  'With an API key of yours: !provider connect <id> <key>.',
];

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
