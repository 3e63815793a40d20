import { sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { shortTask } from '../replies/file-replies.ts';
import { formatDuration, lines, plural } from '../replies/format.ts';
import type { Run } from '../runs/run.ts';
import { parseChoice, parseCount } from './arguments.ts';
import { notABudget, splitBudget } from './budget-suffix.ts';
import { type Call, type Command, type OrderedTask, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** So many runs that were dropped are passed over to find the last task. */
const lookedBack = 10;
/** So many that wait are listed; the others are counted. */
const mostShown = 30;

/** `!queue`, `!queue drop`, `!stop`, `!retry`. */
export const queueCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'queue',
    family: 'Queue',
    summary: 'the running task and those that wait',
    role: 'member',
    kind: 'immediate',
    run: (call) => queueText(deps, call),
  },
  {
    path: 'queue drop',
    parameters: '<n|all>',
    family: 'Queue',
    summary: 'take a waiting task off the queue, or all of them',
    detail:
      'The number is that of !queue; the page names a task by a number that stays (#12). A task that is being run already is ended with !stop.',
    examples: ['!queue drop 1', '!queue drop all'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { queue } = deps;
      const { publicKey } = call.owner;
      const { waiting } = queue.counts(publicKey);
      if (waiting === 0) throw new RefusalError('Nothing waits in the queue.');
      if (call.argument.toLowerCase() === 'all')
        return `Dropped ${plural(queue.dropAll(publicKey), 'task')}. Nothing else waits.`;
      const [, seq] = /^#(\d{1,15})$/.exec(call.argument) ?? [];
      const place =
        seq === undefined
          ? { nth: parseCount(call.argument, 'number of the queue', waiting) }
          : { seq: Number(seq) };
      const run = queue.waitingAt(publicKey, place);
      if (run === undefined || !queue.drop(run.id))
        throw new RefusalError('That task has begun already: !stop ends it.');
      const left = waiting - 1;
      return lines(
        `Dropped: ${shortTask(run.task)}`,
        left === 0 ? 'Nothing else waits.' : `${plural(left, 'task')} still waiting.`,
      );
    },
  },
  stopCommand(deps),
  {
    path: 'retry',
    parameters: '[n]',
    family: 'Queue',
    summary: 'run your last task again, or the missed message n',
    detail:
      'With a number: a task that came while the bot was away, as it was listed (#n). With a budget at the end, that is what it may spend; else what it was given before.',
    examples: ['!retry', '!retry 12', '!retry !!5000'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { task: number, budget } = readBudget(call.argument);
      if (number === '') {
        const last = lastTask(deps, call);
        return budget === undefined ? last : { ...last, budget };
      }
      const seq = parseCount(number, 'number of a missed message', 999_999);
      const missed = deps.messages.missed(call.owner.publicKey, seq);
      if (missed === undefined) throw new UsageError(`There is no missed message #${seq}.`);
      if (deps.meaningOf(missed.text).kind !== 'task')
        throw new RefusalError(`#${seq} was no task: send it again.`);
      return budget === undefined ? { task: missed.text } : { task: readBudget(missed.text).task, budget };
    },
  },
];

/** `!stop`: the run that it names, or that is meant. */
const stopCommand = (deps: CommandDeps): Command => ({
  path: 'stop',
  parameters: '[#n|all]',
  family: 'Queue',
  summary: 'end the running task, with all that it started',
  detail:
    'Of several, the one whose message it answers is ended, or the one of this number (the page names them), else that of this session. Tasks that wait stay in the queue; !stop all takes them off too.',
  examples: ['!stop', '!stop #12', '!stop all'],
  role: 'member',
  kind: 'immediate',
  run: (call) => {
    const [, seq] = /^#(\d{1,15})$/.exec(call.argument) ?? [];
    if (seq !== undefined) return stopNumbered(deps, call.owner.publicKey, Number(seq));
    if (call.argument !== '') return stopAll(deps, call.argument, call.owner.publicKey);
    const running = deps.queue.list(0, call.owner.publicKey);
    const { waiting } = deps.queue.counts(call.owner.publicKey);
    const session = deps.currentSessions.current(call.owner.publicKey)?.id;
    const run =
      running.find(({ message }) => call.message.references.includes(message)) ??
      running.find((candidate) => candidate.session === session) ??
      running[0];
    if (run !== undefined && deps.queue.stop(run.id)) return `Stopping: ${shortTask(run.task)}`;
    const rest = waiting === 0 ? '' : ` ${plural(waiting, 'task')} waiting: see !queue.`;
    const code = deps.stores.confirmations.waiting(call.owner.publicKey)
      ? ' Nothing was paid either: a code that is not sent runs out by itself.'
      : '';
    return `Nothing is running.${rest}${code}`;
  },
});

