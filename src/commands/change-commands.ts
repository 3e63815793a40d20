import { setTimeout as sleep } from 'node:timers/promises';
import type { DeskRefusal, Prompts } from '../backends/session-desk.ts';
import {
  deskRefusalText,
  diffText,
  mergedSince,
  noSessionYet,
  noSuchChange,
  nothingChanged,
  nothingRedone,
  nothingToDiff,
  nothingToTell,
  nothingToUndo,
  notTold,
  redoneText,
  sharedSince,
  todosText,
  toldNow,
  undoneText,
  untoldSince,
} from '../replies/change-replies.ts';
import type { Run, Session } from '../runs/run.ts';
import { type Call, type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** So many tasks of a session can be taken back one after the other. */
const lookedBack = 50;

type ChangeDeps = Pick<CommandDeps, 'currentSessions' | 'stores' | 'desks' | 'queue' | 'clock' | 'worktrees'>;

/** `!diff`, `!undo`, `!redo`, `!todo`, `!now`. */
export const changeCommands = (deps: ChangeDeps): readonly Command[] => [
  ...workspaceCommands(deps),
  ...agentCommands(deps),
];

/** What tasks did to the workspace. */
const workspaceCommands = (deps: ChangeDeps): readonly Command[] => [
  {
    path: 'diff',
    parameters: '[file]',
    family: 'Tasks',
    summary: 'what the last task changed',
    detail: 'With a file, or a part of its name: that one alone.',
    examples: ['!diff', '!diff src/a.ts'],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner, argument }, signal) => {
      const { session, desk, place } = deskOf(deps, owner.publicKey);
      await isIdle(deps, session, signal);
      const run = lastWith(deps, session, ({ result }) => result?.prompt !== undefined);
      refuseUntold(deps, session, run);
      if (run === undefined) throw new RefusalError(nothingToDiff);
      const files = granted(await desk.diff(place, run.prompts, signal), '!diff');
      if (files.length === 0) return nothingChanged(run.task);
      const wanted = argument.trim().toLowerCase();
      const found = files.filter(({ file }) => file.toLowerCase().includes(wanted));
      const exact = found.filter(({ file }) => file.toLowerCase() === wanted);
      if (found.length === 0) throw new RefusalError(noSuchChange(argument, files));
      const shown = exact.length > 0 ? exact : found;
      const text = shown.map(({ diff }) => `${diff.trim()}\n`).join('');
      return { reply: diffText(shown), whole: { name: 'changes.diff', text, sooner: true } };
    },
  },
  {
    path: 'undo',
    family: 'Tasks',
    summary: 'take back what the last task changed in the workspace',
    detail:
      'Files go back to what they were before the task, those that its commands made, too. Again: the task before it. Needs git in the workspace.',
    role: 'member',
    kind: 'lasting',
    repeatable: false,
    run: async ({ owner }, signal) => {
      const { session, desk, place } = deskOf(deps, owner.publicKey);
      await idle(deps, session, signal);
      const run = lastWith(deps, session, hasChanged);
      refuseUntold(deps, session, run);
      if (run === undefined) throw new RefusalError(nothingToUndo);
      alone(deps, session, run);
      const { files } = granted(await desk.undo(place, run.prompts, signal), '!undo');
      // The agent forgets what was said after it, too, and !redo puts all of it back.
      const gone = promptedSince(deps, session, run).map(({ id }) => id);
      deps.stores.runs.undone(gone, deps.clock.now());
      return undoneText(run.task, files, gone.length - 1);
    },
  },
  {
    path: 'redo',
    family: 'Tasks',
    summary: 'put back what !undo took back',
    detail: 'All of it, until the next task is sent.',
    role: 'member',
    kind: 'lasting',
    repeatable: false,
    run: async ({ owner }, signal) => {
      const { session, desk, place } = deskOf(deps, owner.publicKey);
      await idle(deps, session, signal);
      const undone = undoneLast(deps, session);
      if (undone.length === 0) throw new RefusalError(nothingRedone);
      granted(await desk.redo(place, signal), '!redo');
      const ids = undone.map(({ id }) => id);
      deps.stores.runs.undone(ids, undefined);
      return redoneText;
    },
  },
];

/** About what the agent is at. */
const agentCommands = (deps: ChangeDeps): readonly Command[] => [
  {
    path: 'todo',
    family: 'Tasks',
    summary: 'the agent’s own list of what is to be done',
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner }, signal) => {
      const { desk, place } = deskOf(deps, owner.publicKey);
      return todosText(granted(await desk.todos(place, signal), '!todo'));
    },
  },
  {
    path: 'now',
    parameters: '<text>',
    takesTask: true,
    family: 'Tasks',
    summary: 'a word to the run in hand, which it reads at its next step',
    detail: 'A plain message waits until the run is done. It costs nothing of its own.',
    examples: ['!now leave the tests alone', '!now use tabs'],
    role: 'member',
    kind: 'lasting',
    repeatable: false,
    run: async (call, signal) => {
      const text = call.argument.trim();
      if (text === '') throw new UsageError('What is the agent to hear?');
      const run = runInHand(deps, call);
      if (run === undefined) throw new RefusalError(nothingToTell);
      if (!(await deps.desks.tell(run, text, signal))) throw new RefusalError(notTold);
      return toldNow;
    },
  },
];

