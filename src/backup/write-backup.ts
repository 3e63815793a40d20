import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { sealedWordsFile, wordsOpenWith } from '@nostr-dm-agent/cashu-wallet/open';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { publishNew, syncToDisk } from '@nostr-dm-agent/kit/files';
import { acquireLock } from '@nostr-dm-agent/kit/lock';
import type { PassphraseCost } from '@nostr-dm-agent/kit/passphrase-key';
import { copyDatabase } from '@nostr-dm-agent/kit/sqlite';
import { refuseUnfinished } from '../store/lock-home.ts';
import { copyLiveDatabase, eachAgentFile, type LeftOut, type OpenFile, piecesOf } from './agent-files.ts';
import { mayBeKept, readBackup, writeRecord } from './backup-records.ts';
import { inSteps, type Steps } from './in-steps.ts';
import type { Installation } from './installation.ts';
import { createSealedWriter, openSealedReader, type SealedWriter } from './sealed-file.ts';

/** A backup could not be written. Nothing is at its place, or what was there before. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
  readonly path: string;
  readonly problem:
    | { readonly kind: 'exists' }
    | { readonly kind: 'unwritable'; readonly code: string }
    /** Something that belongs into it, at `path`. */
    | { readonly kind: 'unreadable'; readonly code: string }
    /** `.env` names sealed words that are not there. */
    | { readonly kind: 'words_missing' }
    /** There is neither a home nor a setting to keep. */
    | { readonly kind: 'nothing' };
  constructor(path: string, problem: BackupError['problem'], cause?: unknown) {
    super(`no backup was written to ${path}: ${problem.kind}`, { cause });
    this.path = path;
    this.problem = problem;
  }
}

export type Backup = {
  readonly file: string;
  readonly bytes: number;
  readonly files: number;
  readonly leftOut: readonly LeftOut[];
  /** Fingerprints of those whose database is in it. */
  readonly wallets: readonly string[];
  /** Where a home or a wallet is said to be, and is none. */
  readonly absent: readonly string[];
  readonly wordsOpenWith: 'passphrase' | 'keyring' | undefined;
};

/** Between two of these a kill may come. */
export type BackupCheckpoint =
  `backup:${'begun' | 'home' | 'agents' | 'wallet' | 'written' | 'verified' | 'done'}`;

/**
 * Writes everything that an installation is, but its workspaces, to one file that a passphrase opens. It is there as a whole,
 * read once, or not at all; what is at its place is never replaced. A bot may be running: its database is taken first and the
 * wallet last, for the wallet knows by itself what became of every sat, and a bot that knew of more than its wallet would not.
 *
 * @throws BackupError, LockHeldError while another backup is being made, UnfinishedHomeError
 */
export async function writeBackup(
  installation: Installation,
  target: string,
  passphrase: string,
  parts: {
    readonly program: string;
    readonly now: number;
    readonly signal: AbortSignal;
    readonly reached?: ((checkpoint: BackupCheckpoint) => void) | undefined;
    /** Less than usual: for tests. */
    readonly cost?: PassphraseCost;
  },
): Promise<Backup> {
  const { home } = installation;
  const { signal, reached = () => undefined } = parts;
  if (existsSync(target)) throw new BackupError(target, { kind: 'exists' });
  const hasHome = existsSync(home);
  if (!hasHome && installation.settings === undefined) throw new BackupError(target, { kind: 'nothing' });
  // What is half of one thing and half of another would come back as that, and nobody would know.
  refuseUnfinished(home);
  const part = `${target}.part`;
  const staging = join(home, 'backup.part');
  let file: number | undefined;
  try {
    const lock = acquireLock(join(home, 'backup.lock'));
    try {
      rmSync(staging, { recursive: true, force: true });
      mkdirSync(staging, { mode: 0o700 });
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      rmSync(part, { force: true });
      file = openSync(part, 'wx', 0o600);
      const writer = await createSealedWriter(file, passphrase, parts.cost);
      reached('backup:begun');
      const found = await inSteps(collect(installation, writer, staging, parts), signal);
      writer.end();
      fsyncSync(file);
      reached('backup:written');
      const { size } = fstatSync(file);
      await verify(part, passphrase, signal);
      reached('backup:verified');
      if (!publishNew(part, target)) throw new BackupError(target, { kind: 'exists' });
      syncToDisk(dirname(target));
      reached('backup:done');
      const absent = hasHome ? found.absent : [home, ...found.absent];
      return { file: target, bytes: size, ...found, absent };
    } finally {
      rmSync(staging, { recursive: true, force: true });
      lock.release();
    }
  } catch (cause) {
    const code = errorCode(cause);
    if (cause instanceof BackupError || code === undefined || code.startsWith('SQLITE_')) throw cause;
    const path = pathOf(cause) ?? target;
    const isWritten = path === dirname(target) || [target, staging].some((own) => path.startsWith(own));
    const isRead = !isWritten && [home, installation.walletDirectory].some((own) => path.startsWith(own));
    throw new BackupError(path, { kind: isRead ? 'unreadable' : 'unwritable', code }, cause);
  } finally {
    if (file !== undefined) {
      closeSync(file);
      rmSync(part, { force: true });
    }
  }
}

