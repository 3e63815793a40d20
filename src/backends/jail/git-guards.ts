import { closeSync, readdirSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Guard,
  type GuardOptions,
  linkedFolders,
  linkedGuards,
  linkedSettings,
} from './linked-worktrees.ts';
import { entryAt, PathChangedError, pin } from './pins.ts';

/** What in a `.git` runs programs later, when its owner uses git: none of it may be changed by an agent. */
const guarded = ['hooks', 'config', 'config.worktree', 'info/attributes', 'modules', 'commondir', 'gitdir'];
/** Never there in a repository's own `.git` unless somebody wants git to read its settings elsewhere. */
const unwanted = ['commondir', 'config.worktree'];

/** Folders that hold other people's repositories at most. */
const skipped = new Set(['node_modules', '.venv', 'target', 'vendor', '.cache']);

type Look = { readonly depth: number; readonly entries: number };
const before: Look = { depth: 3, entries: 4000 };
const after: Look = { depth: 6, entries: 40_000 };

/** The `.git` entries in and below `root`, nearest first, within bounds. Links are not followed. */
const findGit = async (root: string, bounds: Look): Promise<readonly string[]> => {
  const found: string[] = [];
  let folders = [root];
  let left = bounds.entries;
  for (let level = 0; level <= bounds.depth && folders.length > 0; level++) {
    const next: string[] = [];
    for (const folder of folders) {
      // What cannot be read cannot be entered by the agent either, or is gone.
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      left -= entries.length;
      if (left < 0) return found;
      for (const entry of entries) {
        if (entry.name === '.git') found.push(join(folder, entry.name));
        else if (entry.isDirectory() && !skipped.has(entry.name)) next.push(join(folder, entry.name));
      }
    }
    folders = next;
  }
  return found;
};

/** A repository without a working tree, or the `.git` of one that lies elsewhere. */
const isGitFolder = (path: string): boolean =>
  ['HEAD', 'objects', 'refs'].every((name) => entryAt(join(path, name)) !== undefined);

const guardsOf = (git: string, options: GuardOptions): readonly Guard[] => {
  const entry = entryAt(git);
  if (entry === undefined) return [];
  // The pointer of a worktree or of a submodule
  if (!entry.isDirectory()) return [{ path: git, as: 'readonly' }];
  return [
    // A mount point itself, else it could be moved away with its guards and made anew.
    { path: git, as: 'writable' },
    ...guarded.flatMap((name): readonly Guard[] => {
      const path = join(git, name);
      if (entryAt(path) !== undefined) return [{ path, as: 'readonly' }];
      return name === 'hooks' ? [{ path, as: 'empty' }] : [];
    }),
    ...linkedGuards(git, options),
  ];
};

/** As `entryAt`; undefined as well where an agent closed or bent the way to it. */
const reachable = (path: string): Stats | undefined => {
  try {
    return entryAt(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
};

/**
 * Takes away an entry that redirects git. An agent may have made anything of it and of the folder that it is in.
 * @returns false when something is there that can't be taken away
 */
const takeAway = (git: string, name: string): boolean => {
  let folder: number;
  try {
    folder = pin(git);
  } catch (error) {
    if (error instanceof PathChangedError) return true; // gone, or another one: that is told by itself
    throw error;
  }
  try {
    const path = `/proc/self/fd/${folder}/${name}`;
    const entry = entryAt(path);
    if (entry?.isDirectory()) rmdirSync(path);
    else if (entry !== undefined) unlinkSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false; // not empty, or closed to this user
    throw error;
  } finally {
    closeSync(folder);
  }
};

/** What an entry is at this moment; of a folder also what is in it. Nobody but root can set `ctime`. */
const stampOf = (path: string): string => {
  const entry = reachable(path);
  if (entry === undefined) return '';
  const own = `${entry.ino} ${entry.ctimeMs} ${entry.size}`;
  return entry.isDirectory()
    ? [own, ...namesIn(path).map((name) => stampOf(join(path, name)))].join('\n')
    : own;
};
const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder).slice(0, 500);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return []; // closed to this user, or gone
    throw error;
  }
};

/** What is guarded in a `.git`, path by path. A submodule's own has as much. */
const guardedPaths = (git: string): readonly string[] => {
  if (reachable(git)?.isDirectory() !== true) return [git];
  const inIt = guarded.filter((name) => name !== 'modules').map((name) => join(git, name));
  const modules = namesIn(join(git, 'modules')).map((name) => join(git, 'modules', name));
  return [
    ...inIt,
    ...modules.flatMap((module) => [join(module, 'config'), join(module, 'hooks')]),
    ...linkedSettings(git),
  ];
};

export type GitGuards = {
  readonly guards: readonly Guard[];
  /**
   * When the run is over and no process of it is left: takes away what redirects git and was not there before.
   * @returns the `.git` entries that the run made, and what it changed in others where nothing keeps it from that: what
   * they hold runs when somebody uses git there
   */
  readonly settle: () => Promise<readonly string[]>;
};

/** Guards every repository in a folder that the agent may write to. */
export const guardGit = async (root: string, options: GuardOptions): Promise<GitGuards> => {
  const started = Date.now();
  const known = await findGit(root, before);
  const repositories = [...(isGitFolder(root) ? [root] : []), ...known];
  const absent = repositories
    .filter((git) => entryAt(git)?.isDirectory() === true)
    .flatMap((git) => [
      ...unwanted.map((name) => ({ git, name })),
      ...linkedFolders(git).map((linked) => ({ git: linked, name: 'config.worktree' })),
    ])
    .filter(({ git, name }) => entryAt(join(git, name)) === undefined);

  const inodes = new Map(known.map((git) => [git, reachable(git)?.ino]));
  const stamps = options.held
    ? []
    : repositories.flatMap(guardedPaths).map((path) => [path, stampOf(path)] as const);
  const settle = async (): Promise<readonly string[]> => {
    const left = absent
      .filter(({ git, name }) => !takeAway(git, name))
      .map(({ git, name }) => join(git, name));
    const changed = stamps.filter(([path, stamp]) => stampOf(path) !== stamp).map(([path]) => path);
    const now = await findGit(root, after);
    // A folder that holds a guarded `.git` can be moved away with it, and made anew.
    const made = now.filter((git) => {
      const entry = reachable(git);
      return inodes.has(git) ? entry?.ino !== inodes.get(git) : (entry?.birthtimeMs ?? 0) >= started;
    });
    return [...new Set([...made, ...changed, ...left])];
  };
  return { guards: repositories.flatMap((git) => guardsOf(git, options)), settle };
};
