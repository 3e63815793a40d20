import type { Jail, Wall } from './jail/types.ts';
import { codeNames } from './jail/workspace-code.ts';
import { runInCell } from './run-in-cell.ts';
import { placeholdersIgnored } from './shell-command.ts';
import {
  applyMergeScript,
  forgetScript,
  isMergedScript,
  makeScript,
  prepareMergeScript,
} from './worktree-scripts.ts';

/** A work tree of a session's, and the repository that it belongs to. */
export type TreePlace = {
  /** The workspace: `.git` is a folder in it. */
  readonly workspace: string;
  readonly tree: string;
  readonly branch: string;
};

type Where = 'tree' | 'workspace';

/** What came of the first half of a merge. Files and paths are as git writes them. */
export type Prepared = {
  /** The workspace's branch. */
  readonly on: string | undefined;
  /** What could not be committed: repositories within, files that can't be read. */
  readonly left: readonly string[];
  /** Settings of the agent, which are not brought back. */
  readonly kept: readonly string[];
} & (
  | {
      readonly state: 'target';
      readonly head: string;
      readonly target: string;
      readonly files: number;
      readonly added: number;
      readonly removed: number;
    }
  | { readonly state: 'gone' }
  | { readonly state: 'detached' }
  | { readonly state: 'nothing' }
  | { readonly state: 'too_old' }
  | { readonly state: 'busy'; readonly where: Where }
  | { readonly state: 'unmerged'; readonly where: Where; readonly files: readonly string[] }
  | { readonly state: 'conflict'; readonly files: readonly string[] }
);

export type Applied =
  | { readonly state: 'done' | 'moved' }
  | { readonly state: 'blocked'; readonly files: readonly string[] };

/** git could not do it, and says why. */
export class GitError extends Error {
  override readonly name = 'GitError';
  /** The end of what it said. */
  readonly detail: string;
  /** It took too long, or somebody stopped it. */
  readonly stopped: boolean;
  constructor(detail: string, stopped: boolean) {
    super(stopped ? 'git was stopped' : `git: ${detail}`);
    this.detail = detail;
    this.stopped = stopped;
  }
}

/** What a repository's settings must not do: run something, ask somebody, write a setting, wait. They hold for this git alone. */
const settings: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.quotePath': 'false',
  'core.pager': 'cat',
  'commit.gpgSign': 'false',
  'commit.template': '',
  'merge.verifySignatures': 'false',
  'rerere.enabled': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'submodule.recurse': 'false',
  'status.showUntrackedFiles': 'normal',
  'status.relativePaths': 'false',
  'worktree.useRelativePaths': 'false',
  'protocol.allow': 'never',
};

/** Of what is said so much is read. */
const mostLines = 400;
const longestLine = 500;

/** Who commits where neither the repository nor `BOT_GIT_NAME` says. */
const identity = { name: 'nostr-dm-agent', email: 'nostr-dm-agent@localhost' };

