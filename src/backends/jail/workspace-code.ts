import { readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Node, ParseError } from 'jsonc-parser';
import { entryAt, readPlainFile } from './pins.ts';

/**
 * What in a workspace would make opencode run code of the workspace: opencode 1.18 has a plugin loader that obeys
 * neither `OPENCODE_DISABLE_PROJECT_CONFIG` nor `OPENCODE_PURE`, and looks again some seconds after the start. So
 * these names are out of the agent's sight, whatever they hold and are.
 */
export const codeNames = ['.opencode', 'opencode.json', 'opencode.jsonc'] as const;

/** One of them cannot be hidden, because it is a link or a special file, or because there is no wall to hide it. */
export class WorkspaceCodeError extends Error {
  override readonly name = 'WorkspaceCodeError';
  /** Relative to the workspace. */
  readonly entry: string;
  constructor(entry: string) {
    super(`the workspace's ${entry} cannot be hidden`);
    this.entry = entry;
  }
}

export type CodeEntry = { readonly path: string; readonly kind: 'folder' | 'file' };

/**
 * Those that are there, looked at without following a link.
 * @throws WorkspaceCodeError one of them is neither a folder nor a regular file
 */
export const workspaceCode = (workspace: string): readonly CodeEntry[] =>
  codeNames.flatMap((name): readonly CodeEntry[] => {
    const path = join(workspace, name);
    const entry = entryAt(path);
    if (entry === undefined) return [];
    if (entry.isDirectory()) return [{ path, kind: 'folder' }];
    if (entry.isFile()) return [{ path, kind: 'file' }];
    throw new WorkspaceCodeError(name);
  });

const largestSettings = 1024 * 1024;

/** Whether a settings file certainly names no plugin: what its parser and opencode's may read differently is not certain. */
const isHarmless = async (path: string): Promise<boolean> => {
  const text = readPlainFile(path, largestSettings);
  if (text === undefined || text.length === largestSettings) return false;
  const { parseTree } = await import('jsonc-parser');
  const errors: ParseError[] = [];
  try {
    const tree = parseTree(text, errors, { allowTrailingComma: true });
    return errors.length === 0 && tree?.type === 'object' && !namesPlugin(tree);
  } catch (error) {
    if (error instanceof RangeError) return false; // nested deeper than can be read
    throw error;
  }
};

const namesPlugin = (node: Node): boolean =>
  (node.type === 'property' && /plugin/i.test(String(node.children?.[0]?.value))) ||
  (node.children ?? []).some(namesPlugin);

/** The workspace and the folders above it, up to the root of the repository that it is in. */
const placesOf = (workspace: string): readonly string[] => {
  const places: string[] = [];
  for (let place = workspace; ; place = dirname(place)) {
    places.push(place);
    if (entryAt(join(place, '.git')) !== undefined) return places;
    // In no repository: only the workspace itself is somebody else's.
    if (place === dirname(place)) return [workspace];
  }
};

const riskIn = async (folder: string): Promise<string | undefined> => {
  const own = readdirSync(folder).find((name) => /^plugins?$/.test(name));
  if (own !== undefined) return join(folder, own);
  for (const path of codeNames.slice(1).map((name) => join(folder, name)))
    if (entryAt(path) !== undefined && !(await isHarmless(path))) return path;
  return undefined;
};

/** As `refuseWorkspaceCode`, for one that has been looked at before. */
export const hasWorkspaceCode = async (workspace: string): Promise<boolean> => {
  try {
    await refuseWorkspaceCode(workspace);
    return false;
  } catch (error) {
    if (error instanceof WorkspaceCodeError) return true;
    throw error;
  }
};

/**
 * Where nothing can be hidden: refuses a workspace that brings code, or what may be code.
 * @throws WorkspaceCodeError
 */
export const refuseWorkspaceCode = async (workspace: string): Promise<void> => {
  for (const place of placesOf(workspace))
    for (const { path, kind } of workspaceCode(place)) {
      const risk = kind === 'folder' ? await riskIn(path) : (await isHarmless(path)) ? undefined : path;
      if (risk !== undefined) throw new WorkspaceCodeError(relative(workspace, risk) || basename(risk));
    }
};
