import { type Command, type Exit, runAgentProcess } from './processes.ts';

/** Runs a command that answers at once, to its end or to `timeoutMs`. `output` is its standard output, at most 32 MB. */
export const runShortCommand = async (
  command: Command,
  options: { readonly runId: string; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<{ readonly output: string; readonly stderr: string; readonly exit: Exit }> => {
  const lines: string[] = [];
  let room = 32 * 1024 * 1024;
  const end = await runAgentProcess(
    command,
    { runId: options.runId, stdin: '', graceMs: 500 },
    {
      onLine: (line) => {
        if (line.type === 'line') lines.push(line.text);
        room -= line.type === 'line' ? line.text.length : 0;
        return room > 0 ? 'go on' : 'end';
      },
    },
    AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]),
  );
  return { output: lines.join('\n'), stderr: end.stderr, exit: end.exit };
};
