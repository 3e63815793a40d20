import type { Made, Merged } from '../runs/worktrees.ts';
import { type Lines, lines, plural, shorten } from './format.ts';

const listed = 10;

const fileLines = (files: readonly string[]): readonly string[] => [
  ...files.slice(0, listed).map((file) => `· ${shorten(file, 120)}`),
  ...(files.length > listed ? [`… and ${plural(files.length - listed, 'more file')}`] : []),
];

export const worktreeBegun = (session: string): string =>
  `New session ${session}. It works beside the others, on a branch of its own. Send a task; !merge brings its work back.`;

/** Why a session has no work tree of its own. */
export function notMadeText(made: Exclude<Made, { state: 'ready' }>, workspace: string): string {
  switch (made.state) {
    case 'no_git':
      return `A branch of its own needs git: workspace ${workspace} is no git repository (or only a part of one). \`git init\` in it and a first commit help; !new without --worktree begins a session in the workspace itself.`;
    case 'unborn':
      return `Nothing is committed in workspace ${workspace} yet, so there is nothing to branch from. Ask the agent for a first commit (“commit everything”), then !new --worktree.`;
    case 'refused':
      return made.reason;
    case 'failed':
      return lines(
        `The session’s own branch could not be made in workspace ${workspace}.`,
        made.detail !== '' && `git said: ${shorten(made.detail, 300)}`,
      );
  }
}

export const noBranch =
  'This session has no branch of its own: it works in the workspace itself, so there is nothing to merge. !new --worktree begins one that has.';

type Said = { readonly reply: string; readonly refused: boolean };

/** What came of `!merge`. */
export function mergeText(merged: Merged, branch: string): Said {
  switch (merged.state) {
    case 'target':
      return merged.blocked === undefined
        ? { reply: doneText(merged, branch), refused: false }
        : refusal(blockedText(merged.blocked));
    case 'finished':
      return { reply: `All of ${branch} is in the workspace now.`, refused: false };
    case 'nothing':
      return {
        reply: lines(
          `Nothing to merge: all of ${branch} is in ${merged.on ?? 'the workspace'} already.`,
          besides(merged),
        ),
        refused: false,
      };
    case 'conflict':
      return refusal(
        `${branch} and ${merged.on ?? 'the workspace'} changed the same lines. Nothing was merged, and nothing is lost; its work is committed on ${branch}. In conflict:`,
        fileLines(merged.files),
        `Send a task in that session, such as “merge ${merged.on ?? 'the workspace’s branch'} and resolve the conflicts”, then !merge again.`,
      );
    case 'blocked':
      return refusal(blockedText(merged.files));
    default:
      return refusal(notMergedText(merged, branch));
  }
}

const refusal = (...parts: readonly Lines[]): Said => ({ reply: lines(...parts), refused: true });

const doneText = (merged: Extract<Merged, { state: 'target' }>, branch: string): string =>
  lines(
    `Merged ${branch} into ${merged.on ?? 'the workspace'}: ${plural(merged.files, 'file')}, +${merged.added} −${merged.removed}.`,
    besides(merged),
    'The session goes on on its branch; the next !new takes a merged one away.',
  );

/** What was not brought along. */
const besides = ({ left, kept }: { readonly left: readonly string[]; readonly kept: readonly string[] }) => [
  ...(left.length === 0
    ? []
    : [
        'Not committed, and still only in the session’s folder (a repository within, or not readable):',
        ...fileLines(left),
      ]),
  ...(kept.length === 0
    ? []
    : [`Left as it was in the workspace, because it configures agents: ${kept.join(', ')}`]),
];

const blockedText = (files: readonly string[]): string =>
  lines(
    'Nothing was merged: what is not committed in the workspace would be overwritten. In the way:',
    fileLines(files),
    'Commit or move it away (a session in the workspace can), then !merge again.',
  );

type NotMerged = Exclude<Merged, { state: 'target' | 'finished' | 'nothing' | 'conflict' | 'blocked' }>;

function notMergedText(merged: NotMerged, branch: string): string {
  switch (merged.state) {
    case 'running':
      return merged.where === 'tree'
        ? 'A task is running on that branch. !merge works when it is done; !stop ends it.'
        : 'A task is at work in the workspace itself. !merge works when it is done; !queue shows it.';
    case 'busy':
      return merged.where === 'tree'
        ? 'The session is in the middle of a rebase or the like. Send a task to finish it (“finish the rebase”), then !merge again.'
        : 'The workspace is in the middle of a merge or a rebase. Finish it there, then !merge again.';
    case 'unmerged':
      return lines(
        merged.where === 'tree'
          ? 'Conflicts are not resolved on the branch yet:'
          : 'Conflicts are not resolved in the workspace yet:',
        fileLines(merged.files),
        merged.where === 'tree'
          ? 'Send a task, such as “resolve the conflicts”, then !merge again.'
          : 'Resolve and commit them there, then !merge again.',
      );
    case 'detached':
      return 'The workspace is on no branch (a detached HEAD). Check one out there (`git switch main`), then !merge again.';
    case 'too_old':
      return `Merging needs git 2.38 or newer on this machine. By hand, in the workspace: \`git merge ${branch}\`. All of its work is committed there.`;
    case 'no_git':
      return 'The workspace is no git repository any more, so there is nothing to merge into.';
    case 'refused':
      return merged.reason;
    case 'failed':
      return lines(
        `Merging ${branch} did not work, and can be tried again.`,
        merged.detail !== '' && `git said: ${shorten(merged.detail, 300)}`,
      );
  }
}
