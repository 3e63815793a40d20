import type { ShellEnd } from '../backends/shell-command.ts';
import { formatDuration, lines } from './format.ts';

/** What a command wrote, and how it ended. */
export function shellText({ output, leftOut, exit, stopped }: ShellEnd, ms: number): string {
  const how = stopped
    ? 'stopped, the time was up'
    : exit.code === undefined
      ? `ended by ${exit.signal ?? 'a signal'}`
      : `exit ${exit.code}`;
  return lines(
    leftOut > 0 && `… the first ${leftOut.toLocaleString('en-US')} characters are left out`,
    output === '' ? '(it wrote nothing)' : output,
    `— ${how} · ${formatDuration(ms)}`,
  );
}
