import type { PublicKey } from '@nostr-dm-agent/nostr';
import { hostedPlace } from '../backends/hosts/place.ts';
import { shortTask } from '../replies/file-replies.ts';
import { formatAgo, lines, shorten } from '../replies/format.ts';
import { describeRunFailure } from '../replies/run-replies.ts';
import type { Run, Session } from '../runs/run.ts';
import { parseChoice, parseCount } from './arguments.ts';
import { type Command, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const listed = 10;
const historyLimit = 20;

/** `!new`, `!sessions`, `!resume`, `!history`, `!workspace`, `!backend`. */
export const sessionCommands = (deps: CommandDeps): readonly Command[] => {
  const { currentSessions, stores, clock } = deps;
  const workspaceNames = currentSessions.workspaces.map(({ name }) => name);
  return [
    {
      path: 'new',
      parameters: '[workspace] [provider]',
      family: 'Sessions',
      summary: 'begin a new session',
      detail: `The agent starts without memory of what was said. Workspaces: ${workspaceNames.join(', ')}. With a provider, this session stays with it, whatever !provider set says later.`,
      examples: ['!new', `!new ${workspaceNames.at(-1)}`, '!new local'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const session = currentSessions.begin(owner.publicKey, parseNew(deps, owner.publicKey, argument));
        deps.worktrees.tidyLater(owner.publicKey);
        return `New session ${describe(session)}. Send a task.`;
      },
    },
    {
      path: 'sessions',
      family: 'Sessions',
      summary: 'your sessions, the last used first',
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const current = currentSessions.current(owner.publicKey)?.id;
        const sessions = currentSessions.list(owner.publicKey, listed);
        if (sessions.length === 0) return 'No session yet. Send a task to begin one.';
        return lines(
          sessions.flatMap((session, index) => [
            `${index + 1}. ${describe(session, deps)} · ${formatAgo(clock.now() - session.usedAt)}${session.id === current ? ' ← current' : ''}`,
            `   ${session.title === '' ? 'nothing said yet' : shorten(session.title, 50)}`,
          ]),
          '!resume <n> goes on with one, !new begins another.',
        );
      },
    },
    {
      path: 'resume',
      parameters: '<n|id>',
      family: 'Sessions',
      summary: 'go on with an earlier session',
      detail: 'The number is that of !sessions.',
      examples: ['!resume 2', '!resume k7fqa'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const session = findSession(deps, owner.publicKey, argument);
        currentSessions.resume(owner.publicKey, session);
        deps.worktrees.makeLater(session.directory);
        return lines(
          `Going on with session ${describe(session, deps)}.`,
          session.title !== '' && `It began with: ${shorten(session.title, 60)}`,
        );
      },
    },
    {
      path: 'history',
      parameters: '[n]',
      family: 'Sessions',
      summary: 'the last tasks and answers of this session (default 3)',
      examples: ['!history', '!history 5'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const count = parseCount(argument, 'number of tasks', historyLimit, 3);
        const session = currentSessions.current(owner.publicKey);
        const entries = session === undefined ? [] : stores.runs.ofSession(session.id, count);
        if (session === undefined || entries.length === 0) return 'Nothing was said in this session yet.';
        const said = entries.toReversed().map((run) => historyEntry(run, clock.now()));
        return [`Session ${session.id}`, ...said].join('\n\n');
      },
    },
    ...placeCommands(deps, workspaceNames),
  ];
};