/** This one, and no other: by the time the word comes it may be over. */
function stopNumbered({ queue }: CommandDeps, owner: PublicKey, number: number): string {
  const run = queue.list(0, owner).find(({ seq }) => seq === number);
  if (run !== undefined && queue.stop(run.id)) return `Stopping: ${shortTask(run.task)}`;
  throw new RefusalError(`No task #${number} of yours is running; see !queue.`);
}

function stopAll({ queue }: CommandDeps, argument: string, owner: PublicKey): string {
  parseChoice(argument, 'word for what to stop', ['all']);
  // Before the runs: each that ends makes room for one that waits.
  const dropped = queue.dropAll(owner);
  const stopped = queue.list(0, owner).filter((run) => queue.stop(run.id)).length;
  if (dropped + stopped === 0) return 'Nothing is running and nothing waits.';
  return lines(
    stopped > 0 && `Stopping ${plural(stopped, 'task')}.`,
    dropped > 0 && `Took ${plural(dropped, 'task')} off the queue.`,
  );
}

function queueText(deps: CommandDeps, { owner: { publicKey } }: Call): string {
  const runs = deps.queue.list(mostShown, publicKey);
  const running = runs.filter(({ state }) => state !== 'queued');
  const shown = runs.filter(({ state }) => state === 'queued');
  const { waiting } = deps.queue.counts(publicKey);
  if (runs.length === 0) return 'Nothing is running and nothing waits.';
  const waitsForMoney = ({ id, provider }: Run) =>
    provider === 'routstr' && deps.money.routstr.provider().usage(id)?.held === true;
  const ways = [
    running.some(waitsForMoney) ? '!more <sats> lets it go on.' : '',
    running.length > 0 ? '!stop ends the run.' : '',
    waiting > 0 ? '!queue drop <n> takes a task off.' : '',
  ];
  return lines(
    running.map((run) => runningLine(run, waitsForMoney(run), deps.clock.now())),
    waiting > 0 && `Waiting, ${plural(waiting, 'task')}:`,
    shown.map((run, index) => `${index + 1}. ${shortTask(run.task)}`),
    waiting > shown.length &&
      `… and ${plural(waiting - shown.length, 'more task')}, up to number ${waiting}.`,
    ways.filter((way) => way !== '').join(' '),
  );
}

function runningLine(run: Run, held: boolean, now: number): string {
  const since = run.startedAt === undefined ? '' : `, ${formatDuration(now - run.startedAt)}`;
  return `${held ? 'Waits for money' : 'Running'}${since}: ${shortTask(run.task)}`;
}

/** @throws RefusalError when there is none, or it is not done yet */
function lastTask({ currentSessions, stores: { runs } }: CommandDeps, { owner }: Call): OrderedTask {
  const session = currentSessions.current(owner.publicKey);
  // What was taken off the queue is run again only if there is nothing else.
  const latest = session === undefined ? [] : runs.ofSession(session.id, lookedBack);
  const last =
    latest.find(({ outcome }) => outcome !== 'dropped') ?? latest[0] ?? runs.lastOf(owner.publicKey);
  if (last === undefined)
    throw new RefusalError('There is no task to run again yet. Send one as a plain message.');
  if (last.state !== 'done') throw new RefusalError('Your last task is not done yet; see !queue.');
  const { task, mode, budget, pictures } = last;
  return {
    ...{ task, mode, budget: budget === undefined ? undefined : sat(budget) },
    ...(last.session === session?.id && { pictures }),
  };
}

/** @throws RefusalError when something like a budget stands at the end, and is none */
function readBudget(text: string) {
  const read = splitBudget(text);
  if (read.state === 'malformed') throw new RefusalError(notABudget(read.found));
  return read;
}
