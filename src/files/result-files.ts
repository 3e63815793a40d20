import { holdsSecret, isPrivatePath, namedFiles } from './named-files.ts';
import type { OutgoingFiles, PreparedFile } from './outgoing-files.ts';
import { readWorkspaceFile } from './read-workspace-file.ts';
import { sniffType, textType } from './sniff-type.ts';

/** What an agent made and named in its answer. */
export type Results = {
  readonly files: readonly PreparedFile[];
  /** Short texts, which are read as text. */
  readonly texts: readonly { readonly path: string; readonly text: string }[];
  /** Named and not sent by itself: there are too many, or it is too large. */
  readonly left: readonly { readonly path: string; readonly size: number }[];
};

export const noResults: Results = { files: [], texts: [], left: [] };

/** Of one answer: what its reader did not ask for by name is to be little, and to be ready in a moment. */
const mostFiles = 5;
const mostBytes = 8 * 1024 * 1024;
/** Looked into for that: reading and cleaning hold up everybody else, also where nothing comes of it. */
const mostRead = 3 * mostBytes;
const mostTextCharacters = 3_500;
/** Texts that are nothing to read on a phone. */
const isMarkup = (path: string): boolean => /\.(?:svg|html?|xml)$/i.test(path);

/**
 * The files of the workspace that an answer names and that came to be, or were changed, since its run began. An agent can write
 * whatever it likes into its answer and into its workspace: nothing outside of that is opened, no link is followed, and what
 * looks like a secret is left (docs/security.md).
 *
 * @param since ms
 */
export function resultFiles(answer: string, workspace: string, since: number, files: OutgoingFiles): Results {
  const found: { files: PreparedFile[]; texts: Results['texts'][number][]; left: Results['left'][number][] } =
    {
      ...{ files: [], texts: [], left: [] },
    };
  const seen = new Set<string>();
  let room = mostBytes;
  let unread = mostRead;
  for (const { path: named, declared } of namedFiles(answer)) {
    const file = readWorkspaceFile(workspace, named, {
      maxBytes: Math.min(room, unread),
      // One of several names may be that of a file elsewhere.
      isWanted: ({ changedAt, links }) => changedAt >= since && links === 1,
    });
    if ('problem' in file) {
      const path = within(workspace, named);
      if (file.problem === 'too_large' && !isPrivatePath(path) && !seen.has(path))
        found.left.push({ path, size: file.size });
      continue;
    }
    const { path, bytes } = file;
    unread -= bytes.length;
    if (seen.has(path) || isPrivatePath(path) || bytes.length === 0) continue;
    seen.add(path);
    const sniffed = sniffType(bytes);
    const isText = sniffed.kind === 'text';
    if ((isText && !declared) || holdsSecret(bytes)) continue;
    if (found.files.length + found.texts.length >= mostFiles) {
      found.left.push({ path, size: bytes.length });
      continue;
    }
    if (isText && bytes.length <= mostTextCharacters && !isMarkup(path)) {
      found.texts.push({ path, text: Buffer.from(bytes).toString() });
      continue;
    }
    const type = isText ? textType(path) : sniffed;
    const prepared = files.prepare({ bytes, type, name: path, way: 'get' });
    if (prepared === undefined) continue;
    room -= bytes.length;
    found.files.push(prepared);
  }
  return found;
}

const within = (workspace: string, path: string): string =>
  path.startsWith(`${workspace}/`) ? path.slice(workspace.length + 1) : path;
