import { accessSync, constants, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import { putBack } from '@nostr-dm-agent/cashu-wallet/remote';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { readFileIfThere } from '@nostr-dm-agent/kit/files';
import { KeepCopyError } from '@nostr-dm-agent/kit/sqlite';
import { parse } from 'dotenv';
import { absolutePath } from '../config/env-schema.ts';
import { unfinishedFile } from '../store/lock-home.ts';
import { type BackupFile, type Manifest, readBackup } from './backup-records.ts';
import { inSteps, type Steps } from './in-steps.ts';
import { placesIn } from './installation.ts';
import { movedSettings, movePathsInAgentStore } from './moved-paths.ts';
import { putInPlace } from './put-in-place.ts';
import type { Move } from './read-move.ts';
import {
  type Plan,
  type Prepared,
  type RestoreCheckpoint,
  type Restored,
  type RestoreParts,
  type RestorePlaces,
  RestoreRefusedError,
  RestoreStoppedError,
  type Staging,
  walletsIn,
} from './restore-parts.ts';
import { prepareDatabase } from './restored-database.ts';
import { openSealedReader } from './sealed-file.ts';
import { beginStaging, planFor, stage } from './stage-backup.ts';

/**
 * Puts a backup in place. All of it is read, and found whole, before anything is changed; then the home is marked as
 * unfinished, so that no bot begins in it, until everything is where it belongs. Killed at any moment, the same again
 * finishes it. Nothing that was there is deleted. The bot claims its key at its next start, and takes the wallet for an old one.
 *
 * @throws RestoreRefusedError, RestoreStoppedError, SealedFileError, ConfigError, CopyRefusedError, DatabaseTooNewError, LockHeldError,
 * WalletInUseError
 */
export async function restoreBackup(
  from: string,
  passphrase: string,
  places: RestorePlaces,
  parts: RestoreParts,
): Promise<Restored> {
  let at: RestoreCheckpoint | undefined;
  const reached = (checkpoint: RestoreCheckpoint): void => {
    at = checkpoint;
    parts.reached?.(checkpoint);
  };
  const reader = await openSealedReader(from, passphrase);
  let plan: Plan | undefined;
  let staging: Staging | undefined;
  try {
    const begin = (manifest: Manifest): void => {
      plan = planFor(manifest, places);
      staging = beginStaging(plan, parts.replace);
      reached('restore:begun');
    };
    const onFile = function* (file: BackupFile, pieces: Iterable<Uint8Array>): Steps<void> {
      if (staging !== undefined) yield* stage(from, staging.folder, file, pieces);
    };
    await inSteps(readBackup(from, reader, onFile, begin), parts.signal);
    if (staging === undefined) throw new RangeError('a backup was read without its beginning');
    return putInPlace(prepare(staging, places, parts), parts, reached);
  } catch (cause) {
    const isOfSystem = errorCode(cause) !== undefined || cause instanceof KeepCopyError;
    if (plan === undefined || !isOfSystem) throw cause;
    const { home, walletDirectory } = plan;
    const folders: Partial<Record<RestoreCheckpoint, string>> = {
      'restore:marked': walletDirectory,
      'restore:home': dirname(places.envFile),
    };
    const place = (at && folders[at]) ?? home;
    throw new RestoreStoppedError(home, existsSync(unfinishedFile(home, 'restore')), cause, place);
  } finally {
    reader.close();
    if (staging !== undefined) {
      rmSync(staging.folder, { recursive: true, force: true });
      staging.release();
    }
  }
}

/** Brings what is staged to this place and this version, and looks whether there is room for it. */
function prepare(staging: Staging, places: RestorePlaces, { replace, extensions }: RestoreParts): Prepared {
  const { folder, home, walletDirectory, moves, earlier } = staging;
  const { envFile } = places;
  const text = readFileIfThere(join(folder, 'settings', 'env'));
  const settings = text === undefined ? undefined : settingsFor(text, places, staging);
  const before = readFileIfThere(envFile);
  const may = replace || earlier !== undefined;
  if (settings !== undefined && before !== undefined && before !== settings && !may)
    throw new RestoreRefusedError(envFile, 'settings_there');
  const values = parse(settings ?? '');
  const mint = readMintUrl(placesIn({ CASHU_MINT_URL: values.CASHU_MINT_URL }, places).mintUrl);
  for (const name of walletsIn(folder)) {
    const file = join(walletDirectory, name);
    if (existsSync(file) && !may) throw new RestoreRefusedError(file, 'wallet_there');
    // One that is refused half way would be refused again and again: it is tried where nothing is changed.
    const [from, to] = [join(folder, 'wallet', name), join(folder, 'trial.db')];
    putBack({ from, to, mint }, undefined, extensions);
    rmSync(to);
  }
  // Before anything is changed: what fails half way would fail again.
  if (existsSync(join(folder, 'wallet'))) mustBeWritable(walletDirectory);
  if (settings !== undefined) mustBeWritable(dirname(envFile));
  const database = join(folder, 'home', 'bot.db');
  if (existsSync(database)) prepareDatabase(database, moves);
  return {
    ...staging,
    ...{ envFile, settings, mint },
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
