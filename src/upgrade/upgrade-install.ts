import { Database } from 'bun:sqlite';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lockWalletFile } from '@nostr-dm-agent/cashu-wallet/remote';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { readFileIfThere, syncToDisk, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { copyDatabase } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { Installation } from '../backup/installation.ts';
import { lockAnyHome, unfinishedFile } from '../store/lock-home.ts';
import { type Checkout, CheckoutError, openCheckout } from './checkout.ts';
import { run } from './run-program.ts';
import { type Content, contentOf, contentSchema, type Databases, marksOf, versionsOf } from './self-check.ts';

/** The new version was not put in place: what there was is there again, but for `way_back`. */
export class UpgradeFailedError extends Error {
  override readonly name = 'UpgradeFailedError';
  /** `way_back`: what there was could not be put back either. No bot begins before the same command has done that. */
  readonly step: 'install' | 'rehearsal' | 'databases' | 'way_back';
  readonly said: string;
  constructor(step: UpgradeFailedError['step'], said: string, cause?: unknown) {
    super(`the new version failed (${step})`, { cause });
    this.step = step;
    this.said = said;
  }
}

const journalSchema = z.object({
  from: z.string(),
  to: z.string(),
  /** The databases themselves are being changed, or were. */
  databases: z.boolean(),
  /** It is being taken back. */
  undo: z.boolean(),
  copies: z.array(z.object({ path: z.string(), copy: z.string() })),
});
type Journal = z.infer<typeof journalSchema>;

/** Between two of these a kill may come. */
export type UpgradeCheckpoint =
  `upgrade:${'copied' | 'begun' | 'code' | 'installed' | 'rehearsed' | 'marked' | 'migrated' | 'done'}`;

export type UpgradeParts = {
  readonly installation: Installation;
  readonly checkout: Checkout;
  readonly signal: AbortSignal;
  readonly reached?: ((checkpoint: UpgradeCheckpoint) => void) | undefined;
};

const installMs = 15 * 60_000;
const checkMs = 10 * 60_000;

const databasesOf = ({ home, walletDirectory, wallets }: Installation): Databases => ({
  bot: join(home, 'bot.db'),
  wallets: wallets.map((fingerprint) => join(walletDirectory, `${fingerprint}.db`)),
});

/** Nobody works here from now on, and nobody begins to. @throws LockHeldError, WalletInUseError */
export function lockInstallation(installation: Installation): { readonly release: () => void } {
  const locks = [lockAnyHome(installation.home)];
  try {
    for (const path of databasesOf(installation).wallets)
      if (existsSync(path)) locks.push(lockWalletFile(path));
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
  return {
    release: () => {
      for (const lock of locks.toReversed()) lock.release();
    },
  };
}

/** An installation at its new version, which can be given up still. */
export type Upgraded = {
  /** It is the one from now on. */
  readonly keep: () => void;
  /**
   * By who has the installation locked again: as it was before, unless something has moved in the databases that were changed.
   * @throws CheckoutError
   */
  readonly takeBack: () => Promise<Exclude<Resumed, 'nothing'>>;
};

/**
 * Brings an installation to another commit: copies of its databases, the code, its packages, a trial on copies by the new version,
 * then the databases themselves. Whatever fails, all of it is as it was before. By who has it locked.
 *
 * @throws UpgradeFailedError, CheckoutError
 */
export async function upgradeInstall(to: string, parts: UpgradeParts): Promise<Upgraded> {
  const { installation, checkout, reached = () => undefined } = parts;
  const { home } = installation;
  const databases = databasesOf(installation);
  const from = await checkout.head();
  const before = contentOf(databases);
  const copies = [databases.bot, ...databases.wallets].filter(existsSync).map((path) => {
    const copy = `${path}.before-upgrade`;
    copyDatabase(path, `${copy}.part`);
    renameSync(`${copy}.part`, copy);
    return { path, copy };
  });
  reached('upgrade:copied');
  let journal: Journal = { from, to, copies, databases: false, undo: false };
  note(journal, home);
  reached('upgrade:begun');
  try {
    await checkout.moveTo(to);
    reached('upgrade:code');
    await install(parts);
    reached('upgrade:installed');
    await rehearse(databases, before, parts);
    reached('upgrade:rehearsed');
    journal = { ...journal, databases: true };
    note(journal, home);
    reached('upgrade:marked');
    await checkWith(databases, before, 'databases', parts);
    reached('upgrade:migrated');
  } catch (error) {
    await wayBack(journal, await untilBack(parts));
    throw error;
  }
  allowStart(home);
  reached('upgrade:done');
  return {
    keep: () => forgetCopies(journal),
    takeBack: async () => {
      note(journal, home);
      return resumeFrom(journal, await untilBack(parts));
    },
  };
}

/** Also when it was interrupted: the way back takes the time that it needs. */
async function untilBack({ installation, checkout }: UpgradeParts): Promise<UpgradeParts> {
  const signal = AbortSignal.timeout(installMs);
  return { installation, checkout: await openCheckout(checkout.folder, signal), signal };
}

const note = (journal: Journal, home: string): void =>
  writeFileAtomically(unfinishedFile(home, 'upgrade'), JSON.stringify(journal), 0o600);

function allowStart(home: string): void {
  rmSync(unfinishedFile(home, 'upgrade'), { force: true });
  syncToDisk(home);
}

/** Of no use once it is done or undone: each migration has kept its own. */
function forgetCopies({ copies }: Journal): void {
  for (const { copy } of copies) rmSync(copy, { force: true });
}

async function install({ checkout, signal }: UpgradeParts): Promise<void> {
  const command = [process.execPath, 'install', '--frozen-lockfile'];
  const { code, stderr } = await run(command, checkout.folder, installMs, signal);
  if (code !== 0) throw new UpgradeFailedError('install', stderr.trim().slice(-1000));
}

/** The new version on copies, in a folder of their own. */
async function rehearse(databases: Databases, before: Content, parts: UpgradeParts): Promise<void> {
  const place = join(parts.installation.home, 'upgrade.part');
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { mode: 0o700 });
  try {
    const copyOf = (path: string): string => join(place, basename(path));
    for (const path of [databases.bot, ...databases.wallets].filter(existsSync))
      copyDatabase(path, copyOf(path));
    const copies = { bot: copyOf(databases.bot), wallets: databases.wallets.map(copyOf) };
    await checkWith(copies, before, 'rehearsal', parts);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** The new version, in a process of its own, brings databases to itself; what is in them is what was in them before. */
async function checkWith(
  { bot, wallets }: Databases,
  before: Content,
  step: UpgradeFailedError['step'],
  { checkout, signal }: UpgradeParts,
): Promise<void> {
  const program = join(checkout.folder, 'src/index.ts');
  const command = [process.execPath, '--no-env-file', program, 'self-check', bot, ...wallets];
  const { code, stdout, stderr } = await run(command, checkout.folder, checkMs, signal);
  if (code !== 0) throw new UpgradeFailedError(step, stderr.trim().slice(-1000));
  const after = contentSchema.safeParse(parseJson(stdout)).data;
  if (after === undefined || !Bun.deepEquals(after, before)) {
    const said = `before: ${JSON.stringify(before)}; after: ${JSON.stringify(after)}`;
    throw new UpgradeFailedError(step, said);
  }
}

/** What became of an upgrade that was cut off. */
export type Resumed = 'nothing' | 'undone' | 'kept';

/**
 * Takes back an upgrade that was cut off, by who has the installation locked. Where something has moved in the databases since they were
 * changed, they stay, and so does the version that has changed them: money is not rolled back.
 */
export async function resumeUpgrade(parts: UpgradeParts): Promise<Resumed> {
  const { home } = parts.installation;
  const text = readFileIfThere(unfinishedFile(home, 'upgrade'));
  if (text === undefined) return 'nothing';
  return resumeFrom(journalSchema.parse(parseJson(text)), parts);
}

async function resumeFrom(journal: Journal, parts: UpgradeParts): Promise<Exclude<Resumed, 'nothing'>> {
  if (journal.databases && !journal.undo && hasMoved(journal)) {
    await parts.checkout.moveTo(journal.to);
    await install(parts);
    allowStart(parts.installation.home);
    forgetCopies(journal);
    return 'kept';
  }
  await wayBack(journal, parts);
  return 'undone';
}

/** Whether something was done in a database since it was brought to the new version. What can't be compared has moved. */
const hasMoved = ({ copies }: Journal): boolean =>
  copies.some(({ path, copy }) => {
    if (!isMigrated(path, copy)) return false;
    try {
      const now = marksOf(path);
      // Tables that the new version has made are nobody's doing.
      return [...marksOf(copy)].some(([table, then]) => !Bun.deepEquals(now.get(table), then));
    } catch {
      return true;
    }
  });

/** Code, packages and databases as they were. Only those are put back that were brought to another version. */
async function wayBack(journal: Journal, parts: UpgradeParts): Promise<void> {
  const { home } = parts.installation;
  note({ ...journal, undo: true }, home);
  try {
    if (journal.databases) {
      for (const { path, copy } of journal.copies) if (isMigrated(path, copy)) putCopyBack(copy, path);
    }
    await parts.checkout.moveTo(journal.from);
    await install(parts);
  } catch (cause) {
    throw new UpgradeFailedError('way_back', saidBy(cause), cause);
  }
  allowStart(home);
  forgetCopies(journal);
}

function saidBy(error: unknown): string {
  if (error instanceof UpgradeFailedError) return error.said;
  if (error instanceof CheckoutError && error.problem.kind === 'git') return error.problem.said;
  return error instanceof Error ? error.message : '';
}

/** Not of the version any more that the copy is of; damaged counts, too. */
function isMigrated(path: string, copy: string): boolean {
  try {
    return !Bun.deepEquals(versionsOf(path), versionsOf(copy));
  } catch {
    return true;
  }
}

/** What was in the log goes into the database first: it would be read into what comes there. */
function putCopyBack(copy: string, path: string): void {
  const place = `${path}.going-back`;
  copyDatabase(copy, place);
  try {
    const db = new Database(path);
    db.exec('PRAGMA journal_mode=DELETE');
    db.close();
  } catch (error) {
    if (errorCode(error)?.startsWith('SQLITE_') !== true) throw error;
  }
  for (const part of ['-wal', '-shm', '-journal']) rmSync(path + part, { force: true });
  renameSync(place, path);
  syncToDisk(path);
}
