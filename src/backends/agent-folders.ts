import { lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Config } from '../config/config.ts';
import type { Jail } from './jail/types.ts';

/** What the backends take from the bot's configuration. */
export type BackendSettings = Pick<
  Config,
  'home' | 'agents' | 'opencodeBin' | 'cursorBin' | 'trustWorkspace' | 'ambient' | 'fileServers'
>;

export type BackendDeps = {
  readonly log: Logger;
  /** Where every process of an agent is started. */
  readonly jail: Jail;
  /** Between SIGTERM and SIGKILL. Default 3000. */
  readonly graceMs?: number;
  /** How long an agent that has said that it is done may take to exit. Default 8000. */
  readonly lingerMs?: number;
  /** Agent servers that are kept ready. Absent: none. */
  readonly warm?: {
    readonly servers: number;
    /** How long one that nobody uses is kept. */
    readonly keptMs: number;
    /** No run gets a process of its own: what no server takes is not done. So it is on an agent host. */
    readonly only?: boolean;
  };
};

/** True for an existing folder. */
export const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) !== undefined) return false;
    throw error;
  }
};

/** Whose folders the bot's own questions to a backend use: no agent ever runs there. */
export const nobody = 'nobody';

/** Of a bot before the jail: what was the owner's for ever, and is each run's own now. */
const outdated = ['home', 'data', 'state', 'cache'];

/** @param owner a public key in hex; its first 16 digits name the folder */
const ownerFolder = (botHome: string, owner: string): string =>
  join(botHome, 'agent', `owner-${encodeURIComponent(owner).slice(0, 16)}`);

/** A folder that lasts for an owner, and that agents of nobody else see. */
export const openOwnerFolder = async (botHome: string, owner: string, name: string): Promise<string> => {
  const folder = join(ownerFolder(botHome, owner), name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
};

/** The owner's sessions of opencode, whoever pays: the jail's `store`. */
export const openOwnerStore = async (botHome: string, owner: string): Promise<string> => {
  const own = ownerFolder(botHome, owner);
  const isNew = !(await isFolder(join(own, 'store')));
  const store = await openOwnerFolder(botHome, owner, 'store');
  if (!isNew) return store;
  for (const name of ['opencode.db', 'opencode.db-wal', 'opencode.db-shm'])
    if (await isPlainFile(join(own, name))) await rename(join(own, name), join(store, name));
  for (const name of outdated) await rm(join(own, name), { recursive: true, force: true });
  return store;
};

/** True for a regular file without a second name; links are not followed. */
export const isPlainFile = async (path: string): Promise<boolean> => {
  try {
    const entry = await lstat(path);
    return entry.isFile() && entry.nlink === 1;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
};

/** An empty folder, for questions that are about no workspace. */
export const openNowhere = async (botHome: string): Promise<string> => {
  const folder = join(botHome, 'agent', 'nowhere');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
};