const pathOf = (cause: unknown): string | undefined =>
  cause instanceof Error && 'path' in cause && typeof cause.path === 'string' ? cause.path : undefined;

/** Whoever has only a backup can only hope that it can be read: it was read. */
async function verify(path: string, passphrase: string, signal: AbortSignal): Promise<void> {
  const reader = await openSealedReader(path, passphrase);
  try {
    await inSteps(
      readBackup(path, reader, function* (_, pieces) {
        for (const _piece of pieces) yield;
      }),
      signal,
    );
  } finally {
    reader.close();
  }
}

function* collect(
  installation: Installation,
  writer: SealedWriter,
  staging: string,
  { program, now, reached = () => undefined }: Parameters<typeof writeBackup>[3],
): Steps<Omit<Backup, 'file' | 'bytes'>> {
  const { home, walletDirectory, wallets, settings } = installation;
  const [wallet] = wallets;
  const openWith = wallet === undefined ? undefined : wordsOpenWith(walletDirectory, wallet);
  writeRecord(writer, {
    ...{ kind: 'manifest', program, madeAt: now, host: hostname() },
    places: { userHome: installation.userHome, directory: installation.directory, home, walletDirectory },
    ...(wallet === undefined ? {} : { wallet }),
    ...(openWith === undefined ? {} : { wordsOpenWith: openWith }),
  });
  let files = 0;
  const leftOut: LeftOut[] = [];
  /** As long as its header says, whatever becomes of the file meanwhile. */
  const put = function* (path: string, { file, size, mode }: Omit<OpenFile, 'path'>): Steps<void> {
    // Whoever restores it would refuse all of it.
    if (!mayBeKept(path)) {
      leftOut.push({ path, why: 'odd' });
      return;
    }
    writeRecord(writer, { kind: 'file', path, mode, size });
    let left = size;
    for (const piece of piecesOf(file, size)) {
      writer.write(piece);
      left -= piece.length;
      yield;
    }
    for (; left > 0; left -= Math.min(left, 65_536)) writer.write(new Uint8Array(Math.min(left, 65_536)));
    files += 1;
  };
  const putOwn = function* (path: string, from: string): Steps<void> {
    const file = openIfThere(from);
    // A bot is at work, and drafts come and go.
    if (file === undefined) return;
    try {
      const stat = fstatSync(file);
      if (stat.isFile()) yield* put(path, { file, size: stat.size, mode: stat.mode & 0o700 });
    } finally {
      closeSync(file);
    }
  };
  const putDatabase = function* (path: string, from: string): Steps<void> {
    yield;
    const copy = join(staging, 'database');
    copyDatabase(from, copy);
    yield* putOwn(path, copy);
    rmSync(copy);
  };
  const putBytes = (path: string, bytes: Uint8Array): void => {
    writeRecord(writer, { kind: 'file', path, mode: 0o600, size: bytes.length });
    writer.write(bytes);
    files += 1;
  };

  if (settings !== undefined) putBytes('settings/env', Buffer.from(settings));
  const here = existsSync(home) ? readdirSync(home, { withFileTypes: true }) : [];
  // First of all: whatever else is taken is newer.
  const databases = here
    .filter((entry) => entry.isFile() && entry.name.endsWith('.db'))
    .map(({ name }) => name);
  for (const name of databases.toSorted((a) => (a === 'bot.db' ? -1 : 1)))
    yield* putDatabase(`home/${name}`, join(home, name));
  for (const entry of here) {
    if (entry.isFile() && isKept(entry.name)) yield* putOwn(`home/${entry.name}`, join(home, entry.name));
    else if (entry.isSymbolicLink()) leftOut.push({ path: `home/${entry.name}`, why: 'odd' });
  }
  // `hosts`: the key with which the bot opens its agents' hosts, and theirs.
  for (const folder of ['secrets', 'hosts']) {
    for (const name of filesIn(join(home, folder)))
      yield* putOwn(`home/${folder}/${name}`, join(home, folder, name));
  }
  reached('backup:home');

  yield* putAgentFolders(join(home, 'agent'), staging, put, (left) => leftOut.push(left));
  reached('backup:agents');

  const kept: string[] = [];
  const absent: string[] = [];
  for (const fingerprint of wallets) {
    const words = sealedWordsFile(walletDirectory, fingerprint);
    if (existsSync(words)) yield* putOwn(`wallet/${fingerprint}.words`, words);
    else if (installation.sealed && fingerprint === wallet)
      throw new BackupError(words, { kind: 'words_missing' });
    const database = join(walletDirectory, `${fingerprint}.db`);
    if (existsSync(database)) {
      yield* putDatabase(`wallet/${fingerprint}.db`, database);
      kept.push(fingerprint);
    } else absent.push(database);
  }
  reached('backup:wallet');
  writeRecord(writer, { kind: 'end', files });
  return { files, leftOut, wallets: kept, absent, wordsOpenWith: openWith };
}

