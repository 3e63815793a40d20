import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import { type PutBack, putBack } from '@nostr-dm-agent/cashu-wallet/remote';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { readFileIfThere, syncToDisk, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parse } from 'dotenv';
import { absolutePath } from '../config/env-schema.ts';
import { lockAnyHome, unfinishedFile } from '../store/lock-home.ts';
import { type BackupFile, type Manifest, readBackup } from './backup-records.ts';
import { inSteps, type Steps } from './in-steps.ts';
import { placesIn } from './installation.ts';
import { inOrder, movedPath, movedSettings, movePathsInAgentStore } from './moved-paths.ts';
import type { Move } from './read-move.ts';
import { keptAside, type RestoreMark, readMark, writeMark } from './restore-mark.ts';
import { prepareDatabase } from './restored-database.ts';
import { openSealedReader, SealedFileError } from './sealed-file.ts';

/** A backup is not put in place. Nothing was changed. */
export class RestoreRefusedError extends Error {
  override readonly name = 'RestoreRefusedError';
  readonly path: string;
  readonly problem: 'home_there' | 'settings_there' | 'wallet_there' | 'unwritable';
  constructor(path: string, problem: RestoreRefusedError['problem']) {
    super(`${path}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}

/** Where a backup goes. */
export type RestorePlaces = {
  readonly userHome: string;
  /** What relative paths in the settings are relative to. */
  readonly directory: string;
  readonly envFile: string;
  /** `BOT_HOME` and `CASHU_WALLET_DIR`; default: as in the backup, below this user's home if they were below another's. */
  readonly home?: string | undefined;
  readonly walletDirectory?: string | undefined;
  /** Said by whoever restores: they count before all others. */
  readonly moves: readonly Move[];
};

export type Restored = {
  readonly manifest: Manifest;
  readonly home: string;
  readonly envFile: string;
  readonly wallets: readonly (PutBack & { readonly file: string })[];
  /** What was there before, and where it is now. */
  readonly kept: readonly string[];
  readonly moves: readonly Move[];
  /** Made, and empty: their files are not in a backup. */
  readonly workspaces: readonly string[];
  /** Workspaces that this user can't make. */
  readonly unmade: readonly string[];
  /** Conversations that could not be moved to where their workspaces are now. */
  readonly unmoved: readonly string[];
};

/** Between two of these a kill may come. */
export type RestoreCheckpoint =
  `restore:${'begun' | 'staged' | 'marked' | 'wallet' | 'aside' | 'home' | 'settings' | 'done'}`;

export type RestoreParts = {
  /** What is in the way is kept aside. */
  readonly replace: boolean;
  /** Versions of other packages' tables in the wallet's database that this program knows. */
  readonly extensions: Readonly<Record<string, number>>;
  readonly signal: AbortSignal;
  readonly reached?: ((checkpoint: RestoreCheckpoint) => void) | undefined;
};

/**
 * Puts a backup in place. All of it is read, and found whole, before anything is changed; then the home is marked as
 * unfinished, so that no bot begins in it, until everything is where it belongs. Killed at any moment, the same again
 * finishes it. Nothing that was there is deleted. The bot claims its key at its next start, and takes the wallet for an old one.
 *
 * @throws RestoreRefusedError, SealedFileError, ConfigError, CopyRefusedError, DatabaseTooNewError, LockHeldError
 */
export async function restoreBackup(
  from: string,
  passphrase: string,
  places: RestorePlaces,
  parts: RestoreParts,
): Promise<Restored> {
  const reached = parts.reached ?? (() => undefined);
  const reader = await openSealedReader(from, passphrase);
  let staging: Staging | undefined;
  try {
    const begin = (manifest: Manifest): void => {
      staging = beginStaging(manifest, places, parts.replace);
      reached('restore:begun');
    };
    const onFile = function* (file: BackupFile, pieces: Iterable<Uint8Array>): Steps<void> {
      if (staging !== undefined) yield* stage(from, staging.folder, file, pieces);
    };
    await inSteps(readBackup(from, reader, onFile, begin), parts.signal);
    if (staging === undefined) throw new RangeError('a backup was read without its beginning');
    return commit(prepare(staging, places, parts.replace), parts, reached);
  } finally {
    reader.close();
    if (staging !== undefined) {
      rmSync(staging.folder, { recursive: true, force: true });
      staging.release();
    }
  }
}

type Staging = {
  readonly manifest: Manifest;
  readonly home: string;
  readonly walletDirectory: string;
  readonly moves: readonly Move[];
  /** Inside the home, which may be a file system of its own. */
  readonly folder: string;
  /** An earlier try got as far as changing something: what is in the way is its own, or kept aside by it. */
  readonly earlier: RestoreMark | undefined;
  readonly release: () => void;
};

function beginStaging(manifest: Manifest, places: RestorePlaces, replace: boolean): Staging {
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
  const earlier = readMark(home);
  if (!replace && earlier === undefined && thingsIn(home).length > 0)
    throw new RestoreRefusedError(home, 'home_there');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const lock = lockAnyHome(home);
  const folder = join(home, 'restore.part');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  return { ...{ manifest, home, walletDirectory, moves, folder, earlier }, release: lock.release };
}

/** What is in a home, but what belongs to locks and to the restoring itself. */
const thingsIn = (home: string): readonly string[] =>
  existsSync(home)
    ? readdirSync(home).filter(
        (name) =>
          !/^(bot|backup)\.lock/.test(name) &&
          !/^(restore|backup)\.(part|json)$|^logs$/.test(name) &&
          !/^before-restore/.test(name),
      )
    : [];

function* stage(
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

type Prepared = Staging & {
  readonly envFile: string;
  /** Text of `.env`; undefined: none was in the backup. */
  readonly settings: string | undefined;
  readonly mintUrl: string;
  readonly workspaces: readonly string[];
  readonly unmoved: readonly string[];
};

/** Brings what is staged to this place and this version, and looks whether there is room for it. */
function prepare(staging: Staging, places: RestorePlaces, replace: boolean): Prepared {
  const { folder, home, walletDirectory, moves, earlier } = staging;
  const { envFile } = places;
  const text = readFileIfThere(join(folder, 'settings', 'env'));
  const settings = text === undefined ? undefined : settingsFor(text, places, staging);
  const before = readFileIfThere(envFile);
  const may = replace || earlier !== undefined;
  if (settings !== undefined && before !== undefined && before !== settings && !may)
    throw new RestoreRefusedError(envFile, 'settings_there');
  for (const name of filesIn(join(folder, 'wallet')).filter((one) => one.endsWith('.db'))) {
    const file = join(walletDirectory, name);
    if (existsSync(file) && !may) throw new RestoreRefusedError(file, 'wallet_there');
  }
  // Before anything is changed: what fails half way would fail again.
  if (existsSync(join(folder, 'wallet'))) mustBeWritable(walletDirectory);
  if (settings !== undefined) mustBeWritable(dirname(envFile));
  const database = join(folder, 'home', 'bot.db');
  if (existsSync(database)) prepareDatabase(database, moves);
  const values = parse(settings ?? '');
  return {
    ...staging,
    ...{ envFile, settings },
    mintUrl: placesIn({ CASHU_MINT_URL: values.CASHU_MINT_URL }, places).mintUrl,
    workspaces: workspacesIn(values.BOT_WORKSPACE ?? '', places),
    unmoved: moves.length === 0 ? [] : moveAgentStores(join(folder, 'home', 'agent'), home, moves),
  };
}

/** A folder, made where there is none. @throws RestoreRefusedError */
function mustBeWritable(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw new RestoreRefusedError(folder, 'unwritable');
  }
}

function settingsFor(text: string, places: RestorePlaces, { home, walletDirectory, moves }: Staging): string {
  const moved = movedSettings(text, moves, {});
  const found = placesIn(parse(moved), places);
  if (found.home === home && found.walletDirectory === walletDirectory) return moved;
  return movedSettings(text, moves, { BOT_HOME: home, CASHU_WALLET_DIR: walletDirectory });
}

/** The folders that `BOT_WORKSPACE` names. */
function workspacesIn(value: string, places: RestorePlaces): readonly string[] {
  if (value.trim() === '') return [];
  const isPairs = /^\s*[\w.-]+\s*=/.test(value);
  const paths = isPairs
    ? value.split(',').map((entry) => entry.slice(entry.indexOf('=') + 1).trim())
    : [value];
  return paths.filter((path) => path !== '').map((path) => absolutePath(path, places));
}

function moveAgentStores(agents: string, home: string, moves: readonly Move[]): readonly string[] {
  const owners = existsSync(agents) ? readdirSync(agents) : [];
  return owners
    .filter((owner) => !movePathsInAgentStore(join(agents, owner, 'store', 'opencode.db'), moves))
    .map((owner) => join(home, 'agent', owner, 'store', 'opencode.db'));
}

/** From here on something is changed. */
function commit(
  { manifest, home, walletDirectory, moves, folder, ...prepared }: Prepared,
  { extensions }: RestoreParts,
  reached: (checkpoint: RestoreCheckpoint) => void,
): Restored {
  const { envFile, settings, mintUrl, workspaces, unmoved, earlier } = prepared;
  reached('restore:staged');
  const found = { home, walletDirectory, envFile };
  let mark = earlier ?? { before: [...keptAside(found)], placed: [] };
  const note = (more: Partial<RestoreMark>): void => {
    mark = { ...mark, ...more };
    writeMark(home, mark);
  };
  note({});
  reached('restore:marked');
  const wallets = filesIn(join(folder, 'wallet'))
    .filter((name) => name.endsWith('.db'))
    .map((name) => {
      const file = join(walletDirectory, name);
      const words = name.replace(/\.db$/, '.words');
      putFile(join(folder, 'wallet', words), join(walletDirectory, words));
      const put = putBack(
        { from: join(folder, 'wallet', name), to: file, mint: readMintUrl(mintUrl) },
        undefined,
        extensions,
      );
      return { ...put, file };
    });
  reached('restore:wallet');

  for (const name of mark.placed) rmSync(join(home, name), { recursive: true, force: true });
  const inTheWay = thingsIn(home);
  if (inTheWay.length > 0) {
    const aside = mark.aside ?? freePlace(join(home, 'before-restore'));
    note({ aside });
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    for (const name of inTheWay) renameSync(join(home, name), freePlace(join(aside, name)));
  }
  reached('restore:aside');
  const placed = filesIn(join(folder, 'home'));
  note({ placed: [...placed] });
  for (const name of placed) renameSync(join(folder, 'home', name), join(home, name));
  syncToDisk(home);
  reached('restore:home');
  if (settings !== undefined) putText(settings, envFile);
  const missing = workspaces.filter((path) => !existsSync(path));
  const made = missing.filter(makeFolder);
  const unmade = missing.filter((path) => !made.includes(path));
  reached('restore:settings');
  const kept = keptAside(found).filter((path) => !mark.before.includes(path));
  rmSync(unfinishedFile(home, 'restore'));
  syncToDisk(home);
  reached('restore:done');
  return { ...{ manifest, home, envFile, wallets, kept, moves, unmade, unmoved }, workspaces: made };
}

/** False: this user can't. Everything else is in place by then. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return true;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

/** What is at `to` and is another is kept beside it. */
function putFile(from: string, to: string): void {
  const text = readFileIfThere(from);
  if (text !== undefined) putText(text, to);
}

function putText(text: string, to: string): void {
  const before = readFileIfThere(to);
  if (before === text) return;
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  if (before !== undefined) {
    writeFileAtomically(freePlace(`${to}.before-restore`), before, 0o600);
  }
  writeFileAtomically(to, text, 0o600);
}

function freePlace(wanted: string): string {
  for (let number = 1; ; number += 1) {
    const place = number === 1 ? wanted : `${wanted}.${number}`;
    if (!existsSync(place)) return place;
  }
}

const filesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);
