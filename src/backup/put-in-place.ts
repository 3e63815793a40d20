import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { putBack } from '@nostr-dm-agent/cashu-wallet/remote';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { readFileIfThere, syncToDisk, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { unfinishedFile } from '../store/lock-home.ts';
import { keptAside, newMark, type RestoreMark, writeMark } from './restore-mark.ts';
import {
  filesIn,
  type Prepared,
  type RestoreCheckpoint,
  type Restored,
  type RestoreParts,
  walletsIn,
} from './restore-parts.ts';
import { thingsIn } from './stage-backup.ts';

/** From here on something is changed. */
export function putInPlace(
  { manifest, home, walletDirectory, moves, folder, ...prepared }: Prepared,
  { extensions }: RestoreParts,
  reached: (checkpoint: RestoreCheckpoint) => void,
): Restored {
  const { envFile, settings, mint, workspaces, unmoved, earlier } = prepared;
  reached('restore:staged');
  const found = { home, walletDirectory, envFile };
  let mark = earlier ?? newMark(keptAside(found));
  const note = (more: Partial<RestoreMark>): void => {
    mark = { ...mark, ...more };
    writeMark(home, mark);
  };
  note({});
  reached('restore:marked');
  const { madeAt } = manifest;
  for (const name of walletsIn(folder)) {
    const file = join(walletDirectory, name);
    const words = name.replace(/\.db$/, '.words');
    putFile(join(folder, 'wallet', words), join(walletDirectory, words));
    // An earlier try has put it there: what that one kept is what was there before.
    if (mark.wallets.some((one) => one.file === file && one.madeAt === madeAt)) continue;
    const put = putBack({ from: join(folder, 'wallet', name), to: file, mint }, undefined, extensions);
    const { operations, keptTokens, unread } = put.carried;
    note({ wallets: [...mark.wallets, { file, madeAt, carried: operations + keptTokens, unread }] });
  }
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
  note({ made: [...mark.made, ...missing.filter(makeFolder)] });
  const unmade = missing.filter((path) => !mark.made.includes(path));
  reached('restore:settings');
  const kept = keptAside(found).filter((path) => !mark.before.includes(path));
  rmSync(unfinishedFile(home, 'restore'));
  syncToDisk(home);
  reached('restore:done');
  const { wallets, made } = mark;
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
