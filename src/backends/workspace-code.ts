import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';

/**
 * What in a workspace would make opencode run code of the workspace at its start.
 *
 * opencode 1.18 has two plugin loaders. The newer one looks for `.opencode` and `opencode.json(c)` from the working
 * directory up to the root of its repository, and obeys neither `OPENCODE_DISABLE_PROJECT_CONFIG` nor `OPENCODE_PURE`
 * (seen: 1.18.33). So these files have to be out of its sight, or opencode must not be started there.
 */
export type WorkspaceCode = {
  /** Folders and files that have to be hidden. */
  readonly paths: readonly string[];
  /** One of them that holds code, for the owner; undefined when none does. */
  readonly example: string | undefined;
};

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');

const kindOf = async (path: string): Promise<'folder' | 'other' | undefined> => {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/** The workspace and the folders above it, up to the root of the repository that it is in. */
async function* placesOf(workspace: string): AsyncGenerator<string> {
  const places: string[] = [];
  for (let place = workspace; ; place = dirname(place)) {
    places.push(place);
    if ((await kindOf(join(place, '.git'))) !== undefined) {
      yield* places;
      return;
    }
    if (place === dirname(place)) break;
  }
  // In no repository: only the workspace itself is somebody else's.
  yield workspace;
}

/** Not parsed: what opencode makes of a broken or odd file is not ours to guess. */
const namesPlugins = async (path: string): Promise<boolean> =>
  /["']plugins?["']/.test(await readFile(path, 'utf8'));

const codeIn = async (folder: string): Promise<string | undefined> => {
  for (const name of ['plugin', 'plugins']) {
    try {
      const file = (await readdir(join(folder, name))).find((entry) => /\.[tj]s$/.test(entry));
      if (file !== undefined) return join(folder, name, file);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return undefined;
};

export const findWorkspaceCode = async (workspace: string): Promise<WorkspaceCode> => {
  const paths: string[] = [];
  let example: string | undefined;
  for await (const place of placesOf(workspace)) {
    const folder = join(place, '.opencode');
    if ((await kindOf(folder)) !== undefined) {
      paths.push(folder);
      example ??= await codeIn(folder);
    }
    for (const directory of [place, folder]) {
      for (const name of ['opencode.json', 'opencode.jsonc']) {
        const file = join(directory, name);
        if ((await kindOf(file)) !== 'other' || !(await namesPlugins(file))) continue;
        if (directory === place) paths.push(file);
        example ??= file;
      }
    }
  }
  return { paths, example };
};
