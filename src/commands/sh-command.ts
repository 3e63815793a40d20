import { shellText } from '../replies/shell-replies.ts';
import { notMadeText } from '../replies/worktree-replies.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!sh`: a line of shell where the agent works, without an agent. */
export const shCommand = (
  deps: Pick<CommandDeps, 'currentSessions' | 'worktrees' | 'shell' | 'clock'>,
): Command => ({
  path: 'sh',
  parameters: '<command>',
  takesTask: true,
  family: 'Tasks',
  summary: 'run a command in the workspace, in the agent’s jail; no model, no cost',
  detail: 'A minute at the most. What it starts ends with it.',
  examples: ['!sh git status', '!sh bun test'],
  role: 'admin',
  instead: 'Ask the agent to run it.',
  kind: 'lasting',
  repeatable: false,
  run: async ({ owner, argument }, signal) => {
    const line = argument.trim();
    if (line === '') throw new UsageError('Which command?');
    const { name, directory } = deps.currentSessions.choices(owner.publicKey).workspace;
    const made = await deps.worktrees.make(directory, signal);
    if (made.state !== 'ready') throw new RefusalError(notMadeText(made, name));
    const startedAt = deps.clock.now();
    const ran = await deps.shell({ owner, workspace: directory, line }, signal);
    if ('refusal' in ran) throw new RefusalError(ran.refusal);
    return shellText(ran, deps.clock.now() - startedAt);
  },
});
