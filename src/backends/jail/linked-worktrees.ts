import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { entryAt, readPlainFile } from './pins.ts';
import { liesIn } from './places.ts';

/** How a path is bound: as a mount point that stays writable, read-only, or as an empty folder. */
export type Guard = { readonly path: string; readonly as: 'writable' | 'readonly' | 'empty' };

export type GuardOptions = {
  /** Whether the guards can be put up here; else what was changed is found afterwards. */
  readonly held: boolean;
  /** Folders that the agent works in: what git keeps in a repository about work trees elsewhere is not its own. */
  readonly trees: readonly string[];
  /** A work tree that is being made or taken away, by whoever is in this jail. */
  readonly remade?: string | undefined;
};

/** More of them are not told apart: none can be changed then. */
const mostFolders = 200;
/** What in git's folder of a work tree decides which settings git reads there, and where. */
const settings = ['commondir', 'gitdir', 'config.worktree', 'locked'];

const namesIn = (folder: string): readonly string[] => {
  if (entryAt(folder)?.isDirectory() !== true) return [];
  try {
    return readdirSync(folder).filter((name) => entryAt(join(folder, name))?.isDirectory() === true);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return []; // an agent closed it
    throw error;
  }
};

/** Git's own folders of a repository's further work trees (`git worktree add`). */
export const linkedFolders = (git: string): readonly string[] => {
  const place = join(git, 'worktrees');
  return namesIn(place)
    .slice(0, mostFolders)
    .map((name) => join(place, name));
};

/** What in them is told of when it was changed. */
export const linkedSettings = (git: string): readonly string[] =>
  linkedFolders(git).flatMap((folder) => settings.map((name) => join(folder, name)));

/** Where the work tree is; an agent may have written it. */
const treeOf = (folder: string): string | undefined => {
  const text = readPlainFile(join(folder, 'gitdir'), 4096)?.trim();
  return text === undefined || text === '' ? undefined : dirname(resolve(folder, text));
};

/**
 * Guards what git keeps in a repository about its further work trees: whoever uses git in one of them gets the settings that
 * these folders lead to. Those of work trees elsewhere – other sessions', the user's own – can only be read. The name of one
 * that is being made or taken away is left alone, unless it is another tree's.
 */
export const linkedGuards = (git: string, { trees, remade }: GuardOptions): readonly Guard[] => {
  const place = join(git, 'worktrees');
  const names = namesIn(place);
  if (names.length === 0 && entryAt(place)?.isDirectory() !== true) return [];
  if (names.length > mostFolders) return [{ path: place, as: 'readonly' }];
  // In a session's own work tree no further ones are made, so those that others make meanwhile can only be read, too.
  const isElsewhere = !trees.some((tree) => liesIn(git, tree));
  const guards = names.flatMap((name): readonly Guard[] => {
    const folder = join(place, name);
    const tree = treeOf(folder);
    if (remade !== undefined && name === basename(remade) && (tree === undefined || tree === remade))
      return [];
    if (tree === undefined || !trees.some((own) => liesIn(tree, own)))
      return isElsewhere ? [] : [{ path: folder, as: 'readonly' }];
    const held = settings.map((each) => join(folder, each)).filter((path) => entryAt(path) !== undefined);
    return [{ path: folder, as: 'writable' }, ...held.map((path): Guard => ({ path, as: 'readonly' }))];
  });
  return [{ path: place, as: isElsewhere ? 'readonly' : 'writable' }, ...guards];
};
