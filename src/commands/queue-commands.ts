import type { Clock } from '@nostr-dm-agent/kit/clock';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { MessageLog, PublicKey } from '@nostr-dm-agent/nostr';
import { formatDuration, plural, shorten } from '../replies/format.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Run } from '../runs/run.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { RunStore } from '../store/runs-table.ts';
import { parseCount } from './arguments.ts';
import { notABudget, splitBudget } from './budget-suffix.ts';
import { type Command, RefusalError, UsageError } from './command.ts';

export type QueueCommandDeps = {
  readonly queue: RunQueue;
  readonly runs: RunStore;
  readonly messages: Pick<MessageLog, 'missed'>;
  readonly currentSessions: CurrentSessions;
  /** Whether a run's model calls wait for money. */
  readonly waitsForMoney: (run: Run) => boolean;
  readonly clock: Clock;
};

/** So many runs that were dropped are passed over to find the last task. */
const lookedBack = 10;

/** `!queue`, `!queue drop`, `!stop`, `!retry`. */
export function queueCommands(deps: QueueCommandDeps): readonly Command[] {
  const { queue, runs, messages, currentSessions, waitsForMoney, clock } = deps;
  const ofOwner = (owner: PublicKey) => queue.list().filter((run) => run.owner === owner);
  const waiting = (owner: PublicKey) => ofOwner(owner).filter(({ state }) => state === 'queued');
  const inHand = (owner: PublicKey) => ofOwner(owner).filter(({ state }) => state !== 'queued');

  return [
    {
      path: 'queue',
      parameters: '',
      family: 'Queue',
      summary: 'the run in hand and the tasks that wait',
      examples: ['!queue'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const runsInHand = inHand(owner.publicKey);
        const held = runsInHand.some(waitsForMoney);
        const running = runsInHand.map((run) => runningLine(run, waitsForMoney(run), clock.now()));
        const queued = waiting(owner.publicKey).map((run, index) => `${index + 1}. ${shorten(run.task, 80)}`);
        if (running.length + queued.length === 0) return { reply: 'Nothing is running and nothing waits.' };
        const ways = [
          ...(held ? ['!more <sats> lets it go on.'] : []),
          ...(running.length > 0 ? ['!stop ends the run.'] : []),
          ...(queued.length > 0 ? ['!queue drop <n> takes a task off.'] : []),
        ];
        return {
          reply: [
            ...running,
            ...(queued.length > 0 ? [`Waiting, ${plural(queued.length, 'task')}:`, ...queued] : []),
            ways.join(' '),
          ].join('\n'),
        };
      },
    },
    {
      path: 'queue drop',
      parameters: '<n>',
      family: 'Queue',
      summary: 'take a waiting task off the queue',
      detail: 'The number is that of !queue. A task that is being run already is ended with !stop.',
      examples: ['!queue drop 1'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const queued = waiting(owner.publicKey);
        if (queued.length === 0) throw new RefusalError('Nothing waits in the queue.');
        const run = queued[parseCount(argument, 'number of the queue', queued.length) - 1];
        if (run === undefined || !queue.drop(run.id))
          throw new RefusalError('That task has begun already: !stop ends it.');
        const left = queued.length - 1;
        return {
          reply: `Dropped: ${shorten(run.task, 80)}\n${left === 0 ? 'Nothing else waits.' : `${plural(left, 'task')} still waiting.`}`,
        };
      },
    },
    {
      path: 'stop',
      parameters: '',
      family: 'Queue',
      summary: 'end the run in hand, with all that it started',
      detail: 'Of several, the one of this session is ended. Tasks that wait stay in the queue.',
      examples: ['!stop'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const running = inHand(owner.publicKey);
        const session = currentSessions.current(owner.publicKey)?.id;
        const run = running.find((candidate) => candidate.session === session) ?? running[0];
        if (run === undefined || !queue.stop(run.id)) {
          const queued = waiting(owner.publicKey).length;
          const rest = queued === 0 ? '' : ` ${plural(queued, 'task')} waiting: see !queue.`;
          return { reply: `Nothing is running.${rest}` };
        }
        return { reply: `Stopping: ${shorten(run.task, 80)}` };
      },
    },
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
      run: ({ owner, argument: whole }) => {
        const { task: argument, budget } = readBudget(whole);
        if (argument !== '') {
          const seq = parseCount(argument, 'number of a missed message', 999_999);
          const missed = messages.missed(owner.publicKey, seq);
          if (missed === undefined) throw new UsageError(`There is no missed message #${seq}.`);
          if (/^\s*[!！]/.test(missed.text)) throw new RefusalError(`#${seq} was a command: send it again.`);
          if (budget === undefined) return { task: missed.text };
          return { task: readBudget(missed.text).task, budget };
        }
        const session = currentSessions.current(owner.publicKey);
        // What was taken off the queue is run again only if there is nothing else.
        const latest = session === undefined ? [] : runs.ofSession(session.id, lookedBack);
        const last =
          latest.find(({ outcome }) => outcome !== 'dropped') ?? latest[0] ?? runs.lastOf(owner.publicKey);
        if (last === undefined)
          throw new RefusalError('There is no task to run again yet. Send one as a plain message.');
        if (last.state !== 'done') throw new RefusalError('Your last task is not done yet; see !queue.');
        const again = budget ?? (last.budget === undefined ? undefined : sat(last.budget));
        return { task: last.task, mode: last.mode, ...(again === undefined ? {} : { budget: again }) };
      },
    },
  ];
}

/** @throws RefusalError when something like a budget stands at the end, and is none */
function readBudget(text: string) {
  const read = splitBudget(text);
  if (read.state === 'malformed') throw new RefusalError(notABudget(read.found));
  return read;
}

function runningLine(run: Run, held: boolean, now: number): string {
  const since = run.startedAt === undefined ? '' : `, ${formatDuration(now - run.startedAt)}`;
  return `${held ? 'Waits for money' : 'Running'}${since}: ${shorten(run.task, 80)}`;
}
