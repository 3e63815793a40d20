import type { Recovered } from '../runs/recover-runs.ts';
import { type Lines, lines, plural } from './format.ts';

/** For who has never paid with sats: said once, where they first hear of them. */
export const satText =
  'A sat is a hundred-millionth of a bitcoin. A task costs from a few sat (a question, a small model) to some hundreds (an edit, a large one); the last line of its answer says how many.';

/** What admins are told once, where the backend's own login pays as long as nothing else was said. */
export const firstSteps = (hasWallet: boolean): string =>
  lines(
    'Your tasks use the backend’s own login on the host (provider local). !provider shows who pays.',
    hasWallet && 'To pay with ecash: !wallet topup 5000, then !provider set routstr.',
    hasWallet && satText,
    'With an API key of yours: !provider connect <id> <key>.',
  );

/** What admins are told when the bot has started. */
export function readyNotice(
  version: string,
  recovered: Recovered & {
    /** Of agents that an earlier life left behind. */
    readonly processes: number;
    /** Tasks in the queue. */
    readonly waiting: number;
  },
  more: readonly Lines[],
): string {
  const { interrupted, processes, missed, waiting } = recovered;
  return lines(
    `Ready (version ${version}). Send a task, or !help.`,
    interrupted > 0 && `${plural(interrupted, 'run')} had been cut off; each was answered.`,
    processes > 0 && `Processes left behind and ended: ${processes}.`,
    missed > 0 && `${plural(missed, 'task')} had waited too long and did not run.`,
    ...more,
    waiting > 0 && `${plural(waiting, 'task')} of the queue going on.`,
  );
}
