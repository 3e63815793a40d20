import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import type { Manifest } from './backup-records.ts';
import type { Move } from './read-move.ts';
import type { RestoreMark } from './restore-mark.ts';

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

/** The system would not have more of it: a full disk, say. Where it had begun, the same again finishes it. */
export class RestoreStoppedError extends Error {
  override readonly name = 'RestoreStoppedError';
  readonly home: string;
  /** Something is in place already, so that no bot begins in that home before the rest is; else nothing was changed. */
  readonly begun: boolean;
  /** The folder that was being written to. */
  readonly place: string;
  constructor(home: string, begun: boolean, cause: unknown, place = home) {
    super(`restoring to ${home} did not come to its end`, { cause });
    this.home = home;
    this.begun = begun;
    this.place = place;
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
  /** `carried`: how much came along that only the one that was there knew; `unread`: not all of that could be read. */
  readonly wallets: readonly { readonly file: string; readonly carried: number; readonly unread: boolean }[];
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

/** What goes where. */
export type Plan = {
  readonly manifest: Manifest;
  readonly home: string;
  readonly walletDirectory: string;
  readonly moves: readonly Move[];
};

export type Staging = Plan & {
  /** Inside the home, which may be a file system of its own. */
  readonly folder: string;
  /** An earlier try got as far as changing something: what is in the way is its own, or kept aside by it. */
  readonly earlier: RestoreMark | undefined;
  readonly release: () => void;
};

export type Prepared = Staging & {
  readonly envFile: string;
  /** Text of `.env`; undefined: none was in the backup. */
  readonly settings: string | undefined;
  readonly mint: ReturnType<typeof readMintUrl>;
  readonly workspaces: readonly string[];
  readonly unmoved: readonly string[];
};

export const walletsIn = (folder: string): readonly string[] =>
  filesIn(join(folder, 'wallet')).filter((name) => name.endsWith('.db'));

export const filesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);
