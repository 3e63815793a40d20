import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { workspaceProblem } from '../jail/path-rules.ts';
import { liesIn } from '../jail/places.ts';
import { NotStartedError } from '../not-started.ts';

/** Workspaces on the host that this runs on. */
export const createHostWorkspaces = (options: {
  /** Where those without an absolute path are, and are made; undefined: `~/agent-workspaces`. */
  readonly folder: string | undefined;
  readonly userHome: string;
  /** What no agent may see. */
  readonly own: readonly string[];
}) => {
  const folder = options.folder ?? join(options.userHome, 'agent-workspaces');
  return {
    /**
     * The real path of a workspace that the bot names.
     * @throws NotStartedError it is not there, or no folder that an agent may have
     */
    find: async (path: string): Promise<string> => {
      const written = isAbsolute(path) ? path : join(folder, path);
      const gone = (why: string) => new NotStartedError('workspace_gone', `${written} ${why}`);
      if (!isAbsolute(path)) {
        if (!liesIn(written, folder) || written === folder) throw gone(`is not below ${folder}`);
        mkdirSync(written, { recursive: true, mode: 0o700 });
      }
      let real: string;
      try {
        real = realpathSync(written);
        if (!statSync(real).isDirectory()) throw gone('is no folder');
      } catch (error) {
        if (errorCode(error) === undefined) throw error;
        throw gone(`can't be looked at (${errorCode(error)})`);
      }
      const rules = { userHome: options.userHome, own: options.own, writable: [] };
      const problem = workspaceProblem(real, rules);
      if (problem !== undefined) throw gone(`can't be a workspace: ${problem.problem} ${problem.of}`);
      return real;
    },
  };
};
