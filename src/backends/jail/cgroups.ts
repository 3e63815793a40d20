import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bounds of one jail. */
export type Bounds = { readonly memoryBytes: number; readonly processes: number };
type Bounded = keyof Bounds;

/** Where new groups can be made, and what they can hold in bounds. */
type Parent = { readonly folder: string; readonly version: 1 | 2; readonly bounds: readonly Bounded[] };

const prefix = 'nostr-dm-agent-';
/** What a memory group of version 1 says when it has no bound. */
const unbounded = 2 ** 62;

/** What is there, as text; undefined when it can't be read. */
const read = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

const mayMakeGroups = (folder: string): Promise<boolean> =>
  access(folder, constants.W_OK)
    .then(() => access(join(folder, 'cgroup.procs'), constants.W_OK))
    .then(
      () => true,
      () => false,
    );

/** Mount points of the control groups, with the controllers that each one holds. */
const mountsOf = (mountinfo: string) =>
  mountinfo.split('\n').flatMap((line) => {
    const [mount = '', rest = ''] = line.split(' - ');
    const [type, , options = ''] = rest.split(' ');
    const folder = mount.split(' ')[4];
    if (folder === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    return [
      { folder, version: type === 'cgroup' ? (1 as const) : (2 as const), options: options.split(',') },
    ];
  });

const controllers: Readonly<Record<string, Bounded>> = { memory: 'memoryBytes', pids: 'processes' };

/** Version 1: within the group of this process where that is bounded, else at the root. */
const parentV1 = async (mount: string, controller: string, own: string): Promise<Parent | undefined> => {
  const bound = controllers[controller];
  if (bound === undefined) return undefined;
  const here = join(mount, own);
  const file = controller === 'memory' ? 'memory.limit_in_bytes' : 'pids.max';
  const limit = Number((await read(join(here, file)))?.trim() ?? Number.NaN);
  const folder = limit < unbounded ? here : mount;
  return (await mayMakeGroups(folder)) ? { folder, version: 1, bounds: [bound] } : undefined;
};

/**
 * Version 2: the nearest group above that hands memory and processes on to its children; else this process's own, in
 * which children can at least be ended together.
 */
const parentV2 = async (mount: string, own: string): Promise<Parent | undefined> => {
  const here = join(mount, own);
  for (let folder = here; folder.startsWith(mount); folder = dirname(folder)) {
    const handedOn = (await read(join(folder, 'cgroup.subtree_control')))?.trim().split(' ') ?? [];
    const bounds = Object.entries(controllers).flatMap(([name, bound]) =>
      handedOn.includes(name) ? [bound] : [],
    );
    if (bounds.length === 2 && (await mayMakeGroups(folder))) return { folder, version: 2, bounds };
    if (folder === mount) break;
  }
  return (await mayMakeGroups(here)) ? { folder: here, version: 2, bounds: [] } : undefined;
};

/** Finds the places for groups, and takes away those that an earlier life of the bot left empty. */
export const findParents = async (): Promise<readonly Parent[]> => {
  const [own = '', mountinfo = ''] = await Promise.all([
    read('/proc/self/cgroup'),
    read('/proc/self/mountinfo'),
  ]);
  const mounts = mountsOf(mountinfo);
  const found = own.split('\n').flatMap((line) => {
    const [id, names = '', path] = line.split(':');
    if (path === undefined) return [];
    if (id === '0') {
      const mount = mounts.find(({ version }) => version === 2);
      return mount === undefined ? [] : [parentV2(mount.folder, path)];
    }
    return names.split(',').map((name) => {
      const mount = mounts.find(({ version, options }) => version === 1 && options.includes(name));
      return mount === undefined ? Promise.resolve(undefined) : parentV1(mount.folder, name, path);
    });
  });
  const parents = (await Promise.all(found)).filter((parent) => parent !== undefined);
  // One that still holds processes can't be removed.
  for (const { folder } of parents)
    for (const name of await readdir(folder).catch(() => []))
      if (name.startsWith(prefix)) await rmdir(join(folder, name)).catch(() => undefined);
  return parents;
};

const set = (folder: string, name: string, value: number | string): Promise<boolean> =>
  writeFile(join(folder, name), String(value)).then(
    () => true,
    () => false,
  );

const count = (text: string | undefined, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text ?? '')?.[1] ?? 0);

/** The processes of one jail, as the system itself holds them together. */
export type Group = {
  /** What it holds in bounds. */
  readonly bounds: readonly Bounded[];
  /** Files into which a process writes `0` to enter. */
  readonly doors: readonly string[];
  /** Bounds that were met so far. */
  readonly met: () => Promise<readonly Bounded[]>;
  /** Ends every process in it, and takes the group away. */
  readonly end: () => Promise<void>;
};

/** Undefined where no group can be made. */
export const openGroup = async (
  parents: readonly Parent[],
  name: string,
  bounds: Bounds,
): Promise<Group | undefined> => {
  const made: (Parent & { readonly at: string })[] = [];
  for (const parent of parents) {
    const at = join(parent.folder, `${prefix}${name}`);
    if (
      !(await mkdir(at).then(
        () => true,
        () => false,
      ))
    )
      continue;
    const held: Bounded[] = [];
    for (const bound of parent.bounds) {
      const memory = parent.version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
      if (await set(at, bound === 'memoryBytes' ? memory : 'pids.max', bounds[bound])) held.push(bound);
    }
    made.push({ ...parent, bounds: held, at });
  }
  if (made.length === 0) return undefined;

  const met = async (): Promise<readonly Bounded[]> => {
    const found = await Promise.all(
      made.flatMap(({ at, version, bounds: held }) =>
        held.map(async (bound) => {
          const memory = version === 1 ? 'memory.oom_control' : 'memory.events';
          const text = await read(join(at, bound === 'memoryBytes' ? memory : 'pids.events'));
          return count(text, bound === 'memoryBytes' ? 'oom_kill' : 'max') > 0 ? [bound] : [];
        }),
      ),
    );
    return found.flat();
  };

  const end = async (): Promise<void> => {
    for (const { at, version } of made) {
      for (let round = 0; round < 20; round++) {
        if (
          await rmdir(at).then(
            () => true,
            () => false,
          )
        )
          break;
        if (version === 2) await set(at, 'cgroup.kill', 1);
        else
          for (const pid of ((await read(join(at, 'cgroup.procs'))) ?? '').split('\n').map(Number))
            if (pid > 0) kill(pid);
        await sleep(5 * (round + 1));
      }
    }
  };
  return {
    bounds: made.flatMap(({ bounds: held }) => held),
    doors: made.map(({ at }) => join(at, 'cgroup.procs')),
    met,
    end,
  };
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};