/** Not what belongs to a process that is running, what databases are made of, and older copies of them. */
const isKept = (name: string): boolean =>
  !/\.(db|lock|sock|part|tmp|backup)$|\.db[-.]|\.lock\b|\.log\b/.test(name) && name !== 'restore.json';

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const filesIn = (folder: string): readonly string[] => {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
};

/** Of each owner, the conversations of their agents. Not what runs have left, nor snapshots: their workspace is not in it. */
const keptFolders = /^(store|cursor|acp-.+)$/;

function* putAgentFolders(
  root: string,
  staging: string,
  put: (path: string, file: Omit<OpenFile, 'path'>) => Steps<void>,
  leaveOut: (left: LeftOut) => void,
): Steps<void> {
  const count = { files: 0 };
  for (const owner of foldersIn(root)) {
    for (const name of foldersIn(join(root, owner)).filter((one) => keptFolders.test(one))) {
      const folder = join(root, owner, name);
      const path = (below: string): string => `home/agent/${owner}/${name}/${below}`;
      const onFile = function* (found: OpenFile): Steps<void> {
        if (/-(wal|shm|journal)$/.test(found.path)) return;
        if (!found.path.endsWith('.db')) yield* put(path(found.path), found);
        else yield* putLive(folder, found.path, staging, path, put, leaveOut);
      };
      yield* eachAgentFile(folder, onFile, (left) => leaveOut({ ...left, path: path(left.path) }), count);
    }
  }
}

function* putLive(
  folder: string,
  below: string,
  staging: string,
  path: (below: string) => string,
  put: (path: string, file: Omit<OpenFile, 'path'>) => Steps<void>,
  leaveOut: (left: LeftOut) => void,
): Steps<void> {
  const name = below.slice(below.lastIndexOf('/') + 1);
  const within = below.slice(0, below.length - name.length);
  const staged = (one: string): string => join(staging, one === name ? 'live' : 'live-wal');
  const names = yield* copyLiveDatabase(join(folder, within), name, staged);
  if (names === undefined) leaveOut({ path: path(below), why: 'changing' });
  for (const one of names ?? []) {
    const file = openSync(staged(one), 'r');
    try {
      yield* put(path(`${within}${one}`), { file, size: fstatSync(file).size, mode: 0o600 });
    } finally {
      closeSync(file);
    }
  }
  for (const one of ['live', 'live-wal']) rmSync(join(staging, one), { force: true });
}

/** The bot's own folders, and no link. */
const foldersIn = (folder: string): readonly string[] => {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
};
