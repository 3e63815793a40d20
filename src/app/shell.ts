import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { AgentHosts } from '../backends/hosts/hosts.ts';
import { hostedPlace, isHosted } from '../backends/hosts/place.ts';
import type { Jail, Wall } from '../backends/jail/types.ts';
import { NotStartedError } from '../backends/not-started.ts';
import { runShellCommand, type ShellEnd } from '../backends/shell-command.ts';
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

/** The same on the agent host that the workspace is on. */
const onHost = async (
  hosts: AgentHosts | undefined,
  workspace: string,
  line: string,
  signal: AbortSignal,
): Promise<ShellEnd | { readonly refusal: string }> => {
  const placed = hosts?.place(workspace);
  const place = placed?.state === 'there' ? hostedPlace(placed.directory) : undefined;
  const host = place && hosts?.find(place.hosts[0]);
  if (place === undefined || host === undefined)
    return { refusal: 'The agent host of this workspace can’t be reached: !hosts shows how it stands.' };
  const ran = await host.shell(place.path, line, signal);
  return 'failure' in ran ? { refusal: describeFailure(ran.failure, undefined) } : ran;
};

/** Runs a line of shell where an agent would work, behind the same wall. */
export const createShell =
  (jail: Jail, hosts: AgentHosts | undefined, hasWallet: boolean): CommandDeps['shell'] =>
  async ({ owner, workspace, line }, signal) => {
    if (isHosted(workspace)) return onHost(hosts, workspace, line, signal);
    const wall = await createWallGate(jail, hasWallet)(owner.role, signal);
    if ('refusal' in wall) return wall;
    try {
      return await runShellCommand(jail, wall, { workspace, line }, signal);
    } catch (error) {
      if (error instanceof NotStartedError) return { refusal: describeFailure(error.failure, undefined) };
      throw error;
    }
  };
