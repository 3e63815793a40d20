import { closeSync, readdirSync, unlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { entryAt, pin } from './pins.ts';

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

/** How a path is bound: as a mount point that stays writable, read-only, or as an empty folder. */
type Guard = { readonly path: string; readonly as: 'writable' | 'readonly' | 'empty' };

const guardsOf = (git: string): readonly Guard[] => {
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
  ];
};

/** What an entry is at this moment; of a folder also what is in it. Nobody but root can set `ctime`. */
const stampOf = (path: string): string => {
  const entry = entryAt(path);
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
  if (entryAt(git)?.isDirectory() !== true) return [git];
  const inIt = guarded.filter((name) => name !== 'modules').map((name) => join(git, name));
  const modules = namesIn(join(git, 'modules')).map((name) => join(git, 'modules', name));
  return [...inIt, ...modules.flatMap((module) => [join(module, 'config'), join(module, 'hooks')])];
};

type GitGuards = {
  readonly guards: readonly Guard[];
  /**
   * When the run is over and no process of it is left: takes away what redirects git and was not there before.
   * @returns the `.git` entries that the run made, and what it changed in others where nothing keeps it from that: what
   * they hold runs when somebody uses git there
   */
  readonly settle: () => Promise<readonly string[]>;
};

/**
 * Guards every repository in a folder that the agent may write to.
 * @param held whether the guards can be put up here; else what was changed is found afterwards
 */
export const guardGit = async (root: string, held: boolean): Promise<GitGuards> => {
  const started = Date.now();
  const known = await findGit(root, before);
  const repositories = [...(isGitFolder(root) ? [root] : []), ...known];
  const absent = repositories
    .filter((git) => entryAt(git)?.isDirectory() === true)
    .flatMap((git) => unwanted.map((name) => ({ git, name })))
    .filter(({ git, name }) => entryAt(join(git, name)) === undefined);

  const stamps = held ? [] : repositories.flatMap(guardedPaths).map((path) => [path, stampOf(path)] as const);
  const settle = async (): Promise<readonly string[]> => {
    for (const { git, name } of absent) {
      if (entryAt(join(git, name)) === undefined) continue;
      const folder = pin(git);
      try {
        unlinkSync(`/proc/self/fd/${folder}/${name}`);
      } finally {
        closeSync(folder);
      }
    }
    const changed = stamps.filter(([path, stamp]) => stampOf(path) !== stamp).map(([path]) => path);
    const now = await findGit(root, after);
    const made = now.filter((git) => !known.includes(git) && (entryAt(git)?.birthtimeMs ?? 0) >= started);
    return [...made, ...changed];
  };
  return { guards: repositories.flatMap(guardsOf), settle };
};
