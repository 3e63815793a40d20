import { closeSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryAt, pin, readPlainFile } from '../jail/pins.ts';
import { removeTree } from '../jail/remove-tree.ts';

/** So many are there of one workspace at the most; what is more an agent has made. */
const mostFolders = 50;
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

/** A folder that an agent can write to, held while its entries are looked at, so that none is reached through a link. */
function withFolder(path: string, work: (at: (name: string) => string) => void): void {
  const fd = pin(path);
  try {
    work((name) => `/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes the repositories in which a server keeps what was there before each task fit to be used again. The agent can write
 * there, and the server runs git on them in later runs: a setting, a hook or a filter that an agent left would be run
 * without anybody being asked. Nothing is followed, and what is thrown out goes to `trash`, out of every jail.
 * @param snapshots the owner's folder of this workspace, which the server sees: `<project>/<work tree>` in it
 * @throws PathChangedError an agent at work there put a link in the way meanwhile
 */
export async function cleanSnapshots(snapshots: string, workspace: string, trash: string): Promise<void> {
  const thrown: string[] = [];
  const throwOut = (path: string): void => {
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    const away = join(trash, crypto.randomUUID());
    renameSync(path, away);
    thrown.push(away);
  };
  /** The folders in one; what is none has no business there. */
  const eachFolder = (path: string, work: (folder: string) => void): void =>
    withFolder(path, (at) => {
      for (const [index, name] of readdirSync(at('.')).entries()) {
        if (index >= mostFolders || entryAt(at(name))?.isDirectory() !== true) throwOut(at(name));
        else work(join(path, name));
      }
    });
  eachFolder(snapshots, (project) =>
    eachFolder(project, (repository) =>
      withFolder(repository, (at) => cleanRepository(repository, at, workspace, throwOut)),
    ),
  );
  for (const path of thrown) await removeTree(path);
}

function cleanRepository(
  repository: string,
  at: (name: string) => string,
  workspace: string,
  throwOut: (path: string) => void,
): void {
  for (const name of refused) if (entryAt(at(name)) !== undefined) throwOut(at(name));
  const hooks = entryAt(at('hooks'));
  const isSamples =
    hooks?.isDirectory() === true && readdirSync(at('hooks/.')).every((name) => name.endsWith('.sample'));
  if (hooks !== undefined && !isSamples) throwOut(at('hooks'));
  const info = entryAt(at('info'));
  if (info?.isDirectory() === true)
    withFolder(join(repository, 'info'), (inInfo) => {
      if (entryAt(inInfo('attributes')) !== undefined) throwOut(inInfo('attributes'));
    });
  else if (info !== undefined) throwOut(at('info'));
  const entry = entryAt(at('config'));
  const wanted = configOf(workspace);
  const isPlain = entry?.isFile() === true && entry.nlink === 1;
  if (isPlain && readPlainFile(at('config'), largestConfig) === wanted) return;
  if (entry !== undefined) throwOut(at('config'));
  writeFileSync(at('config'), wanted, { flag: 'wx', mode: 0o600 });
}
