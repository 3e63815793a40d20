import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Jail } from '../backends/jail/types.ts';
import { NotStartedError } from '../backends/not-started.ts';
import { runShellCommand } from '../backends/shell-command.ts';
import type { CommandDeps } from '../commands/command-deps.ts';
import { describeFailure } from '../replies/failure-replies.ts';
import { noWallText } from '../replies/wall-replies.ts';
import { wallRefusal } from '../runs/wall-rule.ts';

/** Runs a line of shell where an agent would work, behind the same wall. */
export const createShell =
  (jail: Jail, hasWallet: boolean): CommandDeps['shell'] =>
  async ({ owner, workspace, line }, signal) => {
    const wall = await untilAborted(jail.wall(signal), signal);
    const refusal = wallRefusal(wall, { mode: 'agent', role: owner.role, hasWallet });
    if (refusal !== undefined) return { refusal: noWallText(refusal) };
    if (wall.kind === 'refused') throw new RangeError('a wall that is refused was let through');
    try {
      return await runShellCommand(jail, wall, { workspace, line }, signal);
    } catch (error) {
      if (error instanceof NotStartedError) return { refusal: describeFailure(error.failure, undefined) };
      throw error;
    }
  };
