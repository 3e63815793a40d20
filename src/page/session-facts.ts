import type { SaidFacts, SessionFacts, SessionsSource, Visitor } from '@nostr-dm-agent/page';
import type { CommandDeps } from '../commands/command-deps.ts';
import { deskRefusalText, noSessionYet } from '../replies/change-replies.ts';
import type { Run, Session } from '../runs/run.ts';
import type { Stores } from '../store/open-stores.ts';

export type SessionFactsDeps = {
  readonly currentSessions: Pick<
    CommandDeps['currentSessions'],
    'current' | 'list' | 'find' | 'choices' | 'workspaces'
  >;
  readonly worktrees: Pick<CommandDeps['worktrees'], 'at'>;
  readonly runs: Pick<Stores['runs'], 'ofSession'>;
  readonly desks: Pick<CommandDeps['desks'], 'of'>;
  readonly providers: Pick<CommandDeps['providers'], 'chosenBy' | 'connected'>;
};

/** So many are shown. */
const listed = 100;
/** How long an agent's server may take to tell what a task changed. */
const diffMs = 30_000;

/** A visitor's own conversations; nobody sees another's. */
export const createSessionFacts = (deps: SessionFactsDeps): SessionsSource => ({
  list: ({ publicKey }) => {
    const current = deps.currentSessions.current(publicKey)?.id;
    return deps.currentSessions
      .list(publicKey, listed)
      .map((session) => sessionFacts(deps, session, current));
  },
  find: (visitor, id) => {
    const session = own(deps, visitor, id);
    if (session === undefined) return undefined;
    const current = deps.currentSessions.current(visitor.publicKey)?.id;
    const said = deps.runs.ofSession(id, listed).toReversed().map(saidFacts);
    return { session: sessionFacts(deps, session, current), said };
  },
  diff: async (visitor, { session: id, number }, signal) => {
    const session = own(deps, visitor, id);
    const run = session && deps.runs.ofSession(id, listed).find(({ seq }) => seq === number);
    if (session === undefined || run === undefined) return undefined;
    const found = deps.desks.of(session);
    const { prompt, words = [] } = run.result ?? {};
    if (found === undefined || prompt === undefined) return { state: 'refused', why: noSessionYet };
    const { desk, place } = found;
    const answer = await desk.diff(
      place,
      [prompt, ...words],
      AbortSignal.any([signal, AbortSignal.timeout(diffMs)]),
    );
    return 'state' in answer
      ? { state: 'refused', why: deskRefusalText(answer, 'The diff') }
      : { state: 'known', files: answer };
  },
  choices: ({ publicKey }) => ({
    workspaces: deps.currentSessions.workspaces.map(({ name }) => name),
    workspace: deps.currentSessions.choices(publicKey).workspace.name,
    providers: ['local', 'routstr', ...deps.providers.connected(publicKey).map(({ name }) => name)],
    provider: deps.providers.chosenBy(publicKey),
  }),
});

function own({ currentSessions }: SessionFactsDeps, { publicKey }: Visitor, id: string): Session | undefined {
  const session = currentSessions.find(publicKey, id);
  return session?.id === id ? session : undefined;
}

const sessionFacts = (
  { worktrees }: SessionFactsDeps,
  { id, title, workspace, mode, directory, usedAt, model, provider }: Session,
  current: string | undefined,
): SessionFacts => ({
  ...{ id, title, workspace, mode, usedAt, model, provider },
  branch: worktrees.at(directory)?.branch,
  current: id === current,
});

const saidFacts = ({ seq, queuedAt, task, answer, outcome, model, ...run }: Run): SaidFacts => ({
  ...{ number: seq, at: queuedAt, task, answer, outcome, provider: run.provider },
  model: run.result?.model ?? model,
  changed: run.result?.changes?.state === 'known' ? run.result.changes.files : undefined,
  undone: run.undoneAt !== undefined,
});
