import type { Clock } from '@nostr-dm-agent/kit/clock';
import { newTypedId } from '@nostr-dm-agent/kit/typed-id';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { ApprovalRule } from '../backends/approval.ts';
import type { BackendName, Mode } from '../backends/backend.ts';
import type { Workspace } from '../config/config.ts';
import { shorten } from '../replies/format.ts';
import type { SessionStore } from '../store/sessions-table.ts';
import type { SettingsStore } from '../store/settings-table.ts';
import type { Session } from './run.ts';

const idLength = 5;

type SessionDefaults = {
  readonly workspaces: readonly Workspace[];
  /** Every one that there is. */
  readonly backends: readonly BackendName[];
  readonly backend: BackendName;
  readonly model: string | undefined;
  readonly mode: Mode;
  /** Depends on the wall around agents. */
  readonly approvals: () => ApprovalRule;
};

/** Keeps track of which session each owner is in, and begins new ones with their choices. */
export type CurrentSessions = {
  readonly workspaces: readonly Workspace[];
  readonly backends: readonly BackendName[];
  readonly current: (owner: PublicKey) => Session | undefined;
  /** The session that a task goes on with: the current one, or a new one. Its first task gives it its title. */
  readonly forTask: (owner: PublicKey, task: string) => Session;
  /** Begins a session with the owner's choices and makes it the current one. */
  readonly begin: (
    owner: PublicKey,
    choice?: {
      workspace?: string;
      backend?: BackendName;
      provider?: string;
      /** Where it works instead of in the workspace itself. @param workspace its directory */
      placeOf?: (id: string, workspace: string) => string;
    },
  ) => Session;
  /** Begins one that does not become the current one. */
  readonly beginBeside: (
    owner: PublicKey,
    choice: Pick<Session, 'backend' | 'mode' | 'model' | 'title' | 'workspace'>,
  ) => string;
  /** A session like this one, which its agent has copied, becomes the current one. */
  readonly copy: (session: Session, backendSession: string) => Session;
  readonly rename: (session: Session, title: string) => void;
  /** undefined: none is current, and the next task begins one. */
  readonly resume: (owner: PublicKey, session: Session | undefined) => void;
  readonly list: (owner: PublicKey, limit: number) => readonly Session[];
  readonly find: (owner: PublicKey, id: string) => Session | undefined;
  /** Who pays for the runs of the current session from now on, whatever its owner prefers. */
  readonly setProvider: (owner: PublicKey, provider: string) => void;
  /** Sets the mode from now on: of the current session and of those to come. */
  readonly setMode: (owner: PublicKey, mode: Mode) => void;
  /** Sets the model from now on; `undefined` takes the choice back. */
  readonly setModel: (owner: PublicKey, model: string | undefined) => void;
  /** Sets what the agent asks before it does it, from now on. */
  readonly setApprovals: (owner: PublicKey, rule: ApprovalRule) => void;
  /** What the owner's next task would be run with: that of their current session, else their own choices, else the defaults. */
  readonly choices: (owner: PublicKey) => Choices;
};

type Choices = {
  readonly workspace: Workspace;
  readonly backend: BackendName;
  readonly mode: Mode;
  /** undefined: the backend's own default. */
  readonly model: string | undefined;
  readonly approvals: ApprovalRule;
};

