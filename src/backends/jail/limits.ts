import { readdir, readFile, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { Bounds, Group } from './cgroups.ts';
import { inside } from './places.ts';

/** A bound of the jail that the agent met, for its owner. */
export const limitsMet = [
  'memory',
  'processes',
  'scratch', // what lies in memory: `/tmp` and the home
  'disk', // that of the workspace is nearly full
  'code', // where it cannot be hidden: what opencode would run appeared in the workspace
] as const;
export type LimitMet = (typeof limitsMet)[number];

const gibi = 2 ** 30;
/** Half of the machine for one agent, which itself takes 0.5 to 0.7 GiB; what lies in `/tmp` and the home counts. */
export const limits: Bounds & { readonly scratchBytes: number; readonly sharedBytes: number } = {
  memoryBytes: Math.max(Math.round(totalmem() / 2), 1.5 * gibi),
  processes: 2048,
  scratchBytes: Math.min(2 * gibi, Math.max(Math.round(totalmem() / 8), gibi / 4)),
  sharedBytes: gibi / 4,
};
/** An agent that leaves less than this on the disk of the workspace is ended. */
const leastFree = gibi / 4;
const intervalMs = 300;
/** Adding up every process costs more: once in so many looks. */
const everyLooks = 4;

const freeBytes = async (path: string): Promise<number> => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

/** Whether a file system of which nobody else has a share is full. */
const isFull = async (path: string): Promise<boolean> => {
  try {
    const { blocks, bavail } = await statfs(path);
    return blocks > 0 && bavail <= blocks / 100;
  } catch {
    return false; // gone meanwhile
  }
};

/** Resident memory in bytes of a process and everything that descends from it, and how many these are. */
const useOf = async (root: number): Promise<{ readonly memory: number; readonly processes: number }> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const number = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
      const memory = (number('RssAnon') + number('RssShmem')) * 1024;
      return { pid: Number(pid), parent: number('PPid'), memory, threads: number('Threads') };
    }),
  );
  const members = new Set([root]);
  for (let before = 0; before !== members.size; ) {
    before = members.size;
    for (const { pid, parent } of found) if (members.has(parent)) members.add(pid);
  }
  const own = found.filter(({ pid }) => members.has(pid));
  return {
    memory: own.reduce((sum, { memory }) => sum + memory, 0),
    processes: own.reduce((sum, { threads }) => sum + threads, 0),
  };
};

/** The first process inside: the one whose root is the jail's. */
const firstInside = async (root: number): Promise<number | undefined> => {
  const children = await readFile(`/proc/${root}/task/${root}/children`, 'utf8').catch(() => '');
  return Number(children.split(' ')[0]) || undefined;
};

export type LimitWatch = {
  /** Bounds met so far. */
  readonly met: () => Promise<readonly LimitMet[]>;
  /** Bounds met so far, once each. Looks a last time. */
  readonly finish: () => Promise<readonly LimitMet[]>;
};

/**
 * Watches one jail while it runs. What no control group holds in bounds is ended here, a second late.
 * @param root the process that was started
 * @param end called when a bound is met that nothing else holds
 */
export const watchLimits = (options: {
  readonly root: number;
  readonly group: Group | undefined;
  /** Whether `/tmp` and the home lie in memory of the jail's own. */
  readonly scratch: boolean;
  readonly workspace: string;
  readonly bounds?: Bounds;
  /** Where it cannot be hidden: whether the workspace has got what opencode would run. */
  readonly hasCode?: () => Promise<boolean>;
  readonly end: (limit: LimitMet) => void;
}): LimitWatch => {
  const { root, group, workspace, bounds = limits } = options;
  const met = new Set<LimitMet>();
  let freeAtFirst: number | undefined;
  let looks = 0;
  const meet = (limit: LimitMet): void => {
    if (!met.has(limit)) options.end(limit);
    met.add(limit);
  };
  const look = async (): Promise<void> => {
    for (const bound of (await group?.met()) ?? []) met.add(bound === 'memoryBytes' ? 'memory' : 'processes');
    const held = group?.bounds ?? [];
    if (looks++ % everyLooks === 0 && !(held.includes('memoryBytes') && held.includes('processes'))) {
      const use = await useOf(root);
      if (use.memory > bounds.memoryBytes) meet('memory');
      // The jail's own bound refuses the last few, so that it is never passed.
      if (use.processes > bounds.processes * 0.97) meet('processes');
    }
    if ((await options.hasCode?.()) === true) meet('code');
    const first = options.scratch ? await firstInside(root) : undefined;
    if (first !== undefined)
      for (const place of [inside.temporary, inside.home])
        if (await isFull(`/proc/${first}/root${place}`)) met.add('scratch');
    const free = await freeBytes(workspace).catch(() => undefined);
    freeAtFirst ??= free;
    if (free !== undefined && freeAtFirst !== undefined && free < Math.min(leastFree, freeAtFirst / 2))
      meet('disk');
  };
  let looking: Promise<void> = Promise.resolve();
  let done = true;
  const timer = setInterval(() => {
    if (!done) return;
    done = false;
    // What can't be read is gone; the run's own end says more.
    looking = look()
      .catch(() => undefined)
      .finally(() => {
        done = true;
      });
  }, intervalMs);
  timer.unref();
  const metNow = async (): Promise<readonly LimitMet[]> => {
    for (const bound of (await group?.met()) ?? []) met.add(bound === 'memoryBytes' ? 'memory' : 'processes');
    return [...met];
  };
  return {
    met: metNow,
    finish: async () => {
      clearInterval(timer);
      await looking;
      return metNow();
    },
  };
};
