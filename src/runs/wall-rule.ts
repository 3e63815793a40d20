import type { Mode } from '../backends/backend.ts';
import type { Wall } from '../backends/jail/types.ts';
import type { Role } from '../config/config.ts';

/** A task that must not be begun because no wall stands between its agent and the bot. */
export type WallRefusal = {
  readonly to: 'everybody' | 'members' | 'wallet';
  readonly wall: Extract<Wall, { kind: 'none' | 'refused' }>;
};

/**
 * Without a wall an agent that edits files and runs commands could read the bot's keys: members' are refused, and
 * everybody's while there is a wallet. `BOT_ISOLATION=none` takes that on.
 */
export function wallRefusal(
  wall: Wall,
  task: { readonly mode: Mode; readonly role: Role; readonly hasWallet: boolean },
): WallRefusal | undefined {
  if (wall.kind === 'refused') return { to: 'everybody', wall };
  if (wall.kind !== 'none' || wall.chosen || task.mode !== 'agent') return undefined;
  if (task.hasWallet) return { to: 'wallet', wall };
  return task.role === 'member' ? { to: 'members', wall } : undefined;
}