/** @throws RefusalError when the current session has none */
export function deskOf({ currentSessions, desks }: ChangeDeps, owner: Session['owner']) {
  const session = currentSessions.current(owner);
  if (session?.backendSession === undefined) throw new RefusalError(noSessionYet);
  const found = desks.of(session);
  if (found === undefined)
    throw new RefusalError(deskRefusalText({ state: 'refused', why: 'unsupported' }, ''));
  return { session, ...found };
}

/** @throws RefusalError what was refused */
export function granted<T extends object>(answer: T | DeskRefusal, what: string): T {
  if (isRefusal(answer)) throw new RefusalError(deskRefusalText(answer, what));
  return answer;
}
const isRefusal = (answer: object): answer is DeskRefusal =>
  'state' in answer && (answer.state === 'refused' || answer.state === 'failed');

type Prompted = Run & { readonly prompts: Prompts };

/** The last run of the session that is done, not taken back and like this. */
function lastWith(
  { stores }: ChangeDeps,
  session: Session,
  isMeant: (run: Run) => boolean,
): Prompted | undefined {
  const run = stores.runs
    .ofSession(session.id, lookedBack)
    .find((each) => each.state === 'done' && each.undoneAt === undefined && isMeant(each));
  const { prompt, words = [] } = run?.result ?? {};
  return run === undefined || prompt === undefined ? undefined : { ...run, prompts: [prompt, ...words] };
}

/** After a stop, and of what nobody could tell, it may have. */
const hasChanged = ({ mode, result }: Run): boolean =>
  mode === 'agent' &&
  result?.prompt !== undefined &&
  (result.changes?.state !== 'known' || result.changes.files.length > 0);

/** A task that was worked on in a process of its own, which keeps no record of what was there before. */
const isUntold = ({ state, job, mode, undoneAt, result }: Run): boolean =>
  state === 'done' &&
  job === 'task' &&
  mode === 'agent' &&
  undoneAt === undefined &&
  result !== undefined &&
  result.prompt === undefined &&
  result.steps > 0;

/**
 * What such a task did lies upon what was done before it: that is no longer the last, nor can it be taken back alone.
 * @throws RefusalError when there is one since `run`
 */
function refuseUntold({ stores }: ChangeDeps, session: Session, run: Run | undefined): void {
  const untold = stores.runs
    .ofSession(session.id, lookedBack)
    .find((each) => each.seq > (run?.seq ?? 0) && isUntold(each));
  if (untold !== undefined) throw new RefusalError(untoldSince(untold.task));
}

/** A run and those of its session after it that stand. */
const promptedSince = ({ stores }: ChangeDeps, session: Session, { seq }: Run): readonly Run[] =>
  stores.runs
    .ofSession(session.id, lookedBack)
    .filter((run) => run.seq >= seq && run.undoneAt === undefined && run.result?.prompt !== undefined);

/** The runs that were taken back since the last one that stands. */
function undoneLast({ stores }: ChangeDeps, session: Session): readonly Run[] {
  const latest = stores.runs.ofSession(session.id, lookedBack).filter(({ state }) => state === 'done');
  const newest = latest.findIndex((run) => isUntold(run) || run.result?.prompt !== undefined);
  const from = latest.slice(Math.max(0, newest));
  const stands = from.findIndex(
    (run) => isUntold(run) || (run.undoneAt === undefined && run.result?.prompt !== undefined),
  );
  return from.slice(0, stands === -1 ? from.length : stands).filter(({ undoneAt }) => undoneAt !== undefined);
}

/** @throws RefusalError when others may have changed the same folder since this run */
function alone({ stores, worktrees }: ChangeDeps, session: Session, run: Run): void {
  const since = run.startedAt ?? run.queuedAt;
  const other = stores.runs
    .inDirectory(session.directory, since, lookedBack)
    .find(
      (each) => each.session !== session.id && each.mode === 'agent' && (isOpen(each) || hasChanged(each)),
    );
  if (other !== undefined) throw new RefusalError(sharedSince(other.task));
  if (worktrees.hasMergedInto(session.directory, since)) throw new RefusalError(mergedSince);
}

const isOpen = ({ state }: Run): boolean => state !== 'done';

/** An answer is there before its run has ended: who asks at once about what it did waits for that. */
const endingMs = 3_000;
async function isIdle({ queue }: ChangeDeps, { id }: Session, signal: AbortSignal): Promise<boolean> {
  const isBusy = () => queue.isBusy(id);
  const until = performance.now() + endingMs;
  while (isBusy() && performance.now() < until) await sleep(50, undefined, { signal });
  return !isBusy();
}

/** @throws RefusalError while a task of the session runs */
async function idle(deps: ChangeDeps, session: Session, signal: AbortSignal): Promise<void> {
  if (!(await isIdle(deps, session, signal)))
    throw new RefusalError(deskRefusalText({ state: 'refused', why: 'busy' }, 'That'));
}

function runInHand({ queue, currentSessions }: ChangeDeps, { owner }: Call): Run | undefined {
  const running = queue.list(0, owner.publicKey).filter(({ state }) => state === 'running');
  const session = currentSessions.current(owner.publicKey)?.id;
  return running.find((run) => run.session === session) ?? running[0];
}
