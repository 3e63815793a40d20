import { join } from 'node:path';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { realPath } from '../backends/jail/path-rules.ts';
import type { Jail } from '../backends/jail/types.ts';
import { createWorktreeGit } from '../backends/worktree-git.ts';
import type { Config } from '../config/config.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Run } from '../runs/run.ts';
import { createWorktrees } from '../runs/worktrees.ts';
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
  },
  { clock, log, stopping }: Pick<Basics, 'clock' | 'log' | 'stopping'>,
) {
  const { stores, currentSessions, jail, open } = parts;
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
  const tidyLater = (owner: PublicKey): void =>
    void worktrees.tidy(owner, stopping).catch((cause: unknown) => {
      if (!stopping.aborted) log.warn({ cause }, 'a merged work tree stays');
    });
  return { worktrees, tidyLater };
}
