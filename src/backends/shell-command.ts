import type { Jail, Wall } from './jail/types.ts';
import { codeNames } from './jail/workspace-code.ts';
import { asNotStarted } from './not-started.ts';
import { type Exit, runAgentProcess } from './processes.ts';

/** Of what it writes, the end is kept: that is where a failure is told. */
const keptCharacters = 12_000;

export type ShellEnd = {
  readonly output: string;
  /** Characters of the beginning that are not in `output`. */
  readonly leftOut: number;
  readonly exit: Exit;
  /** The time was up, or somebody stopped it. */
  readonly stopped: boolean;
};

/**
 * Runs a line of shell in the jail that an agent in this workspace would have; it and all that it started are gone when
 * this resolves. The line goes in by standard input: arguments are visible to every user of the host.
 *
 * @throws NotStartedError when the workspace or the wall is not as it has to be
 */
export async function runShellCommand(
  jail: Jail,
  wall: Exclude<Wall, { kind: 'refused' }>,
  { workspace, line }: { readonly workspace: string; readonly line: string },
  signal: AbortSignal,
): Promise<ShellEnd> {
  const runId = crypto.randomUUID();
  let cell: Awaited<ReturnType<Jail['open']>> | undefined;
  try {
    cell = await jail.open(wall, { runId, workspace, writable: true, store: undefined });
    const opened = cell;
    const command = await opened
      .launch({
        ...{ file: '/bin/sh', args: ['-c', 'exec 2>&1; eval "$(cat)"'], endpoints: [] },
        ...{ homeFiles: [], homeTexts: {}, hideCode: false, identity: undefined },
        // What stands there for a server that is kept ready is nobody's to commit.
        texts: { gitignore: codeNames.map((name) => `/${name}\n`).join('') },
        environment: {
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: 'core.excludesFile',
          GIT_CONFIG_VALUE_0: opened.textPath('gitignore'),
        },
        ...{ serve: undefined, startIn: 'workspace' },
      })
      .catch((error: unknown) => {
        throw asNotStarted(error);
      });
    let output = '';
    let leftOut = 0;
    const ending = new AbortController();
    const end = await runAgentProcess(
      command,
      { runId, stdin: line },
      {
        onSpawn: (pid) => opened.started(pid, () => ending.abort()),
        onLine: (read) => {
          if (read.type !== 'line') return 'go on';
          output += `${read.text}\n`;
          const tooMuch = Math.max(0, output.length - keptCharacters);
          output = output.slice(tooMuch);
          leftOut += tooMuch;
          return 'go on';
        },
      },
      AbortSignal.any([signal, ending.signal]),
    );
    return { output: output.trimEnd(), leftOut, exit: end.exit, stopped: end.stopped };
  } finally {
    await cell?.close();
  }
}
