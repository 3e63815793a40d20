import { execFile } from 'node:child_process';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '../config/config.ts';
import { findOnPath } from './executables.ts';

/** What stands between an agent's process and the bot's own files and processes. */
export type Isolation =
  | { readonly state: 'bwrap'; readonly path: string }
  /** `reason`: why there is none, for the status. */
  | { readonly state: 'none'; readonly reason: string }
  /** It was asked for and cannot be had: no agent may start. */
  | { readonly state: 'refused'; readonly problem: string };

/** Paths as an isolated process sees them; what is not named is there read-only. */
export type Layout = {
  readonly cwd: string;
  /** Existing files and folders that the process may change. */
  readonly writable: readonly string[];
  /** Folders that it sees as they are, and whose changes are thrown away when it ends. */
  readonly scratch: readonly string[];
  /** Files and folders that are empty to it. Where they are inside one another, the inner one decides. */
  readonly hidden: readonly string[];
};

/** Sockets that would let a process start others outside of its walls. */
const doors = [
  '/run/user',
  '/run/dbus',
  '/run/docker.sock',
  '/run/containerd',
  '/run/podman',
  '/run/libvirt',
];

type Mount = {
  readonly path: string;
  readonly kind: 'writable' | 'hidden folder' | 'hidden file' | 'scratch';
};

/** Where a path really is; undefined when it is not there (nothing to hide or to open then). */
const locate = async (path: string): Promise<{ path: string; folder: boolean } | undefined> => {
  try {
    const real = await realpath(path);
    return { path: real, folder: (await lstat(real)).isDirectory() };
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
};

const mountsOf = async (layout: Layout): Promise<readonly Mount[]> => {
  const open = (await Promise.all(layout.writable.map(locate))).filter((found) => found !== undefined);
  const scratch = (await Promise.all(layout.scratch.map(locate))).filter((found) => found !== undefined);
  const shut = (await Promise.all([...layout.hidden, ...doors].map(locate))).filter(
    (found) => found !== undefined,
  );
  const mounts: Mount[] = [
    ...open.map(({ path }): Mount => ({ path, kind: 'writable' })),
    ...scratch.map(({ path }): Mount => ({ path, kind: 'scratch' })),
    ...shut.map(({ path, folder }): Mount => ({ path, kind: folder ? 'hidden folder' : 'hidden file' })),
  ];
  // Outer before inner, so that a workspace inside a hidden folder is seen and a secret inside a workspace is not;
  // of the same path twice, hiding comes last and wins.
  const depth = ({ path }: Mount): number => path.split('/').filter((part) => part !== '').length;
  return mounts.sort((a, b) => depth(a) - depth(b));
};

/** Written by opencode at every start where it has plugins to install; it may not be read-only. */
const rewritten = new Set(['.gitignore']);

const argumentsOf = async (mount: Mount): Promise<readonly string[]> => {
  switch (mount.kind) {
    case 'scratch': {
      const entries = (await readdir(mount.path)).filter((name) => !rewritten.has(name));
      const paths = entries.map((name) => join(mount.path, name));
      return ['--tmpfs', mount.path, ...paths.flatMap((path) => ['--ro-bind-try', path, path])];
    }
    case 'writable':
      return ['--bind', mount.path, mount.path];
    case 'hidden folder':
      return ['--tmpfs', mount.path];
    case 'hidden file':
      return ['--ro-bind', '/dev/null', mount.path];
  }
};

/** What every isolated process gets: a read-only system, its own `/dev` and `/proc`, no other process, no capability. */
const walls = [
  ...['--ro-bind', '/', '/', '--dev', '/dev', '--unshare-pid', '--unshare-ipc', '--proc', '/proc'],
  ...['--cap-drop', 'ALL', '--new-session', '--die-with-parent'],
];

/** Puts a command behind the walls. The network stays. Throws nothing for paths that are not there. */
export const isolate = async <T extends { readonly file: string; readonly args: readonly string[] }>(
  isolation: Extract<Isolation, { state: 'bwrap' | 'none' }>,
  command: T,
  layout: Layout,
): Promise<T> => {
  if (isolation.state === 'none') return command;
  const mounts = (await Promise.all((await mountsOf(layout)).map(argumentsOf))).flat();
  return {
    ...command,
    file: isolation.path,
    args: [...walls, ...mounts, '--chdir', layout.cwd, '--', command.file, ...command.args],
  };
};

/** Undefined when bubblewrap works here, else what it said: user namespaces are forbidden on some systems. */
const tryBwrap = async (path: string, signal: AbortSignal): Promise<string | undefined> => {
  try {
    await promisify(execFile)(path, [...walls, '--tmpfs', '/tmp', '--', '/bin/sh', '-c', ':'], {
      env: {},
      timeout: 10_000,
      signal,
    });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return said.split('\n')[0] || String(error);
  }
};

/** Finds out, by trying it, which isolation `BOT_ISOLATION` comes to on this machine. */
export const probeIsolation = async (
  setting: Config['isolation'],
  path: string | undefined,
  signal: AbortSignal,
): Promise<Isolation> => {
  if (setting === 'none') return { state: 'none', reason: 'switched off (BOT_ISOLATION=none)' };
  const without = (reason: string): Isolation =>
    setting === 'auto' ? { state: 'none', reason } : { state: 'refused', problem: reason };
  if (process.platform !== 'linux') return without('bubblewrap exists on Linux only');
  const bwrap = await findOnPath(['bwrap'], path);
  if (bwrap === undefined) return without('bubblewrap is not installed');
  const problem = await tryBwrap(bwrap, signal);
  return problem === undefined
    ? { state: 'bwrap', path: bwrap }
    : without(`bubblewrap does not work here: ${problem}`);
};
