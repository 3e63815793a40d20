import type { HostFacts } from '../backends/hosts/host-facts.ts';
import type { AgentHosts, Placement } from '../backends/hosts/hosts.ts';
import { isHosted } from '../backends/hosts/place.ts';
import type { Workspace } from '../config/config.ts';
import type { Session } from '../runs/run.ts';
import type { RunPlaces } from '../runs/run-deps.ts';
import type { SessionStore } from '../store/sessions-table.ts';

/** Where sessions work: those on agent hosts stay where they are, once their agent has begun. */
export const createRunPlaces = (
  hosts: Pick<AgentHosts, 'place' | 'enter'> | undefined,
  deps: { readonly sessions: Pick<SessionStore, 'update'>; readonly workspaces: readonly Workspace[] },
): RunPlaces & { readonly away: (session: Session) => readonly HostFacts[] | undefined } => {
  const placementOf = ({ directory, workspace, backendSession }: Session): Placement | undefined => {
    if (hosts === undefined || !isHosted(directory)) return undefined;
    if (backendSession !== undefined) return hosts.place(directory);
    // Nothing of it is anywhere yet: any host that has the workspace will do.
    const named = deps.workspaces.find(({ name }) => name === workspace)?.directory;
    return hosts.place(named !== undefined && isHosted(named) ? named : directory);
  };
  const away = (session: Session): readonly HostFacts[] | undefined => {
    const placed = placementOf(session);
    return placed?.state === 'waits' ? placed.hosts : undefined;
  };
  return {
    away,
    waits: (session) => away(session) !== undefined,
    enter: (session) => {
      const placed = placementOf(session);
      if (hosts === undefined || placed?.state !== 'there') return { session, leave: () => undefined };
      const { directory } = placed;
      if (directory !== session.directory) deps.sessions.update(session.id, { directory });
      return { session: { ...session, directory }, leave: hosts.enter(directory) };
    },
  };
};
