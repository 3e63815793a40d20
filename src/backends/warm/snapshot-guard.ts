import { closeSync, mkdirSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryAt, pin, readPlainFile } from '../jail/pins.ts';
import { removeTree } from '../jail/remove-tree.ts';

/** So many are there of one workspace at the most; what is more an agent has made. */
const mostRepositories = 50;
const largestConfig = 4096;
/** What git would run, or take from elsewhere, if an agent put it there. */
const refused = ['config.worktree', 'commondir', 'gitdir'];

/** As opencode 1.18 writes it. */
const configOf = (workspace: string): string => `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = true
	worktree = ${asValue(workspace)}
	autocrlf = false
	longpaths = true
	symlinks = true
	fsmonitor = false
	untrackedCache = true
[feature]
	manyFiles = true
[index]
	version = 4
	threads = true
`;

/** As git writes a value. */
const asValue = (text: string): string => {
  const escaped = text
    .replace(/[\\"]/g, (character) => `\\${character}`)
    .replace(/\n/g, '\\n')
    .replace(/\t/g, '\\t');
  return /[;#]|^ | $/.test(text) ? `"${escaped}"` : escaped;
};

/**
 * Makes the repositories in which a server keeps what was there before each task fit to be used again. The agent can write
 * there, and the server runs git on them in later runs: a setting, a hook or a filter that an agent left would be run
 * without anybody being asked. Nothing is followed, and what is thrown out goes to `trash`, out of every jail.
 * @param snapshots the owner's folder of this workspace, which the server sees
 */
export async function cleanSnapshots(snapshots: string, workspace: string, trash: string): Promise<void> {
  const thrown: string[] = [];
  const throwOut = (path: string): void => {
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    const away = join(trash, crypto.randomUUID());
    renameSync(path, away);
    thrown.push(away);
  };
  for (const repository of repositoriesIn(snapshots, throwOut)) {
    const fd = pin(repository);
    try {
      const at = (name: string): string => `/proc/self/fd/${fd}/${name}`;
      for (const name of refused) if (entryAt(at(name)) !== undefined) throwOut(at(name));
      const hooks = entryAt(at('hooks'));
      const hasHooks =
        hooks?.isDirectory() === true &&
        readdirSync(`${at('hooks')}/.`).some((each) => !each.endsWith('.sample'));
      if (hooks !== undefined && (hasHooks || !hooks.isDirectory())) throwOut(at('hooks'));
      const info = entryAt(at('info'));
      if (info !== undefined && !info.isDirectory()) throwOut(at('info'));
      else if (entryAt(at('info/attributes')) !== undefined) throwOut(at('info/attributes'));
      const entry = entryAt(at('config'));
      const wanted = configOf(workspace);
      const isPlain = entry?.isFile() === true && entry.nlink === 1;
      if (isPlain && readPlainFile(at('config'), largestConfig) === wanted) continue;
      if (isPlain) unlinkSync(at('config'));
      else if (entry !== undefined) throwOut(at('config'));
      writeFileSync(at('config'), wanted, { flag: 'wx', mode: 0o600 });
    } finally {
      closeSync(fd);
    }
  }
  for (const path of thrown) await removeTree(path);
}

/** `<project>/<work tree>`; what is no folder has no business there. */
function repositoriesIn(snapshots: string, throwOut: (path: string) => void): readonly string[] {
  const foldersIn = (folder: string): readonly string[] => {
    const names = readdirSync(folder).map((name) => join(folder, name));
    for (const path of names) if (entryAt(path)?.isDirectory() !== true) throwOut(path);
    return names.filter((path) => entryAt(path)?.isDirectory() === true);
  };
  const found = foldersIn(snapshots).flatMap(foldersIn);
  for (const path of found.slice(mostRepositories)) throwOut(path);
  return found.slice(0, mostRepositories);
}
