import type { Jail, Wall } from './jail/types.ts';
import { codeNames } from './jail/workspace-code.ts';
import type { Exit } from './processes.ts';
import { runInCell } from './run-in-cell.ts';

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

/** What stands in a workspace for a server that is kept ready is nobody's to commit. */
export const placeholdersIgnored = codeNames.map((name) => `/${name}\n`).join('');

/**
 * Runs a line of shell in the jail that an agent in this workspace would have. It goes in by standard input: arguments are
 * visible to every user of the host.
 *
 * @throws NotStartedError when the workspace or the wall is not as it has to be
 */
export async function runShellCommand(
  jail: Jail,
  wall: Exclude<Wall, { kind: 'refused' }>,
  { workspace, line }: { readonly workspace: string; readonly line: string },
  signal: AbortSignal,
): Promise<ShellEnd> {
  let output = '';
  let leftOut = 0;
  const end = await runInCell(
    jail,
    wall,
    { workspace },
    (textPath) => ({
      script: 'exec 2>&1; eval "$(cat)"',
      stdin: line,
      texts: { gitignore: placeholdersIgnored },
      environment: {
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'core.excludesFile',
        GIT_CONFIG_VALUE_0: textPath('gitignore'),
      },
      onLine: (text) => {
        output += `${text}\n`;
        const tooMuch = Math.max(0, output.length - keptCharacters);
        output = output.slice(tooMuch);
        leftOut += tooMuch;
      },
    }),
    signal,
  );
  return { output: output.trimEnd(), leftOut, exit: end.exit, stopped: end.stopped };
}
