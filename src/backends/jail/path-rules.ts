import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { liesIn } from './places.ts';

/** Why a folder cannot be given to an agent. `of`: what it collides with. */
export type PathProblem =
  | { readonly problem: 'system' | 'home'; readonly of: string }
  /** It is, holds or lies in something that no agent may see. */
  | { readonly problem: 'is' | 'holds' | 'inside'; readonly of: string }
  /** Its path goes through a link that an agent can change. */
  | { readonly problem: 'link'; readonly of: string };

/** Nobody's workspace: the system's own folders. What lies in the last group may be one. */
const systemFolders = ['/usr', '/etc', '/boot', '/bin', '/sbin', '/lib', '/lib64', '/proc', '/sys', '/dev'];
const systemTrees = [...systemFolders, '/run'];
const systemRoots = [
  '/',
  '/home',
  '/root',
  '/tmp',
  '/var',
  '/var/tmp',
  '/opt',
  '/srv',
  '/mnt',
  '/media',
  '/Users',
];

/** The real path, as far as it exists. */
export const realPath = (path: string): string => {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error) || path === '/') throw error;
    return join(realPath(dirname(path)), path.slice(dirname(path).length).replace(/^\//, ''));
  }
};

/** The first link on the way to `path` that lies where an agent may write. */
const foreignLink = (path: string, writable: readonly string[]): string | undefined => {
  let place = '/';
  const parts = path.split('/').filter((part) => part !== '');
  for (let hops = 0; parts.length > 0 && hops < 40; ) {
    place = join(place, parts.shift() ?? '');
    let target: string;
    try {
      if (!lstatSync(place).isSymbolicLink()) continue;
      target = readlinkSync(place);
    } catch (error) {
      if (error instanceof Error && 'code' in error) return undefined;
      throw error;
    }
    if (writable.some((folder) => place !== folder && liesIn(place, folder))) return place;
    hops++;
    parts.unshift(
      ...resolve(dirname(place), target)
        .split('/')
        .filter((part) => part !== ''),
    );
    place = '/';
  }
  return undefined;
};

export type PathRules = {
  /** The home of the user who runs the bot. */
  readonly userHome: string;
  /** Files and folders that no agent may see: the package, `BOT_HOME`, the wallet's folder, `.env`. */
  readonly own: readonly string[];
  /** Real paths of the folders that agents may write to. */
  readonly writable: readonly string[];
};

/** Whether the way to a path leads through a link that an agent may have made. */
export const isLedAway = (path: string, { writable }: Pick<PathRules, 'writable'>): boolean =>
  foreignLink(path, writable) !== undefined;

const collision = (path: string, own: readonly string[]): PathProblem | undefined => {
  for (const other of own.map(realPath)) {
    if (path === other) return { problem: 'is', of: other };
    if (liesIn(other, path)) return { problem: 'holds', of: other };
    if (liesIn(path, other)) return { problem: 'inside', of: other };
  }
  return undefined;
};

/** Why `path` can't be a workspace; undefined when it can. Looks at real paths. @param path absolute */
export const workspaceProblem = (path: string, rules: PathRules): PathProblem | undefined => {
  const real = realPath(path);
  const link = foreignLink(path, rules.writable);
  if (link !== undefined) return { problem: 'link', of: link };
  if (systemRoots.includes(real) || systemTrees.some((folder) => liesIn(real, folder)))
    return { problem: 'system', of: real };
  const home = realPath(rules.userHome);
  if (real === home || liesIn(home, real)) return { problem: 'home', of: home };
  return collision(real, rules.own);
};

/** One entry of `BOT_AGENT_PATHS`. */
export type AgentPath = { readonly path: string; readonly writable: boolean };

/** Why a path of `BOT_AGENT_PATHS` can't be shown to agents. @param path absolute */
export const agentPathProblem = (path: string, rules: PathRules): PathProblem | undefined => {
  const real = realPath(path);
  const link = foreignLink(path, rules.writable);
  if (link !== undefined) return { problem: 'link', of: link };
  if (real === '/' || ['/proc', '/sys', '/dev'].some((folder) => liesIn(real, folder)))
    return { problem: 'system', of: real };
  if (liesIn(realPath(rules.userHome), real)) return { problem: 'home', of: real };
  return collision(real, rules.own);
};
