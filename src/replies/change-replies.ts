import type { Changes, DeskRefusal, FileChange, Todo } from '../backends/session-desk.ts';
import { lines, plural, shorten } from './format.ts';

const listed = 12;

/** `3 files, +40 −12` */
export const countsText = (files: readonly FileChange[]): string => {
  const sum = (of: (file: FileChange) => number) => files.reduce((total, file) => total + of(file), 0);
  return `${plural(files.length, 'file')}, +${sum(({ added }) => added)} −${sum(({ removed }) => removed)}`;
};

/** Under an answer: what the run changed; empty when it changed nothing, or nobody can tell and nobody would ask. */
export function changesLine(changes: Changes | undefined): string {
  if (changes === undefined) return '';
  if (changes.state === 'known')
    return changes.files.length === 0
      ? ''
      : `${countsText(changes.files)} – !diff shows it, !undo takes it back.`;
  return changes.why === 'shared'
    ? 'Another task worked in this workspace at the same time, so what each changed can’t be told apart.'
    : '';
}

/** What a task changed, file by file, then as a diff. */
export function diffText(files: readonly (FileChange & { readonly diff: string })[]): string {
  const [only] = files;
  if (only === undefined) return '';
  const head = files.length === 1 ? [] : [countsText(files), ...fileLines(files)];
  return [lines(...head), ...files.map((file) => `${fileLine(file)}\n${file.diff.trim()}`)]
    .filter((part) => part !== '')
    .join('\n\n');
}

const fileLine = ({ file, added, removed }: FileChange): string =>
  `${shorten(file, 120)} +${added} −${removed}`;

export const fileLines = (files: readonly FileChange[]): readonly string[] => [
  ...files.slice(0, listed).map(fileLine),
  ...(files.length > listed ? [`… and ${plural(files.length - listed, 'more file')}`] : []),
];

export const noSuchChange = (asked: string, files: readonly FileChange[]): string =>
  lines(`The last task did not change “${shorten(asked, 80)}”. It changed:`, fileLines(files));

/** @param later tasks after it, which changed nothing and are forgotten with it */
export const undoneText = (task: string, files: readonly FileChange[], later: number): string =>
  lines(
    `Taken back: ${shorten(task, 80)}`,
    files.length === 0 ? undefined : countsText(files),
    later > 0 && `The agent forgets the ${later === 1 ? 'task' : `${later} tasks`} after it, too.`,
    '!redo puts it back. The next task makes it final.',
  );

/** Why something about the session can't be had or done. */
export function deskRefusalText(refusal: DeskRefusal, what: string): string {
  if (refusal.state === 'failed') return `${what} did not work: ${shorten(refusal.detail, 200)}`;
  switch (refusal.why) {
    case 'no_git':
      return `${what} needs git: the workspace is no git work tree, so nothing remembers what was there before. \`git init\` in it helps from the next task on.`;
    case 'busy':
      return `A task is running in this session. ${what} works when it is done; !stop ends it.`;
    case 'nothing':
      return 'There is nothing to do that with.';
    case 'forgotten':
      return 'The agent no longer has this conversation, so that can’t be done with it.';
    case 'unsupported':
      return 'The agent of this session can’t do that, or no server of it can be had now: !status says why.';
  }
}

const marks: Readonly<Record<Todo['state'], string>> = { done: '✅', doing: '▶', open: '▢', dropped: '✖' };

export const todosText = (todos: readonly Todo[]): string =>
  todos.length === 0
    ? 'The agent has made no list of what is to be done.'
    : lines(todos.map(({ text, state }) => `${marks[state]} ${shorten(text, 160)}`));

export const noSessionYet = 'The agent has not begun anything in this session yet. Send a task.';
export const nothingChanged = (task: string): string =>
  `The last task (“${shorten(task.replace(/\s+/g, ' '), 60)}”) changed nothing in the workspace.`;
export const nothingToDiff = 'No task of this session has changed anything that could be shown.';
export const nothingToUndo =
  'There is nothing to take back: no task of this session changed anything, or it is taken back already.';
export const untoldSince = (task: string): string =>
  `“${shorten(task, 60)}” ran where nothing remembers what was there before it, so what it changed can be neither shown nor taken back. Ask the agent to do that.`;
export const sharedSince = (task: string): string =>
  `Another task has worked in this workspace since (“${shorten(task, 60)}”): taking this back would take back its work, too. Ask the agent to undo what you mean.`;
export const mergedSince =
  'Another session’s branch was merged into this workspace since: taking this back could take back its work, too. Ask the agent to undo what you mean.';
export const nothingRedone = 'Nothing was taken back, so there is nothing to put back.';
export const redoneText = 'It is all back.';
export const toldNow = 'Told the agent. It reads it at its next step.';
export const notTold =
  'The run can’t be told anything while it works. Send it as a plain message: it is done next. !stop ends the run.';
export const nothingToTell = 'Nothing is running. Send it as a plain message, and it is a task.';
