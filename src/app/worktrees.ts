import { join } from 'node:path';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { realPath } from '../backends/jail/path-rules.ts';
import type { Jail } from '../backends/jail/types.ts';
import { createWorktreeGit } from '../backends/worktree-git.ts';
import type { Config } from '../config/config.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Run } from '../runs/run.ts';
import { createWorktrees, type Made } from '../runs/worktrees.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Basics } from './basics.ts';
import { createWallGate } from './shell.ts';

/** Git work trees of sessions: below `BOT_HOME`, where the jail shows each to its own sessions. */
export function openWorktrees(
  { home: written, trustWorkspace, wallet }: Pick<Config, 'home' | 'trustWorkspace' | 'wallet'>,
  parts: {
    readonly stores: Pick<Stores, 'worktrees' | 'sessions' | 'owners' | 'atomically'>;
    readonly currentSessions: CurrentSessions;
    readonly jail: Jail;
    /** Every run that is not done. */
    readonly open: () => readonly Run[];
    /** What the owner's next task will need is made ready. */
    readonly warm: (owner: PublicKey) => void;
  },
  { clock, log, stopping }: Pick<Basics, 'clock' | 'log' | 'stopping'>,
) {
  const { stores, currentSessions, jail, open, warm } = parts;
  const home = realPath(written);
  const gate = createWallGate(jail, wallet !== undefined);
  const worktrees = createWorktrees({
    ...{ stores, currentSessions, clock, log },
    git: createWorktreeGit(jail, trustWorkspace),
    wallFor: (owner, signal) => gate(stores.owners.roleOf(owner) ?? 'member', signal),
    isBusy: (directory, kind) =>
      open().some(
        ({ session, state, mode }) =>
          stores.sessions.get(session)?.directory === directory &&
          (kind === 'open' || state !== 'queued') &&
          (kind !== 'agent' || mode === 'agent'),
      ),
    folder: join(home, 'worktrees'),
    trash: join(home, 'jail', 'trash'),
  });
  const failed = (cause: unknown): void => {
    if (!stopping.aborted) log.warn({ cause }, 'a work tree could not be made or taken away');
  };
  const make = async (directory: string, signal: AbortSignal): Promise<Made> => {
    const made = await worktrees.make(directory, signal);
    const tree = worktrees.at(directory);
    if (made.state === 'ready' && tree !== undefined) warm(tree.owner);
    return made;
  };
  const behind = {
    make,
    tidyLater: (owner: PublicKey): void => void worktrees.tidy(owner, stopping).catch(failed),
    makeLater: (directory: string): void => {
      if ((worktrees.at(directory)?.state ?? 'ready') !== 'ready') make(directory, stopping).catch(failed);
    },
  };
  return { worktrees, behind };
}
