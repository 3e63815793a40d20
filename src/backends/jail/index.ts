import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findParents, openGroup } from './cgroups.ts';
import { type Built, type CellContext, entering } from './launch.ts';
import { launchPlain, plainPlaces } from './launch-plain.ts';
import { type LimitWatch, limits, watchLimits } from './limits.ts';
import { inside } from './places.ts';
import { removeTree } from './remove-tree.ts';
import { createReservedNames } from './reserved-names.ts';
import { openServerSocket } from './server-socket.ts';
import { cleanStore } from './store.ts';
import type { Cell, CellEnd, CellRequest, Jail, JailSettings, Wall } from './types.ts';

const runFolder = (home: string, runId: string): string => join(home, 'jail', encodeURIComponent(runId));

/** Each wall's own code is loaded when it is put up: a bot without one does without it. */
const build = async (
  context: CellContext,
  wall: Exclude<Wall, { kind: 'refused' }>,
  request: Parameters<Cell['launch']>[0],
): Promise<Built> => {
  switch (wall.kind) {
    case 'bwrap':
      return (await import('./launch-bubblewrap.ts')).launchBubblewrap(context, wall, request);
    case 'landlock':
      return (await import('./launch-landlock.ts')).launchLandlock(context, request);
    case 'none':
      return launchPlain(context, request);
  }
};

/** Replaced as a whole: nobody reads half of it. */
const handText = async (folder: string, wall: Wall, name: string, text: string): Promise<string> => {
  const here = join(folder, 'in');
  await mkdir(here, { recursive: true, mode: 0o700 });
  const draft = join(folder, crypto.randomUUID());
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
  await rename(draft, join(here, name));
  return join(wall.kind === 'bwrap' ? inside.sockets : here, name);
};

const placesIn = (wall: Wall, folder: string, store: string | undefined) => {
  if (wall.kind !== 'bwrap') return { ...plainPlaces(folder), store };
  const { home, temporary, texts } = inside;
  return { home, temporary, texts, store: store === undefined ? undefined : inside.store };
};

const alsoShown = (
  { repositoryOf }: JailSettings,
  { workspace, also = [] }: CellRequest,
): readonly string[] => {
  const repository = repositoryOf?.(workspace);
  return repository === undefined ? also : [...also, repository];
};

const findWall = async (
  settings: JailSettings,
  openWith: (settings: JailSettings, ...cell: Parameters<Jail['open']>) => Promise<Cell>,
  signal: AbortSignal,
): Promise<Wall> => {
  if (settings.isolation === 'none') return { kind: 'none', chosen: true, problems: [] };
  const { probeWalls } = await import('./probe.ts');
  // A path that can't be shown is another matter, and each run's own.
  const bare = { ...settings, paths: [], workspaces: [] };
  return probeWalls(bare, (...cell) => openWith(bare, ...cell), signal);
};

export const createJail = (settings: JailSettings): Jail => {
  const own = [settings.home, ...settings.own];
  const rules = { userHome: settings.userHome, own, writable: [] };
  /** Runs under way on each store. */
  const busy = new Map<string, number>();
  const names = createReservedNames();
  let parents: ReturnType<typeof findParents> | undefined;
  let known: Promise<Wall> | undefined;

  const openStore = async (store: string | undefined): Promise<() => void> => {
    if (store === undefined) return () => undefined;
    const others = busy.get(store) ?? 0;
    busy.set(store, others + 1);
    const leave = (): void => void busy.set(store, (busy.get(store) ?? 1) - 1);
    try {
      await cleanStore(store, join(settings.home, 'jail', 'trash'), others > 0);
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  };

  const openWith = async (
    settings: JailSettings,
    wall: Exclude<Wall, { kind: 'refused' }>,
    cell: CellRequest,
  ): Promise<Cell> => {
    const folder = runFolder(settings.home, cell.runId);
    const leaveStore = await openStore(cell.store);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    parents ??= process.platform === 'linux' ? findParents() : Promise.resolve([]);
    const group = await openGroup(await parents, `${process.pid}-${crypto.randomUUID().slice(0, 8)}`, limits);
    const also = alsoShown(settings, cell);
    const context: CellContext = { settings, cell, also, folder, group, rules, names };
    const places = placesIn(wall, folder, cell.store);
    let built: Built | undefined;
    let watch: LimitWatch | undefined;
    let closing: Promise<CellEnd> | undefined;

    const close = async (): Promise<CellEnd> => {
      try {
        const met = (await watch?.finish()) ?? [];
        await group?.end();
        await built?.closeNetwork();
        built?.freeNames();
        return { limits: met, newGit: (await built?.settleGit()) ?? [] };
      } finally {
        leaveStore();
        await removeTree(folder);
      }
    };

    return {
      wall: wall.kind,
      ...{ home: places.home, temporary: places.temporary, store: places.store },
      textPath: (name) => join(places.texts, name),
      onHostNetwork: wall.kind === 'none' || (wall.kind === 'bwrap' && settings.network === 'host'),
      launch: async (request) => {
        built = await build(context, wall, request);
        return entering(built.launch, group);
      },
      started: (pid, end) => {
        if (process.platform !== 'linux') return;
        const scratch = wall.kind === 'bwrap';
        watch = watchLimits({
          ...{ root: pid, group, scratch, workspace: cell.workspace, end },
          ...(built?.hasCode === undefined ? {} : { hasCode: built.hasCode }),
        });
      },
      hand: (name, text) => handText(folder, wall, name, text),
      met: async () => (await watch?.met()) ?? [],
      openServer: () => openServerSocket(folder),
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  };

  const wall: Jail['wall'] = (signal, again = false) => {
    if (known === undefined || again) {
      const probing = findWall(settings, openWith, signal);
      known = probing;
      probing.catch(() => {
        if (known === probing) known = undefined;
      });
    }
    return known;
  };

  return {
    repositoryOf: settings.repositoryOf ?? (() => undefined),
    wall,
    open: (found, request) => openWith(settings, found, request),
    clear: (runId) => removeTree(runFolder(settings.home, runId)),
  };
};
