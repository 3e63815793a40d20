import { mkdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { createKeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { entryAt } from '../backends/jail/pins.ts';
import { removeTree } from '../backends/jail/remove-tree.ts';
import type { Wall } from '../backends/jail/types.ts';
import { NotStartedError } from '../backends/not-started.ts';
import { GitError, type Prepared, type TreePlace, type WorktreeGit } from '../backends/worktree-git.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Worktree } from '../store/worktrees-table.ts';
import type { CurrentSessions } from './current-sessions.ts';
import type { Session } from './run.ts';

/** Why git was not even asked. */
type NotAsked =
  /** The workspace is no repository of its own. */
  | { readonly state: 'no_git' }
  /** No wall stands here that this owner's agents may work behind, or the jail can't be laid out; a sentence. */
  | { readonly state: 'refused'; readonly reason: string };

export type Made =
  | { readonly state: 'ready' }
  | { readonly state: 'unborn' }
  | NotAsked
  | { readonly state: 'failed'; readonly detail: string };

export type Merged =
  | NotAsked
  | Exclude<Prepared, { state: 'target' | 'gone' }>
  | (Extract<Prepared, { state: 'target' }> & { readonly blocked?: readonly string[] })
  /** A merge that was cut off is whole now, and there was no more to do. */
  | { readonly state: 'finished' }
  | { readonly state: 'blocked'; readonly files: readonly string[] }
  /** Somebody is at work there. */
  | { readonly state: 'running'; readonly where: 'tree' | 'workspace' }
  | { readonly state: 'failed'; readonly detail: string };

/** Git work trees of sessions: made for one, merged into the workspace, taken away when all of it is there. */
export type Worktrees = {
  readonly at: (directory: string) => Worktree | undefined;
  /** Begins a session that has one, and makes it the owner's current; the tree itself is not there yet. */
  readonly begin: (owner: PublicKey, choice: Parameters<CurrentSessions['begin']>[1]) => Session;
  /** Makes the tree that is to be in this folder, unless it is there, or there is to be none. */
  readonly make: (directory: string, signal: AbortSignal) => Promise<Made>;
  /** Waits until this folder is fit to work in. undefined: it is. */
  readonly ready: (
    directory: string,
    signal: AbortSignal,
  ) => Promise<Exclude<Made, { state: 'ready' }> | undefined>;
  /** @param message of the commit of what is not committed yet */
  readonly merge: (session: Session, message: string, signal: AbortSignal) => Promise<Merged>;
  /** Takes away the owner's trees that hold nothing of their own, but that of their current session. */
  readonly tidy: (owner: PublicKey, signal: AbortSignal) => Promise<void>;
  readonly hasMergedInto: (workspace: string, since: number) => boolean;
};

type UsableWall = Exclude<Wall, { kind: 'refused' }>;

type WorktreeDeps = {
  readonly stores: Pick<Stores, 'worktrees' | 'atomically'>;
  readonly currentSessions: Pick<CurrentSessions, 'begin' | 'current'>;
  readonly git: WorktreeGit;
  /** The wall behind which agents of this owner may work, or why there is none for them. */
  readonly wallFor: (
    owner: PublicKey,
    signal: AbortSignal,
  ) => Promise<UsableWall | { readonly refusal: string }>;
  /** `running`: runs under way there; `agent`: those that may change files. */
  readonly isBusy: (directory: string, kind: 'running' | 'agent' | 'open') => boolean;
  /** Where trees are, and what is thrown away. Real paths. */
  readonly folder: string;
  readonly trash: string;
  readonly clock: Clock;
  readonly log: Logger;
};

/** How long forgetting a tree that could not be made may take. */
const forgetMs = 20_000;

const placeOf = ({ workspace, directory, branch }: Worktree): TreePlace => ({
  workspace,
  tree: directory,
  branch,
});

/** What went wrong, where it is git's or the jail's own. */
const failureOf = (error: unknown, signal: AbortSignal) => {
  signal.throwIfAborted();
  if (error instanceof GitError) return { state: 'failed', detail: error.detail } as const;
  if (error instanceof NotStartedError) return { state: 'failed', detail: error.message } as const;
  throw error;
};

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share a lock
export function createWorktrees(deps: WorktreeDeps): Worktrees {
  const { stores, currentSessions, git, clock, log } = deps;
  const store = stores.worktrees;
  /** By repository: one thing at a time. And by workspace: while its files are being changed. */
  const repositories = createKeyedLock();
  const files = createKeyedLock();

  const asked = async (
    tree: Worktree,
    signal: AbortSignal,
  ): Promise<{ readonly wall: UsableWall } | { readonly not: NotAsked }> => {
    if (entryAt(join(tree.workspace, '.git'))?.isDirectory() !== true) return { not: { state: 'no_git' } };
    const wall = await deps.wallFor(tree.owner, signal);
    return 'refusal' in wall ? { not: { state: 'refused', reason: wall.refusal } } : { wall };
  };
  /** Nobody can reach it any more before anything in it is looked at. */
  const throwAway = async (directory: string): Promise<void> => {
    if (entryAt(directory) === undefined) return;
    mkdirSync(deps.trash, { recursive: true, mode: 0o700 });
    const away = join(deps.trash, crypto.randomUUID());
    renameSync(directory, away);
    await removeTree(away);
  };

  const makeNow = async (tree: Worktree, signal: AbortSignal): Promise<Made> => {
    const { directory } = tree;
    const may = await asked(tree, signal);
    if ('not' in may) return may.not;
    store.setState(directory, 'making');
    // What an earlier life began.
    await throwAway(directory);
    mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
    mkdirSync(directory, { mode: 0o700 });
    try {
      const made = await git.make(may.wall, placeOf(tree), signal);
      if (made === 'unborn') {
        await throwAway(directory);
        return { state: 'unborn' };
      }
    } catch (error) {
      const failure = failureOf(error, signal);
      await throwAway(directory);
      await git
        .forget(may.wall, placeOf(tree), AbortSignal.any([signal, AbortSignal.timeout(forgetMs)]))
        .catch((cause: unknown) =>
          log.warn({ cause }, 'a work tree that could not be made is not forgotten'),
        );
      return failure;
    }
    store.setState(directory, 'ready');
    return { state: 'ready' };
  };
  const isThere = ({ state, directory }: Worktree): boolean =>
    state === 'ready' && entryAt(directory) !== undefined;

  const make: Worktrees['make'] = async (directory, signal) => {
    const tree = store.at(directory);
    if (tree === undefined) return { state: 'ready' };
    return repositories.run(tree.workspace, signal, async () => {
      const now = store.at(directory) ?? tree;
      return isThere(now) ? { state: 'ready' } : makeNow(now, signal);
    });
  };

  /** Of a merge that was cut off while the workspace's files were written. */
  const finish = async (tree: Worktree, wall: UsableWall, signal: AbortSignal) => {
    const { mergeFrom: head, mergeTo: target, directory } = tree;
    if (head === undefined || target === undefined) return undefined;
    const applied = await files.run(tree.workspace, signal, () =>
      git.applyMerge(wall, placeOf(tree), { head, target, again: true }, signal),
    );
    if (applied.state !== 'blocked')
      store.mergeOver(directory, applied.state === 'done' ? clock.now() : undefined);
    return applied;
  };

  const mergeNow = async (tree: Worktree, message: string, signal: AbortSignal): Promise<Merged> => {
    const { directory, workspace } = tree;
    if (deps.isBusy(directory, 'running')) return { state: 'running', where: 'tree' };
    if (deps.isBusy(workspace, 'agent')) return { state: 'running', where: 'workspace' };
    const may = await asked(tree, signal);
    if ('not' in may) return may.not;
    const { wall } = may;
    const earlier = await finish(tree, wall, signal);
    if (earlier?.state === 'blocked') return earlier;
    if (!isThere(tree)) return earlier?.state === 'done' ? { state: 'finished' } : nothingThere;
    const prepared = await git.prepareMerge(wall, placeOf(tree), message, signal);
    if (prepared.state === 'gone') return { state: 'failed', detail: 'its folder is no work tree any more' };
    if (prepared.state === 'nothing' && earlier?.state === 'done') return { state: 'finished' };
    if (prepared.state !== 'target') return prepared;
    const { head, target } = prepared;
    return files.run(workspace, signal, async () => {
      store.merging(directory, head, target);
      // What goes wrong from here on may have begun to write: it stays noted, and the next try puts it right.
      const applied = await git.applyMerge(wall, placeOf(tree), { head, target, again: false }, signal);
      store.mergeOver(directory, applied.state === 'done' ? clock.now() : undefined);
      if (applied.state === 'blocked') return { ...prepared, blocked: applied.files };
      if (applied.state === 'moved')
        return { state: 'failed', detail: 'somebody committed in the workspace meanwhile' };
      return prepared;
    });
  };

  const tidyOne = async (tree: Worktree, signal: AbortSignal): Promise<void> => {
    const { directory } = tree;
    if (deps.isBusy(directory, 'open') || tree.mergeTo !== undefined) return;
    const may = await asked(tree, signal);
    if ('not' in may || !isThere(tree)) return;
    if (!(await git.isMerged(may.wall, placeOf(tree), signal))) return;
    await files.run(tree.workspace, signal, async () => {
      // A jail that is being laid out shows what git has of the repository's trees: none of it may go meanwhile.
      if (deps.isBusy(directory, 'open') || deps.isBusy(tree.workspace, 'running')) return;
      // From here on its next task makes it anew.
      store.setState(directory, 'gone');
      await throwAway(directory);
      await git.forget(may.wall, placeOf(tree), signal);
      log.info({ tree: basename(directory) }, 'a merged work tree is taken away');
    });
  };

  return {
    at: store.at,
    begin: (owner, choice) => {
      let begun: Session | undefined;
      stores.atomically(() => {
        begun = currentSessions.begin(owner, {
          ...choice,
          placeOf: (id, workspace) => {
            const directory = join(deps.folder, id);
            store.insert({ directory, workspace, branch: `session-${id}`, owner, createdAt: clock.now() });
            return directory;
          },
        });
      });
      if (begun === undefined) throw new RangeError('a transaction that did nothing');
      return begun;
    },
    make,
    ready: async (directory, signal) => {
      // While a merge writes its files, or a tree of its repository goes, nothing begins there.
      if (files.isHeld(directory)) await files.run(directory, signal, async () => undefined);
      const made = await make(directory, signal);
      return made.state === 'ready' ? undefined : made;
    },
    merge: async (session, message, signal) => {
      const tree = store.at(session.directory);
      if (tree === undefined) return nothingThere;
      return repositories.run(tree.workspace, signal, async () => {
        try {
          return await mergeNow(store.at(session.directory) ?? tree, message, signal);
        } catch (error) {
          return failureOf(error, signal);
        }
      });
    },
    tidy: async (owner, signal) => {
      const current = currentSessions.current(owner)?.directory;
      for (const tree of store.readyOf(owner))
        if (tree.directory !== current)
          await repositories.run(tree.workspace, signal, () =>
            tidyOne(store.at(tree.directory) ?? tree, signal),
          );
    },
    hasMergedInto: store.hasMergedInto,
  };
}

const nothingThere: Merged = { state: 'nothing', on: undefined, left: [], kept: [] };
