/*
 * The contents of a backup in `BOT_HOME/restore.part`, where nothing begins and nothing is changed.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { lockAnyHome } from '../store/lock-home.ts';
import type { BackupFile, Manifest } from './backup-records.ts';
import type { Steps } from './in-steps.ts';
import { inOrder, movedPath } from './moved-paths.ts';
import { readMark } from './restore-mark.ts';
import { type Plan, type RestorePlaces, RestoreRefusedError, type Staging } from './restore-parts.ts';
import { SealedFileError } from './sealed-file.ts';

export function planFor(manifest: Manifest, places: RestorePlaces): Plan {
  const { places: then } = manifest;
  const general = [
    ...places.moves,
    { from: then.directory, to: places.directory },
    { from: then.userHome, to: places.userHome },
    // Below the root is everything: that says nothing of what belongs together.
  ].filter(({ from }, index) => index < places.moves.length || from !== '/');
  const home = places.home ?? movedPath(then.home, inOrder(general));
  const walletDirectory = places.walletDirectory ?? movedPath(then.walletDirectory, inOrder(general));
  const moves = inOrder([
    ...places.moves,
    { from: then.home, to: home },
    { from: then.walletDirectory, to: walletDirectory },
    ...general.slice(places.moves.length),
  ]);
  return { manifest, home, walletDirectory, moves };
}

export function beginStaging(plan: Plan, replace: boolean): Staging {
  const { home } = plan;
  const earlier = readMark(home);
  if (!replace && earlier === undefined && thingsIn(home).length > 0)
    throw new RestoreRefusedError(home, 'home_there');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const lock = lockAnyHome(home);
  const folder = join(home, 'restore.part');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  return { ...plan, ...{ folder, earlier }, release: lock.release };
}

/** What is in a home, but what belongs to locks and to the restoring itself. */
export const thingsIn = (home: string): readonly string[] =>
  existsSync(home)
    ? readdirSync(home).filter(
        (name) =>
          !/^(bot|backup)\.lock/.test(name) &&
          !/^(restore|backup)\.(part|json)$|^logs$/.test(name) &&
          !/^before-restore/.test(name),
      )
    : [];

export function* stage(
  from: string,
  folder: string,
  { path, mode }: BackupFile,
  pieces: Iterable<Uint8Array>,
): Steps<void> {
  const file = openStaged(join(folder, path), from);
  try {
    for (const piece of pieces) {
      for (let written = 0; written < piece.length; ) written += writeSync(file, piece, written);
      yield;
    }
    fchmodSync(file, (mode & 0o700) | 0o400);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** @throws SealedFileError: no backup of ours has such a path, or one twice */
function openStaged(target: string, from: string): number {
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    return openSync(target, 'wx', 0o600);
  } catch (cause) {
    if (!['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(errorCode(cause) ?? '')) throw cause;
    throw new SealedFileError(from, { kind: 'damaged' }, cause);
  }
}
