import { withoutSecretShapes } from '@nostr-dm-agent/kit/log';
import { isHosted } from '../backends/hosts/place.ts';
import { withoutFilesNote } from '../replies/file-replies.ts';
import { shorten } from '../replies/format.ts';
import { notOnHosts } from '../replies/host-replies.ts';
import { mergeText, noBranch, notMadeText, worktreeBegun } from '../replies/worktree-replies.ts';
import type { Session } from '../runs/run.ts';
import type { Worktree } from '../store/worktrees-table.ts';
import { type Command, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { describe, findSession, parseNew } from './session-commands.ts';

/** So many tasks are named in a commit. */
const namedTasks = 20;

/** `!new --worktree`, `!merge`: sessions side by side in one repository. */
export const worktreeCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'new --worktree',
    parameters: '[workspace] [provider]',
    family: 'Sessions',
    summary: 'begin a session on a git branch of its own, beside the others',
    detail:
      'It works in a folder of its own (a git worktree), from what is committed in the workspace. !merge brings its work into the workspace’s branch.',
    examples: [
      '!new --worktree',
      `!new --worktree ${deps.currentSessions.workspaces.at(-1)?.name ?? ''}`.trim(),
    ],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner: { publicKey: owner }, argument, resumed }, signal) => {
      const { currentSessions, worktrees } = deps;
      const before = currentSessions.current(owner);
      const choice = parseNew(deps, owner, argument);
      const chosen = currentSessions.workspaces.find(({ name }) => name === choice.workspace);
      if (isHosted((chosen ?? currentSessions.choices(owner).workspace).directory))
        throw new RefusalError(notOnHosts('A worktree'));
      // Begun before anything is waited for: a task that is sent right after it is for this session.
      const session =
        resumed && before !== undefined && worktrees.at(before.directory)?.state === 'making'
          ? before
          : worktrees.begin(owner, choice);
      worktrees.tidyLater(owner);
      const made = await worktrees.make(session.directory, signal);
      if (made.state === 'ready') return worktreeBegun(describe(session, deps));
      if (currentSessions.current(owner)?.id === session.id)
        currentSessions.resume(owner, before?.id === session.id ? undefined : before);
      throw new RefusalError(notMadeText(made, session.workspace));
    },
  },
  {
    path: 'merge',
    parameters: '[n|id]',
    family: 'Sessions',
    summary: 'bring the work of a session’s own branch into the workspace',
    detail:
      'Of this session, or of another one of !sessions. What is not committed on the branch is; hooks are not run. What you have not committed in the workspace stays as it is, and where it is in the way nothing is merged. With conflicts nothing is changed: you are told the files.',
    examples: ['!merge', '!merge 2'],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner: { publicKey: owner }, argument }, signal) => {
      const { currentSessions, worktrees } = deps;
      const session = argument === '' ? currentSessions.current(owner) : findSession(deps, owner, argument);
      const tree = session && worktrees.at(session.directory);
      if (session === undefined || tree === undefined) throw new RefusalError(noBranch);
      const merged = await worktrees.merge(session, commitMessage(deps, session, tree), signal);
      const { reply, refused } = mergeText(merged, tree.branch);
      if (refused) throw new RefusalError(reply);
      return reply;
    },
  },
];

/** What the work was for: the tasks since the last merge. A repository may be published. */
function commitMessage({ stores }: CommandDeps, session: Session, { directory, mergedAt }: Worktree): string {
  const tasks = stores.runs
    .inDirectory(directory, mergedAt ?? 0, namedTasks)
    .filter(({ mode, job }) => mode === 'agent' && job === 'task')
    .map(({ task }) => withoutSecretShapes(withoutFilesNote(task)))
    .toReversed();
  const [first = `Work of session ${session.id}`, ...others] = tasks;
  const subject = shorten(first, 72);
  return others.length === 0
    ? `${subject}\n`
    : `${subject}\n\n${[first, ...others].map((task) => `- ${shorten(task, 200)}`).join('\n')}\n`;
}
