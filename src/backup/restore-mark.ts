/*
 * What stands in `BOT_HOME/restore.json` while a backup is being put in place: as long as it is there nothing begins in that
 * home, and who gives the command again knows what the one before has done.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import { unfinishedFile } from '../store/lock-home.ts';

const markSchema = z.object({
  /** Places of what was kept aside by restorings that are over. */
  before: z.array(z.string()),
  /** Where what was in the home goes. */
  aside: z.string().optional(),
  /** Wallets that are in place, of the backup that was made then. */
  wallets: z
    .array(z.object({ file: z.string(), madeAt: z.number(), carried: z.number(), unread: z.boolean() }))
    .default([]),
  /** Workspaces that were made. */
  made: z.array(z.string()).default([]),
  /** What is put into the home: whatever of these names is there then came from a backup. */
  placed: z.array(z.string()),
});
export type RestoreMark = z.infer<typeof markSchema>;

export const newMark = (before: readonly string[]): RestoreMark => ({
  ...{ before: [...before], wallets: [], made: [], placed: [] },
});

/** Of a restoring that was cut off; undefined: there was none. */
export function readMark(home: string): RestoreMark | undefined {
  const text = readFileIfThere(unfinishedFile(home, 'restore'));
  if (text === undefined) return undefined;
  return markSchema.safeParse(parseJson(text)).data ?? newMark([]);
}

export const writeMark = (home: string, mark: RestoreMark): void =>
  writeFileAtomically(unfinishedFile(home, 'restore'), `${JSON.stringify(mark)}\n`, 0o600);

/** Everything that a restoring has ever kept aside at these places. */
export function keptAside(places: {
  readonly home: string;
  readonly walletDirectory: string;
  readonly envFile: string;
}): readonly string[] {
  const env = `${basename(places.envFile)}.before-restore`;
  return [
    ...inFolder(places.walletDirectory, (name) => /\.before-restore(?:-damaged)?(?:\.\d+)?$/.test(name)),
    ...inFolder(places.home, (name) => /^before-restore(?:\.\d+)?$/.test(name)),
    ...inFolder(dirname(places.envFile), (name) => name === env || name.startsWith(`${env}.`)),
  ];
}

const inFolder = (folder: string, isOne: (name: string) => boolean): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter(isOne)
        .toSorted()
        .map((name) => join(folder, name))
    : [];