export function createCurrentSessions(deps: {
  readonly defaults: SessionDefaults;
  readonly sessions: SessionStore;
  readonly settings: SettingsStore;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}): CurrentSessions {
  const { defaults, sessions, settings, clock, random } = deps;

  /** Their choice, unless `BOT_AGENTS` no longer names it. */
  const chosenBackend = (owner: PublicKey): BackendName => {
    const chosen = settings.get(owner, 'backend');
    return chosen !== undefined && defaults.backends.includes(chosen) ? chosen : defaults.backend;
  };
  const find = (owner: PublicKey, id: string) => {
    const session = sessions.get(id);
    return session?.owner === owner ? session : undefined;
  };
  const current = (owner: PublicKey) => {
    const id = settings.get(owner, 'session');
    return id === undefined ? undefined : find(owner, id);
  };
  const choices = (owner: PublicKey): Choices => {
    const session = current(owner);
    if (session !== undefined) {
      const { workspace: name, directory, backend, mode } = session;
      const approvals = session.approvals ?? defaults.approvals();
      return {
        workspace: { name, directory },
        backend,
        mode,
        model: session.model ?? defaults.model,
        approvals,
      };
    }
    return {
      workspace: workspaceNamed(defaults, settings.get(owner, 'workspace')),
      backend: chosenBackend(owner),
      mode: settings.get(owner, 'mode') ?? defaults.mode,
      model: settings.get(owner, 'model') ?? defaults.model,
      approvals: settings.get(owner, 'approvals') ?? defaults.approvals(),
    };
  };
  const change = (session: Session | undefined, changed: Parameters<SessionStore['update']>[1]): void => {
    if (session !== undefined) sessions.update(session.id, changed);
  };
  const begin: CurrentSessions['begin'] = (owner, choice = {}) => {
    const workspace = workspaceNamed(defaults, choice.workspace ?? settings.get(owner, 'workspace'));
    const id = unusedId(sessions, random);
    const session: Session = {
      ...blank(clock.now()),
      id,
      owner,
      workspace: workspace.name,
      directory: choice.placeOf?.(id, workspace.directory) ?? workspace.directory,
      backend: choice.backend ?? chosenBackend(owner),
      mode: settings.get(owner, 'mode') ?? defaults.mode,
      model: settings.get(owner, 'model'),
      approvals: settings.get(owner, 'approvals'),
      provider: choice.provider,
    };
    sessions.insert(session);
    settings.set(owner, 'session', session.id);
    return session;
  };

  return {
    workspaces: defaults.workspaces,
    backends: defaults.backends,
    current,
    forTask: (owner, task) => {
      const session = current(owner) ?? begin(owner);
      const title = session.title === '' ? shorten(task, 80) : session.title;
      sessions.update(session.id, { title, usedAt: clock.now() });
      return session;
    },
    begin,
    beginBeside: (owner, choice) => {
      const { directory } = workspaceNamed(defaults, choice.workspace);
      const session = { ...blank(clock.now()), ...choice, id: unusedId(sessions, random), owner, directory };
      sessions.insert({ ...session, approvals: settings.get(owner, 'approvals') });
      return session.id;
    },
    copy: (session, backendSession) => {
      const copy: Session = {
        ...session,
        id: unusedId(sessions, random),
        title: session.title === '' ? '' : `${session.title.replace(/ \(copy\)$/, '')} (copy)`,
        backendSession,
        createdAt: clock.now(),
        usedAt: clock.now(),
      };
      sessions.insert(copy);
      settings.set(copy.owner, 'session', copy.id);
      return copy;
    },
    rename: (session, title) => change(session, { title }),
    resume: (owner, session) => settings.set(owner, 'session', session?.id),
    list: (owner, limit) => sessions.list(owner, limit, settings.get(owner, 'session')),
    ...{ find, choices },
    ...createSetters(settings, (owner, changed) => change(current(owner), changed)),
  };
}

/** What a session begins with, whoever begins it. */
const blank = (now: number) => ({
  provider: undefined,
  backendSession: undefined,
  title: '',
  createdAt: now,
  usedAt: now,
});

/** What an owner sets holds for their current session and for those to come. */
const createSetters = (
  settings: SettingsStore,
  change: (
    owner: PublicKey,
    changed: Pick<Partial<Session>, 'mode' | 'model' | 'approvals' | 'provider'>,
  ) => void,
): Pick<CurrentSessions, 'setMode' | 'setModel' | 'setApprovals' | 'setProvider'> => ({
  setProvider: (owner, provider) => change(owner, { provider }),
  setMode: (owner, mode) => {
    settings.set(owner, 'mode', mode);
    change(owner, { mode });
  },
  setModel: (owner, model) => {
    settings.set(owner, 'model', model);
    change(owner, { model });
  },
  setApprovals: (owner, approvals) => {
    settings.set(owner, 'approvals', approvals);
    change(owner, { approvals });
  },
});

const unusedId = (sessions: Pick<SessionStore, 'get'>, random: () => number): string => {
  const id = newTypedId(idLength, random);
  return sessions.get(id) === undefined ? id : unusedId(sessions, random);
};

/** The first one where none has the name. */
function workspaceNamed({ workspaces }: SessionDefaults, name: string | undefined): Workspace {
  const found = workspaces.find((workspace) => workspace.name === name) ?? workspaces[0];
  if (found === undefined) throw new RangeError('a bot without a workspace');
  return found;
}
