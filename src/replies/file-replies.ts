import type { UploadProblem } from '../files/blossom.ts';
import { type FileProblem, MAX_FILE_BYTES } from '../files/fetch-file.ts';
import type { FileFacts } from '../files/outgoing-files.ts';
import type { WorkspaceFileProblem } from '../files/read-workspace-file.ts';
import type { Results } from '../files/result-files.ts';
import type { NotSent } from '../files/send-files.ts';
import { isPicture } from '../files/sniff-type.ts';
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
    case 'slow':
      return 'I could not open that file: its server is too slow, it was not here after a minute. Send it again, or by another server.';
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

const filesFollow = '\n\nWith this came, in the workspace:\n';

/** What the agent reads of the files that came with a task. */
export const filesNote = (files: readonly Kept[]): string =>
  `${filesFollow}${lines(files.map((file) => `- ${fileLine(file)}`))}`;

/** A task as its owner wrote it. */
export const withoutFilesNote = (task: string): string => task.split(filesFollow, 1)[0] ?? task;

/** One line of it, to be known by. */
export const shortTask = (task: string, limit = 80): string => shorten(withoutFilesNote(task), limit);

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

/** It goes out as a file. */
export const sentText = (file: Kept): string => `${fileLine(file)} comes as a file.`;

/** An agent may name as many as it likes. */
const mostLeftNamed = 5;

/** What an agent made and its answer names: what is no picture can't be opened everywhere, so it is named. */
export const resultsText = ({ files, left }: Results): string =>
  lines(
    files
      .filter(({ mime }) => !isPicture(mime))
      .map(({ name, ...file }) => sentText({ ...file, path: name })),
    left
      .slice(0, mostLeftNamed)
      .map((file) =>
        file.size > MAX_FILE_BYTES
          ? `${file.path} is not sent: it is ${formatBytes(file.size)}, and 20 MiB is the most that I send.`
          : `${file.path} (${formatBytes(file.size)}) is not sent by itself: !get ${file.path} does it.`,
      ),
    left.length > mostLeftNamed &&
      `So are ${left.length - mostLeftNamed} more of those that the answer names.`,
  );

export const noFileServerText = (file: Kept): string =>
  `${fileLine(file)} can’t be sent as text, and no server for files is set: BOT_BLOSSOM in the bot’s .env names some.`;

export const noFilesByNip04Text = (file: Kept): string =>
  `${fileLine(file)} can’t be sent as text, and the old direct messages (NIP-04) take no files. Ask from a client with NIP-17.`;

export const brokenPictureText = (path: string): string =>
  `I did not send ${path}: it is a broken picture, and what it says of where it was made can’t be taken out.`;

export const manyUnderWayText =
  'Many files are on their way to you already, and no server has taken them yet. Ask again when they are there.';

/** A file that was to be sent and is not. */
export function notSentText(not: NotSent): string {
  if (not.why === 'lost')
    return 'I could not send a file: what I had kept of it can’t be read any more. !get <path> sends a file of the workspace.';
  const { file, problems } = not;
  return lines(
    `I could not send ${fileLine({ ...file, path: file.name })}: no server took it.`,
    problems.map((problem) => `· ${new URL(problem.server).host}: ${uploadProblemText(problem)}`),
    problems.length === 0 && 'None is set any more (BOT_BLOSSOM in the bot’s .env).',
    otherWays[file.way](file.name),
  );
}

/** How to have it all the same. */
const otherWays: Readonly<Record<FileFacts['way'], (name: string) => string>> = {
  get: (name) => `!get ${name} tries again. BOT_BLOSSOM in the bot’s .env names the servers.`,
  more_lines: () => 'Its beginning is above; !more lines sends the next part as text.',
  said: () => 'What it shows is in the message above, too.',
};

function uploadProblemText(problem: UploadProblem): string {
  switch (problem.problem) {
    case 'status': {
      const why = statusMeanings[problem.status] ?? (problem.status >= 500 ? 'is in trouble' : 'refuses it');
      return `${why} (${problem.status}${problem.reason === '' ? '' : `: ${problem.reason}`})`;
    }
    case 'unreachable':
      return 'can’t be reached, or broke off';
    case 'slow':
      return 'is too slow';
    case 'private':
      return 'is in a private network';
    case 'not_that':
      return 'has changed it';
    case 'missing':
      return 'says that it took it, and does not have it';
    case 'answer':
      return 'answers nothing that can be read';
  }
}

const statusMeanings: Readonly<Record<number, string>> = {
  301: 'sends elsewhere',
  302: 'sends elsewhere',
  307: 'sends elsewhere',
  308: 'sends elsewhere',
  401: 'does not let the bot in',
  402: 'wants to be paid',
  403: 'does not let the bot in',
  413: 'finds it too large',
  415: 'takes no encrypted files',
  429: 'has had enough for now',
};

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
    case 'unwanted':
      return `I could not read ${path}: I may not, or the disk fails.`;
    case 'too_large':
      return `${path} is ${formatBytes(problem.size)}: 20 MiB is the most that I send. Ask the agent for the part that you need.`;
  }
}
