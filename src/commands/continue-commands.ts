import { formatSat } from '@nostr-dm-agent/kit/sat';
import { describeFailure } from '../replies/failure-replies.ts';
import { plural, shorten } from '../replies/format.ts';
import { noRest } from '../replies/long-replies.ts';
import { moreRefusal, shortText } from '../replies/routstr/paid-run-replies.ts';
import type { Run } from '../runs/run.ts';
import { type Command, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { parseAmount } from './wallet/wallet-arguments.ts';

/**
 * What the agent is told; it remembers the rest. The task is named for the people who read it in a list, and is told
 * whole where the bot died: nobody knows whether the agent had heard it.
 */
const continuePrompt = (task: string, outcome: Run['outcome']): string =>
  `Go on with “${outcome === 'interrupted' ? task : shorten(task, 60)}”. You were interrupted: look at what is done already, then finish it.`;

/** The task that a `!continue` was for. */
const continuedTask = (task: string): string | undefined =>
  /^Go on with “(.*)”\. You were interrupted: look at what is done already, then finish it\.$/s.exec(
    task,
  )?.[1];

/** So many runs that never began are passed over to find the one that did. */
const lookedBack = 10;

/** `!more`, `!more lines`, `!continue`. */
export const continueCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'more',
    parameters: '<sats>',
    family: 'Queue',
    summary: 'give the running task more money; it goes on at once',
    detail:
      'Of several runs, the one that waits for money gets it, else the one of this session. What it does not spend comes back with the change. Members add at most a budget at a time.',
    examples: ['!more 1000', '!more 2k'],
    role: 'member',
    kind: 'lasting',
    repeatable: false,
    run: async ({ owner, argument }, signal) => {
      const { routstr } = deps.money;
      const amount = parseAmount(argument);
      const provider = routstr.provider();
      const run = runningRun(deps, owner.publicKey);
      if (owner.role !== 'admin' && amount > routstr.budget()) {
        throw new RefusalError(
          `${formatSat(amount)} is more than a member may add at a time: ${formatSat(routstr.budget())}. Nothing was added.`,
        );
      }
      if (run.state === 'preparing') {
        throw new RefusalError(
          'The run is only just beginning: nothing was added. Send it again in a moment.',
        );
      }
      const result = await provider.more(run.id, amount, signal);
      if (result.state === 'refused') throw new RefusalError(moreRefusal(result.refusal));
      const usage = provider.usage(run.id);
      const spent = usage === undefined ? '' : `, ${formatSat(usage.spent)} spent so far`;
      const short = result.short === undefined ? '' : `\n⚠ ${shortText(result.short, amount)}`;
      return `Added ${formatSat(amount)}: the budget of this run is ${formatSat(result.budget)} now${spent}.${short}`;
    },
  },
  {
    path: 'more lines',
    family: 'Queue',
    summary: 'the rest of a reply that was too long',
    role: 'member',
    kind: 'immediate',
    run: ({ owner }) => {
      const rest = deps.stores.rests.take(owner.publicKey);
      if (rest === undefined) throw new RefusalError(noRest);
      // The whole was a file already, where files can be sent.
      return { reply: rest, whole: 'none' };
    },
  },
  {
    path: 'continue',
    parameters: '[sats]',
    family: 'Queue',
    summary: 'go on with a run that was cut off, with a new budget',
    detail:
      'The agent goes on in the same conversation: after a budget that was used up, !stop, a time limit, a failure or a restart. With an amount, that is the budget; else the one of !provider budget. !retry starts the task again instead.',
    examples: ['!continue', '!continue 5000'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      const text = argument.replace(/^[!！]{2}/u, '');
      const budget = text === '' ? undefined : parseAmount(text);
      const session = deps.currentSessions.current(owner.publicKey);
      const latest = session === undefined ? [] : deps.stores.runs.ofSession(session.id, lookedBack);
      const waiting = latest.filter(({ state }) => state !== 'done').length;
      if (waiting > 0) {
        throw new RefusalError(
          `${plural(waiting, 'task')} of this session ${waiting === 1 ? 'is' : 'are'} not done yet; see !queue. !more <sats> gives the running one more money.`,
        );
      }
      // A !continue that was refused for want of money, and sent again when there is some.
      // What was taken off the queue is not wanted any more.
      const last = latest.find(
        (run) => run.outcome !== 'dropped' && !(neverBegan(run) && continuedTask(run.task) !== undefined),
      );
      if (session === undefined || last === undefined) {
        throw new RefusalError(
          'There is nothing to continue in this session yet. Send a task as a plain message.',
        );
      }
      const refusal = refusalOf(last, session.backendSession !== undefined);
      if (refusal !== undefined) throw new RefusalError(refusal);
      return {
        task: continuePrompt(continuedTask(last.task) ?? last.task, last.outcome),
        mode: last.mode,
        budget,
      };
    },
  },
];

/** The one that waits for money, else the one of this session, else the newest. @throws RefusalError */
function runningRun({ queue, currentSessions, money }: CommandDeps, owner: Run['owner']): Run {
  const running = queue.list(0, owner);
  const session = currentSessions.current(owner)?.id;
  const paid = running.filter(({ provider }) => provider === 'routstr');
  const run =
    paid.find(({ id }) => money.routstr.provider().usage(id)?.held) ??
    paid.find((candidate) => candidate.session === session) ??
    paid.at(-1);
  if (run !== undefined) return run;
  throw new RefusalError(
    running.length === 0
      ? 'Nothing is running, so nothing was added. !continue [sats] goes on with what was interrupted.'
      : 'What is running is not paid from the wallet, so nothing was added.',
  );
}

const neverBegan = ({ outcome }: Run): boolean =>
  outcome === 'refused' || outcome === 'dropped' || outcome === 'missed';

/** Why a run cannot be continued. `remembered`: the agent has a conversation of this session. */
function refusalOf(run: Run, remembered: boolean): string | undefined {
  const failure = run.result?.failure;
  if (neverBegan(run)) {
    return 'Your last task never started, so there is nothing to continue. !retry runs it.';
  }
  if (run.outcome === 'answered' && failure === undefined) {
    return 'Your last task was answered. Say what comes next as a plain message; !retry runs the task again.';
  }
  // The conversation itself is what cannot be used any more.
  if (failure?.kind === 'session_unknown' || failure?.kind === 'context_overflow') {
    return describeFailure(failure);
  }
  const began = run.outcome === 'interrupted' || run.result?.backendSession !== undefined;
  return remembered && began
    ? undefined
    : 'The agent had not started when it was cut off, so there is nothing to continue. !retry runs the task again.';
}
