import type { FileProblem } from '../files/fetch-file.ts';
import type { WorkspaceFileProblem } from '../files/read-workspace-file.ts';
import { lines, plural, shorten } from './format.ts';

type Kept = { readonly path: string; readonly mime: string; readonly size: number };

/** `4.1 MB`, `12 kB`. */
export const formatBytes = (bytes: number): string =>
  bytes >= 1_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1000))} kB`;

const fileLine = ({ path, mime, size }: Kept): string => `${path} (${mime}, ${formatBytes(size)})`;

/** A file that came without a word. */
export const whatToDoText = (files: readonly Kept[]): string =>
  lines(
    files.length === 1
      ? `Saved as ${files.map(fileLine).join('')}.`
      : `Saved, ${plural(files.length, 'file')}:`,
    files.length > 1 && files.map((file) => `· ${fileLine(file)}`),
    `Tell me what to do with ${files.length === 1 ? 'it' : 'them'}.`,
  );

/** Why a file could not be had. */
export function fileProblemText(problem: FileProblem): string {
  switch (problem.problem) {
    case 'status':
      return [404, 410].includes(problem.status)
        ? `I could not open that file: the server answers ${problem.status}, it was probably deleted. Send it again.`
        : `I could not open that file: the server answers ${problem.status}. Send it again, or by another server.`;
    case 'too_large':
      return 'That file is larger than 20 MiB, which is the most that I take.';
    case 'unreachable':
      return 'I could not open that file: its server can’t be reached, or broke off. Send it again.';
    case 'private':
      return 'I did not open that file: its address leads into a private network, or is not https.';
    case 'not_that':
      return 'I did not open that file: what the server has is not what was sent. Send it again.';
    case 'locked':
      return 'I could not decrypt that file with the key that came with it. Send it again.';
    case 'changed':
      return 'I did not open that file: decrypted, it is not what its sender says it is. Send it again.';
    case 'empty':
      return 'That file is empty.';
  }
}

export const inboxProblemText = (isNoFolder: boolean): string =>
  isNoFolder
    ? 'I could not save that file: .dm-inbox in the workspace is no folder. Have it taken away (!agent …), and send it again.'
    : 'I could not save that file: the workspace can’t be written to, or the disk is full.';

export const noAddressText =
  'I could not open that file: it came without an address of the web. Send it again, or describe it in words.';

/** What the agent reads of the files that came with a task. */
export const filesNote = (files: readonly Kept[]): string =>
  lines(
    '',
    '',
    'With this came, in the workspace:',
    files.map((file) => `- ${fileLine(file)}`),
  );

/** The model can't be shown a picture. @param others that can */
export const noPicturesText = (model: string, others: readonly string[]): string =>
  lines(
    `${model} does not take pictures, so nothing was run; the picture stays here for an hour.`,
    others.length === 0
      ? 'None of the node’s models is known to take pictures: !provider nodes shows other nodes.'
      : `These do: ${others.slice(0, 5).join(', ')}. !model ${others[0]}, then send the task again.`,
  );

/** The workspace is on another machine. */
export const hostedInboxText =
  'I can’t save files in a workspace that is on another machine yet. !workspace names those that are here.';

/** The workspace is on another machine. */
export const hostedGetText =
  'I can’t read files of a workspace that is on another machine yet. !workspace names those that are here.';

/** A text file, its name above it. */
export const gotText = (path: string, text: string): string => `${path}\n\n${text}`;

export const emptyFileText = (path: string): string => `${path} is empty.`;

/** It is no text. */
export const notSentText = (file: Kept): string =>
  `${fileLine(file)} is no text, and I can’t send pictures and other files yet. It stays where it is.`;

/** Why a file of the workspace is not read. */
export function workspaceFileProblemText(asked: string, problem: WorkspaceFileProblem): string {
  const path = shorten(asked, 200);
  switch (problem.problem) {
    case 'outside':
      return `I read files of the workspace alone: ${path} is not in it. Name it from there, e.g. !get src/a.ts`;
    case 'missing':
      return `There is no ${path} in the workspace.`;
    case 'link':
      return `I did not open ${path}: a link, or a file in place of a folder, is in its way, and I follow no links.`;
    case 'folder':
      return `${path} is a folder. Name a file in it.`;
    case 'special':
      return `I did not open ${path}: it is no plain file.`;
    case 'unreadable':
      return `I could not read ${path}: I may not, or the disk fails.`;
    case 'too_large':
      return `${path} is ${formatBytes(problem.size)}: more than I send as text. Ask the agent for the part that you need.`;
  }
}
