import { chmodSync, closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { entryAt } from './pins.ts';

const O_PATH = 0o10000000;

/** Lets this user into a folder of theirs that an agent may have closed. Anything else, links as well, is left as it is. */
export const openUp = (folder: string): void => {
  const fd = openSync(folder, O_PATH | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(fd);
    // Whoever else's it is, no agent of ours has closed it.
    if (found.isDirectory() && found.uid === process.getuid?.()) chmodSync(`/proc/self/fd/${fd}`, 0o700);
  } finally {
    closeSync(fd);
  }
};

const ofTheSystem = (error: unknown): void => {
  if (!(error instanceof Error && 'code' in error)) throw error;
};

/** Opens a folder and all in it. */
const openAll = (root: string): void => {
  const waiting = [root];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    openUp(folder);
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) waiting.push(join(folder, entry.name));
  }
};

/**
 * Deletes a folder that an agent could write to and that is out of every agent's reach now, also one with folders in it
 * that are closed (`chmod 0`, or Go's read-only module cache). No link is followed. What can't be deleted even so is left.
 */
export const removeTree = async (path: string): Promise<void> => {
  const options = { recursive: true, force: true } as const;
  await rm(path, options).catch(ofTheSystem);
  if (entryAt(path) === undefined) return;
  try {
    openAll(path);
  } catch (error) {
    ofTheSystem(error); // deeper than a path can say
  }
  await rm(path, options).catch(ofTheSystem);
};
