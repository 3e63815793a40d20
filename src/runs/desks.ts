import type { Backend, BackendName } from '../backends/backend.ts';
import type { SessionDesk, SessionPlace } from '../backends/session-desk.ts';
import type { Run, Session } from './run.ts';
import type { RunDeps } from './run-deps.ts';

/** What can be done with an owner's session beside running tasks in it. */
export type Desks = {
  /** undefined: its agent has not begun, or its backend can't. */
  readonly of: (session: Session) => { readonly desk: SessionDesk; readonly place: SessionPlace } | undefined;
  /** A word to a run in hand. False: it is over, or can't hear. */
  readonly tell: (run: Run, text: string, signal: AbortSignal) => Promise<boolean>;
};

export function createDesks({
  backends,
  providers,
  stores,
}: {
  readonly backends: ReadonlyMap<BackendName, Pick<Backend, 'desk' | 'tell'>>;
  readonly providers: Pick<RunDeps['providers'], 'providerFor'>;
  readonly stores: Pick<RunDeps['stores'], 'sessions'>;
}): Desks {
  return {
    of: (session) => {
      const desk = backends.get(session.backend)?.desk;
      const { owner, mode, backendSession, directory: workspace } = session;
      if (desk === undefined || backendSession === undefined) return undefined;
      const { provider } = providers.providerFor(session);
      const model = provider.model === undefined ? session.model : provider.model(session.model);
      const standing = provider.standing?.(owner, model);
      return { desk, place: { owner, workspace, mode, backendSession, standing } };
    },
    tell: async (run, text, signal) => {
      const session = stores.sessions.get(run.session);
      const tell = session && backends.get(session.backend)?.tell;
      return (await tell?.(run.id, text, signal)) ?? false;
    },
  };
}
