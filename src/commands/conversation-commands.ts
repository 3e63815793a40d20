import { lines, plural, shorten } from '../replies/format.ts';
import { deskOf, granted } from './change-commands.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const longestTitle = 80;

/** `!fork`, `!name`, `!compact`: about the conversation itself. */
export const conversationCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'fork',
    family: 'Sessions',
    summary: 'go on in a copy of this session; the first one stays as it is',
    detail: '!resume goes back to the first. Both work in the same workspace, or on the same branch.',
    role: 'member',
    kind: 'lasting',
    repeatable: false,
    run: async ({ owner }, signal) => {
      const { session, desk, place } = deskOf(deps, owner.publicKey);
      const { backendSession } = granted(await desk.fork(place, signal), '!fork');
      const copy = deps.currentSessions.copy(session, backendSession);
      return lines(
        `Session ${copy.id} is a copy of ${session.id}, and goes on from here.`,
        `!resume ${session.id} goes back.`,
        deps.worktrees.at(session.directory) !== undefined &&
          'Both work on one branch; !new --worktree begins another.',
      );
    },
  },
  {
    path: 'name',
    parameters: '<title>',
    family: 'Sessions',
    summary: 'give this session a name',
    examples: ['!name login page'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      const title = argument.replace(/\s+/g, ' ').trim();
      if (title === '') throw new UsageError('The name is missing.');
      const session = deps.currentSessions.current(owner.publicKey);
      if (session === undefined) throw new RefusalError('There is no session yet. Send a task to begin one.');
      deps.currentSessions.rename(session, shorten(title, longestTitle));
      return `Session ${session.id}: ${shorten(title, longestTitle)}`;
    },
  },
  {
    path: 'compact',
    family: 'Sessions',
    summary: 'shorten the conversation, so that what comes next costs less',
    detail: 'One model call, which is paid like a task. The agent keeps a summary of what was said.',
    role: 'member',
    kind: 'immediate',
    run: ({ owner }) => {
      const { session } = deskOf(deps, owner.publicKey);
      // The one in hand may be answered already; this is done after it.
      const { queue } = deps;
      const waiting = queue.openIn(session.id) - (queue.isBusy(session.id) ? 1 : 0);
      if (waiting > 0)
        throw new RefusalError(`${plural(waiting, 'task')} of this session first; then !compact.`);
      return { task: '(shorten the conversation)', mode: session.mode, job: 'compact' };
    },
  },
];