/** Where the work is done, and by which program. */
const placeCommands = (deps: CommandDeps, workspaceNames: readonly string[]): readonly Command[] => {
  const { currentSessions, stores } = deps;
  const backendNames = currentSessions.backends;
  return [
    {
      path: 'workspace',
      parameters: '[name]',
      family: 'Sessions',
      summary: 'show the workspaces, or work in another one',
      detail: 'A session stays in its workspace, so another workspace begins a new session.',
      examples: ['!workspace', `!workspace ${workspaceNames.at(-1)}`],
      role: 'member',
      kind: 'immediate',
      run: ({ owner: { publicKey }, argument }) => {
        const current = currentSessions.choices(publicKey).workspace.name;
        if (argument === '') return workspacesText(deps, current);
        const name = parseChoice(argument, 'workspace', workspaceNames);
        if (name === current) return `You are already in workspace ${name}.`;
        stores.settings.set(publicKey, 'workspace', name);
        return `Workspace: ${name}. New session ${describe(currentSessions.begin(publicKey))}.`;
      },
    },
    {
      path: 'backend',
      parameters: '[name]',
      family: 'Sessions',
      summary: 'show or set the program that does the work',
      detail: `There are: ${backendNames.join(', ')}. Another backend begins a new session.`,
      examples: ['!backend', '!backend opencode'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner: { publicKey }, argument }) => {
        const current = currentSessions.choices(publicKey).backend;
        if (argument === '') {
          const others = backendNames.filter((name) => name !== current);
          return `Backend: ${current}. !backend ${others.join(' or !backend ')} changes it.`;
        }
        const name = parseChoice(argument, 'backend', backendNames);
        if (name === current) return `The backend is already ${name}.`;
        stores.settings.set(publicKey, 'backend', name);
        return `Backend: ${name}. New session ${describe(currentSessions.begin(publicKey))}.`;
      },
    },
  ];
};

export const describe = (
  { id, workspace, backend, mode, provider, directory }: Session,
  deps?: Pick<CommandDeps, 'worktrees'>,
): string => {
  const branch = deps?.worktrees.at(directory)?.branch;
  const hosts = hostedPlace(directory)?.hosts;
  // Where several have it, its first task decides.
  const host = hosts?.length === 1 ? `on ${hosts[0]}` : undefined;
  return [id, workspace, host, branch && `branch ${branch}`, backend, mode, provider]
    .filter((fact) => fact !== undefined)
    .join(' · ');
};

function workspacesText({ currentSessions: { workspaces } }: CommandDeps, current: string): string {
  return lines(
    workspaces.map(({ name, directory }) => `${name}: ${directory}${name === current ? ' ← current' : ''}`),
    workspaces.length > 1 && '!workspace <name> changes to another.',
  );
}

type NewChoice = { workspace?: string; provider?: string };

/** A workspace, a provider, or both, in any order. @throws UsageError */
export function parseNew(
  { currentSessions, providers }: CommandDeps,
  owner: PublicKey,
  argument: string,
): NewChoice {
  const workspaceNames = currentSessions.workspaces.map(({ name }) => name);
  const providerNames = ['local', 'routstr', ...providers.connected(owner).map(({ name }) => name)];
  const words = argument.split(/\s+/).filter(Boolean);
  if (words.length > 2) throw new UsageError('That is too many words: a workspace, a provider, or both.');
  const choice: NewChoice = {};
  for (const word of words) {
    const workspace = workspaceNames.find((name) => name.toLowerCase() === word.toLowerCase());
    const provider = providerNames.find((name) => name === word.toLowerCase());
    if (workspace !== undefined && choice.workspace === undefined) choice.workspace = workspace;
    else if (provider !== undefined && choice.provider === undefined) choice.provider = provider;
    else
      throw new UsageError(
        `“${shorten(word, 30)}” is no ${choice.workspace === undefined ? 'workspace' : 'further workspace'} and no provider of yours. Workspaces: ${workspaceNames.join(', ')}. Providers: ${providerNames.join(', ')}.`,
      );
  }
  return choice;
}

/** @throws UsageError */
export function findSession({ currentSessions }: CommandDeps, owner: PublicKey, argument: string): Session {
  if (/^#?\d+$/.test(argument)) {
    const sessions = currentSessions.list(owner, listed);
    const session = sessions[parseCount(argument, 'number of the list', Math.max(1, sessions.length)) - 1];
    if (session !== undefined) return session;
  }
  if (argument === '')
    throw new UsageError('Which session? Its number or id is missing; !sessions lists them.');
  const session = currentSessions.find(owner, argument.toLowerCase());
  if (session === undefined)
    throw new UsageError(`There is no session “${shorten(argument, 30)}”; !sessions lists them.`);
  return session;
}

function historyEntry(run: Run, now: number): string {
  const answer =
    run.answer !== undefined && run.answer.trim() !== ''
      ? shorten(run.answer, 400)
      : run.result?.failure === undefined
        ? `(${run.outcome ?? run.state})`
        : shorten(describeRunFailure(run, run.result.failure, undefined), 200);
  return `You, ${formatAgo(now - run.queuedAt)}: ${shortTask(run.task, 200)}\nAgent: ${answer}`;
}