const gitEnvironment = (excludes: string): Record<string, string> => {
  const all = Object.entries({ ...settings, 'core.excludesFile': excludes });
  return {
    ...Object.fromEntries(
      all.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
    GIT_CONFIG_COUNT: `${all.length}`,
    GIT_TERMINAL_PROMPT: '0',
    GIT_EDITOR: 'true',
    LC_ALL: 'C.UTF-8',
    LANGUAGE: 'C',
  };
};

/** What git does for work trees of sessions: all of it in the jail, without a network, and nothing that it says is trusted. */
export const createWorktreeGit = (jail: Jail, trustWorkspace: boolean) => {
  const own = trustWorkspace ? [] : codeNames;
  const run = async (
    wall: Exclude<Wall, { kind: 'refused' }>,
    { workspace, tree, branch }: TreePlace,
    does: {
      readonly script: string;
      readonly stdin?: string;
      readonly variables?: Readonly<Record<string, string>>;
      /** The tree is made or taken away. */
      readonly remade?: true;
      /** The tree's folder is there. */
      readonly shown?: false;
    },
    signal: AbortSignal,
  ): Promise<readonly (readonly [key: string, value: string])[]> => {
    const said: [string, string][] = [];
    const end = await runInCell(
      jail,
      wall,
      {
        workspace,
        ...(does.shown === false ? {} : { also: [tree] }),
        ...(does.remade && { remade: tree }),
      },
      (textPath) => ({
        ...{ script: does.script, stdin: does.stdin ?? '', identity, offline: true },
        texts: { gitignore: own.length === 0 ? '' : placeholdersIgnored },
        environment: {
          ...gitEnvironment(textPath('gitignore')),
          ...{ WS: workspace, WT: tree, BR: branch, OWN: own.join(' ') },
          ...does.variables,
        },
        onLine: (text) => {
          const [key = '', ...rest] = text.slice(0, longestLine).split(' ');
          if (said.length < mostLines) said.push([key, rest.join(' ')]);
        },
      }),
      signal,
    );
    if (end.stopped || end.exit.code !== 0) throw new GitError(end.stderr.trim().slice(-400), end.stopped);
    return said;
  };
  const valuesOf = (said: Awaited<ReturnType<typeof run>>, key: string): readonly string[] =>
    said.filter(([name]) => name === key).map(([, value]) => value);

  return {
    /** Makes the work tree in its folder, which is there and empty. @throws GitError */
    make: async (
      wall: Parameters<typeof run>[0],
      place: TreePlace,
      signal: AbortSignal,
    ): Promise<'made' | 'unborn'> => {
      const said = await run(wall, place, { script: makeScript, remade: true }, signal);
      return valuesOf(said, 'unborn').length > 0 ? 'unborn' : 'made';
    },
    /** Commits the tree's work, and merges beside the workspace. @throws GitError */
    prepareMerge: async (
      wall: Parameters<typeof run>[0],
      place: TreePlace,
      message: string,
      signal: AbortSignal,
    ): Promise<Prepared> => {
      const said = await run(wall, place, { script: prepareMergeScript, stdin: message }, signal);
      return readPrepared((key) => valuesOf(said, key));
    },
    /** Brings the workspace to a prepared merge. @throws GitError */
    applyMerge: async (
      wall: Parameters<typeof run>[0],
      place: TreePlace,
      { head, target, again }: { readonly head: string; readonly target: string; readonly again: boolean },
      signal: AbortSignal,
    ): Promise<Applied> => {
      const variables = { H: head, T: target, AGAIN: again ? '1' : '' };
      const said = await run(wall, place, { script: applyMergeScript, variables }, signal);
      if (valuesOf(said, 'done').length > 0) return { state: 'done' };
      if (valuesOf(said, 'moved').length > 0) return { state: 'moved' };
      return { state: 'blocked', files: valuesOf(said, 'file') };
    },
    isMerged: async (
      wall: Parameters<typeof run>[0],
      place: TreePlace,
      signal: AbortSignal,
    ): Promise<boolean> => {
      const said = await run(wall, place, { script: isMergedScript }, signal);
      return valuesOf(said, 'merged').length > 0;
    },
    /** When its folder is gone. @throws GitError */
    forget: async (wall: Parameters<typeof run>[0], place: TreePlace, signal: AbortSignal): Promise<void> => {
      await run(wall, place, { script: forgetScript, remade: true, shown: false }, signal);
    },
  };
};
export type WorktreeGit = ReturnType<typeof createWorktreeGit>;

const commitName = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

const readPrepared = (valuesOf: (key: string) => readonly string[]): Prepared => {
  const beside = { on: valuesOf('on')[0], left: valuesOf('left'), kept: valuesOf('kept') };
  const files = valuesOf('file');
  const [head = '', target = ''] = valuesOf('target')[0]?.split(' ') ?? [];
  if (commitName.test(head) && commitName.test(target)) {
    const [count = 0, added = 0, removed = 0] = (valuesOf('stat')[0] ?? '')
      .split(' ')
      .map((n) => Number(n) || 0);
    return { ...beside, state: 'target', head, target, files: count, added, removed };
  }
  const whereOf = (key: string): Where | undefined => {
    const [value] = valuesOf(key);
    return value === undefined ? undefined : value === 'workspace' ? 'workspace' : 'tree';
  };
  const busy = whereOf('busy');
  if (busy !== undefined) return { ...beside, state: 'busy', where: busy };
  const unmerged = whereOf('unmerged');
  if (unmerged !== undefined) return { ...beside, state: 'unmerged', where: unmerged, files };
  if (valuesOf('conflict').length > 0) return { ...beside, state: 'conflict', files };
  for (const state of ['gone', 'detached', 'nothing', 'too_old'] as const)
    if (valuesOf(state).length > 0) return { ...beside, state };
  throw new GitError('it said nothing that is understood', false);
};
