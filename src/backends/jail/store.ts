import { chmodSync, closeSync, fstatSync, mkdirSync, readdirSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { entryAt, pin } from './pins.ts';
import { openUp, removeTree } from './remove-tree.ts';

/** What opencode keeps its sessions in. */
const plainNames = /^opencode\.db(?:-wal|-shm)?$/;

/**
 * Makes an owner's session store fit to be used again. Agents can put anything into it, so nothing in it is opened,
 * followed or emptied through a link: what is no plain file of opencode's is unlinked by its own name, and folders
 * are moved to `trash`, out of every jail, before they are deleted.
 * @param busy another run of this owner is under way: only what could mislead opencode is taken away
 * @throws PathChangedError the store itself is a link
 */
export const cleanStore = async (store: string, trash: string, busy: boolean): Promise<void> => {
  mkdirSync(store, { recursive: true, mode: 0o700 });
  const folder = pin(store);
  const thrown: string[] = [];
  try {
    const place = `/proc/self/fd/${folder}`;
    // An agent may have closed it to everybody, itself included. What is somebody else's, it can't have.
    if (fstatSync(folder).uid === process.getuid?.()) chmodSync(place, 0o700);
    for (const name of readdirSync(`${place}/.`)) {
      const entry = entryAt(`${place}/${name}`);
      const plain = plainNames.test(name) && entry?.isFile() === true && entry.nlink === 1;
      if (plain || entry === undefined || (busy && !plainNames.test(name))) continue;
      if (!entry.isDirectory()) unlinkSync(`${place}/${name}`);
      else {
        mkdirSync(trash, { recursive: true, mode: 0o700 });
        openUp(`${place}/${name}`);
        const away = join(trash, crypto.randomUUID());
        renameSync(`${place}/${name}`, away);
        thrown.push(away);
      }
    }
  } finally {
    closeSync(folder);
  }
  // With a run under way something may still be written there: the next run without one sweeps it.
  if (!busy) for (const path of thrown) await removeTree(path);
};
