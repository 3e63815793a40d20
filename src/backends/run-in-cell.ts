import type { CellRequest, Jail, LaunchRequest, Wall } from './jail/types.ts';
import { asNotStarted } from './not-started.ts';
import { type AgentProcessEnd, runAgentProcess } from './processes.ts';

/** A shell script of the bot's own, and what it works with. */
export type CellScript = Pick<LaunchRequest, 'environment' | 'texts'> & {
  readonly cell: Omit<CellRequest, 'runId' | 'store' | 'writable'>;
  /** An argument of the shell: nothing secret. */
  readonly script: string;
  readonly stdin: string;
  readonly identity?: LaunchRequest['identity'];
  readonly offline?: true;
  readonly onLine: (text: string) => void;
};

/**
 * Runs a script in the jail that an agent in this workspace would have; it and all that it started are gone when this
 * resolves.
 *
 * @param script may depend on where its texts are
 * @throws NotStartedError when the workspace or the wall is not as it has to be
 */
export async function runInCell(
  jail: Jail,
  wall: Exclude<Wall, { kind: 'refused' }>,
  workspace: CellScript['cell'],
  scriptIn: (textPath: (name: string) => string) => Omit<CellScript, 'cell'>,
  signal: AbortSignal,
): Promise<AgentProcessEnd> {
  const runId = crypto.randomUUID();
  let cell: Awaited<ReturnType<Jail['open']>> | undefined;
  try {
    cell = await jail.open(wall, { runId, writable: true, store: undefined, ...workspace });
    const opened = cell;
    const { script, stdin, identity, offline, onLine, ...given } = scriptIn(opened.textPath);
    const command = await opened
      .launch({
        ...{ file: '/bin/sh', args: ['-c', script], endpoints: [], homeFiles: [], homeTexts: {} },
        ...{ hideCode: false, identity, serve: undefined, startIn: 'workspace' },
        ...(offline && { offline }),
        ...given,
      })
      .catch((error: unknown) => {
        throw asNotStarted(error);
      });
    const ending = new AbortController();
    return await runAgentProcess(
      command,
      { runId, stdin },
      {
        onSpawn: (pid) => opened.started(pid, () => ending.abort()),
        onLine: (read) => {
          if (read.type === 'line') onLine(read.text);
          return 'go on';
        },
      },
      AbortSignal.any([signal, ending.signal]),
    );
  } finally {
    await cell?.close();
  }
}
