import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Jail, Wall } from '../backends/jail/types.ts';
import { NotStartedError } from '../backends/not-started.ts';
import { runShellCommand } from '../backends/shell-command.ts';
import type { CommandDeps } from '../commands/command-deps.ts';
import type { Role } from '../config/config.ts';
import { describeFailure } from '../replies/failure-replies.ts';
import { noWallText } from '../replies/wall-replies.ts';
import { wallRefusal } from '../runs/wall-rule.ts';

/** The wall behind which an owner's agents may edit and run commands, or why not. */
export const createWallGate =
  (jail: Pick<Jail, 'wall'>, hasWallet: boolean) =>
  async (
    role: Role,
    signal: AbortSignal,
  ): Promise<Exclude<Wall, { kind: 'refused' }> | { readonly refusal: string }> => {
    const wall = await untilAborted(jail.wall(signal), signal);
    const refusal = wallRefusal(wall, { mode: 'agent', role, hasWallet });
    if (refusal !== undefined) return { refusal: noWallText(refusal) };
    if (wall.kind === 'refused') throw new RangeError('a wall that is refused was let through');
    return wall;
  };

/** Runs a line of shell where an agent would work, behind the same wall. */
export const createShell =
  (jail: Jail, hasWallet: boolean): CommandDeps['shell'] =>
  async ({ owner, workspace, line }, signal) => {
    const wall = await createWallGate(jail, hasWallet)(owner.role, signal);
    if ('refusal' in wall) return wall;
    try {
      return await runShellCommand(jail, wall, { workspace, line }, signal);
    } catch (error) {
      if (error instanceof NotStartedError) return { refusal: describeFailure(error.failure, undefined) };
      throw error;
    }
  };
