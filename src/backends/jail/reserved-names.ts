import { closeSync, mkdirSync, rmdirSync, type Stats, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryAt, pin, readPlainFile } from './pins.ts';
import { codeNames } from './workspace-code.ts';

/** What stands in a workspace under a reserved name; a user's own opencode reads it as an empty configuration. */
const placeholder =
  '{} // nostr-dm-agent keeps this name while an agent is at work here, and takes it away after it\n';

type Made = { readonly name: string; readonly entry: Stats };
type Reservation = { runs: number; made: readonly Made[] };

const cannotBeMade = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR']);

/** False where this user may not write: then no agent of theirs may either. */
const makeAt = (path: string, name: string): boolean => {
  try {
    if (name.startsWith('.')) mkdirSync(path, { mode: 0o700 });
    else writeFileSync(path, placeholder, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && cannotBeMade.has(String(error.code))) return false;
    throw error;
  }
};

const isPlaceholder = (path: string): boolean => readPlainFile(path, 4096) === placeholder;

/** Takes the names that are free, and those that a bot which was killed has left. */
const take = (workspace: string): readonly Made[] => {
  const folder = pin(workspace);
  try {
    const place = `/proc/self/fd/${folder}`;
    const left = codeNames.some((name) => isPlaceholder(join(place, name)));
    return codeNames.flatMap((name): readonly Made[] => {
      const path = join(place, name);
      const entry = entryAt(path);
      const ours = entry === undefined ? makeAt(path, name) : entry.isFile() ? isPlaceholder(path) : left;
      const there = ours ? entryAt(path) : undefined;
      return there === undefined ? [] : [{ name, entry: there }];
    });
  } finally {
    closeSync(folder);
  }
};

/** Removes what is still what was made: an empty folder, a file that nobody has written to. */
const giveBack = (workspace: string, made: readonly Made[]): void => {
  let folder: number;
  try {
    folder = pin(workspace);
  } catch {
    return; // it is gone, or another one stands in its place
  }
  try {
    for (const one of made) giveBackOne(`/proc/self/fd/${folder}/${one.name}`, one.entry);
  } finally {
    closeSync(folder);
  }
};

const giveBackOne = (path: string, made: Stats): void => {
  try {
    const now = entryAt(path);
    if (now?.ino !== made.ino || now.dev !== made.dev) return;
    if (now.isFile() && isPlaceholder(path)) unlinkSync(path);
    else if (now.isDirectory()) rmdirSync(path);
  } catch (error) {
    // Not empty, or an agent closed the workspace: whoever takes the names next takes it away.
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
};

/**
 * Keeps the names by which opencode finds code in a workspace taken while agents are at work there. opencode looks
 * for them at its start and some seconds later, so hiding what is there at the start is not enough: another
 * run could put something there meanwhile. What exists can be covered in each jail, and what is covered can be neither
 * removed nor replaced from within one.
 */
export const createReservedNames = () => {
  const reservations = new Map<string, Reservation>();
  /**
   * To be called before the jail is laid out.
   * @param workspace a real path
   * @returns ends it; may be called again
   * @throws PathChangedError the workspace is a link, or is not there
   */
  const reserve = (workspace: string): (() => void) => {
    const reservation = reservations.get(workspace) ?? { runs: 0, made: [] };
    if (reservation.runs === 0) reservation.made = take(workspace);
    reservation.runs++;
    reservations.set(workspace, reservation);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      reservation.runs--;
      if (reservation.runs > 0) return;
      reservations.delete(workspace);
      giveBack(workspace, reservation.made);
    };
  };
  return { reserve };
};
export type ReservedNames = ReturnType<typeof createReservedNames>;
