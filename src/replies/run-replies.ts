import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import type { AgentFailure } from '../backends/backend.ts';
import { noResults, type Results } from '../files/result-files.ts';
import { restOf } from '../runs/gather-parts.ts';
import type { Settlement } from '../runs/provider.ts';
import type { Run, RunResult, Session } from '../runs/run.ts';
import type { ScheduledEnd } from '../schedules/schedule.ts';
import { changesLine } from './change-replies.ts';
import { describeConnectionFailure } from './connection-replies.ts';
import { describeFailure, limitsLine, newGitLine } from './failure-replies.ts';
import { resultsText, shortTask } from './file-replies.ts';
import { formatDuration, lines, plural, shorten } from './format.ts';
import { unexplainedText } from './routstr/paid-run-replies.ts';
import { afterwards, atItsTime } from './schedule-replies.ts';

/** `138 of 2000 sat`: what a run cost, or has cost so far. */
export const costText = ({ spent, budget }: { readonly spent: number; readonly budget: number }): string =>
  `${spent} of ${budget} sat`;

/** `— agent · 42 s · 5 steps · 138 of 2000 sat · claude-sonnet-4` (docs/design.md#the-reply-to-a-run). */
function factsLine(run: Run, durationMs: number, settlement: Settlement): string {
  const model = run.result?.model ?? run.model;
  const facts = [
    run.mode,
    formatDuration(durationMs),
    run.result === undefined || run.job === 'compact' ? undefined : plural(run.result.steps, 'step'),
    settlement && costText(settlement) + owedText(settlement),
    model?.split('/').at(-1),
  ];
  return `— ${facts.filter((fact) => fact !== undefined && fact !== '').join(' · ')}`;
}

const owedText = ({ owed = 0 }: NonNullable<Settlement>): string =>
  owed === 0 ? '' : ` (${formatSat(sat(owed))} still owed by the node; it is asked for)`;

/** The agent works without what it knew: its owner must not think that it remembers. */
export const begunAnewText = ({ kind, detail }: AgentFailure): string =>
  kind === 'store_damaged'
    ? `⚠ The agent’s own memory of its sessions could not be read. It was moved aside${detail === undefined ? '' : ` (${detail})`}, and a new one was begun: it does not know what was said before.`
    : '⚠ The agent no longer had this conversation, so it began a new one: it does not know what was said before.';

/** A session of an agent that `BOT_AGENTS` no longer names. */
export const backendGoneText = (name: string, others: readonly string[]): string =>
  `The agent of this session, ${name}, is not set up any more, so the task was not begun. !backend ${others.join(' or !backend ')} begins a new session.`;

/** @param name of the workspace's instructions */
export const cutInstructionsText = (name: string): string =>
  `⚠ ${name} is longer than 64 KiB: the agent reads its beginning only.`;

/** `BOT_APPROVALS` or `!approvals` wants what nobody can be asked. */
export const unaskedText =
  '⚠ Nothing can be asked here, so the agent was refused what would have to be (!approvals); !status says why no server is kept ready.';

/** A run's provider is not known to have the model that its owner chose. */
export const otherModelText = (provider: string, wanted: string, used: string | undefined): string =>
  `Provider ${provider} is not known to have ${wanted}, so ${used ?? 'its default model'} was asked for. !model sets another one.`;

/** Some of the answer had been sent when the run ended without the rest. */
const answerCutText = 'The answer above ends there: the rest of it was not written.';

/** Instead of an answer that could not be written down. */
export const answerLostText =
  'The run is done, and its answer could not be stored: the disk of the bot may be full. Its session still has it: ask for it there once there is room.';

const shortenedText =
  'The conversation is shortened: from now on the agent has a summary of what was said, and each task costs less.';

/**
 * The final reply of a run that is done. The foot is read also when the text is too long to be sent at once.
 * @param session named where answers of several arrive side by side
 * @param scheduled it came at its time
 * @param made follows it
 */
export function finalReply(
  run: Run,
  durationMs: number,
  settlement: Settlement,
  session?: Pick<Session, 'id' | 'title'>,
  scheduled?: ScheduledEnd,
  made: Results = noResults,
): { readonly text: string; readonly foot: string } {
  const isShortened = run.job === 'compact' && run.outcome === 'answered';
  const said = run.answer?.trim() ?? '';
  const plain = said === '' && isShortened ? shortenedText : restOf(said, run.told);
  const text = scheduled === undefined ? plain : atItsTime(scheduled, plain, run.endedAt ?? run.queuedAt);
  // It never began: there are no facts.
  if (run.outcome === 'refused' && plain !== '') return { text, foot: '' };
  const facts = lines(session && sessionLine(session), factsLine(run, durationMs, settlement));
  const foot = [
    run.parts > 0 && run.outcome !== 'answered' && text === '' ? answerCutText : '',
    ending(run, settlement),
    unheardText(run),
    nodeNotes(settlement),
    jailNotes(run),
    resultsText(made),
    changesLine(run.result?.changes),
    scheduled ? afterwards(scheduled) : '',
    facts,
  ];
  return { text, foot: foot.filter((part) => part !== '').join('\n\n') };
}

/**
 * What an answer that went out before the change was back did not say; undefined: nothing is different, or what became of it is
 * told when it is known.
 */
export function correctionText(
  told: { readonly spent: number; readonly budget: number },
  settlement: Settlement,
): string | undefined {
  if (settlement === undefined) return undefined;
  const differs = settlement.spent !== told.spent;
  const text = lines(
    differs && `That task cost ${costText(settlement)}; its bills came to ${told.spent} sat.`,
    settlement.owed !== undefined &&
      settlement.owed > 0 &&
      `The change of that task is not back yet: ${formatSat(sat(settlement.owed))} are owed by the node, and asked for.`,
    nodeNotes(settlement) || false,
  );
  return text === '' ? undefined : text;
}

/** The agent had more to say than its answer that went out before it was done. */
export const wentOnText = (answer: string): string => `The agent went on after its answer:\n\n${answer}`;

const sessionLine = ({ id, title }: Pick<Session, 'id' | 'title'>): string =>
  `Session ${id}${title === '' ? '' : `: ${shorten(title, 50)}`}`;

/** What a node did that its own bills contradict. */
function nodeNotes(settlement: Settlement): string {
  const { contradiction, unexplained } = settlement ?? {};
  const notes = [
    ...(contradiction ? [contradictionText(contradiction)] : []),
    ...(unexplained ? [`⚠ ${unexplainedText(sat(unexplained))}`] : []),
  ];
  return notes.join('\n');
}

const contradictionText = ({
  said,
  least,
}: NonNullable<NonNullable<Settlement>['contradiction']>): string => {
  const left = said === undefined ? 'too little was left' : `${formatSat(sat(said))} were left`;
  return (
    `⚠ The node said that ${left} of this run’s budget; by its own bills it had to be ${formatSat(sat(least))} or more. ` +
    'So no more money was asked for. What it said is kept; !provider nodes shows other nodes.'
  );
};

/** What its owner said to it while it worked and it never read. */
const unheardText = ({ result }: Run): string =>
  (result?.unheard ?? [])
    .map((text) => `Not read any more: “${shorten(text, 200)}”. Send it again.`)
    .join('\n');

/** What the jail has to tell beside the answer. */
const jailNotes = ({ result }: Run): string => {
  const met = (result?.limits ?? []).filter((limit) => limit !== result?.failure?.detail);
  return [limitsLine(met), newGitLine(result?.newGit ?? [])].filter((line) => line !== '').join('\n');
};

function ending(run: Run, settlement: Settlement): string {
  switch (run.outcome) {
    case 'answered':
      return run.result?.failure === undefined ? '' : failureOf(run, settlement);
    case 'failed':
      return failureOf(run, settlement);
    case 'stopped':
      return sentences('Stopped.', soFar(run.result), waysOn(run), moneyOf(run, settlement));
    case 'timeout':
      return sentences(
        'Stopped: the time limit of a run was reached.',
        soFar(run.result),
        waysOn(run),
        moneyOf(run, settlement),
      );
    case 'idle':
      return sentences(
        'Stopped: the agent had been silent for too long.',
        soFar(run.result),
        waysOn(run),
        moneyOf(run, settlement),
      );
    case 'interrupted':
      return sentences(
        `Interrupted: the bot was stopped while this ran: “${shortTask(run.task)}”.`,
        soFar(run.result),
        waysOn(run),
        moneyOf(run, settlement),
      );
    case 'missed':
      return `Not run, the bot was away too long: “${shortTask(run.task)}”. !retry runs it now.`;
    case 'refused':
    case 'dropped':
    case undefined:
      return '';
  }
}

const sentences = (...all: readonly string[]): string => all.filter((each) => each !== '').join(' ');

function failureOf(run: Run, settlement: Settlement): string {
  const failure = run.result?.failure;
  if (failure === undefined) return sentences('The run failed. Try !retry.', moneyOf(run, settlement));
  const said = describeRunFailure(run, failure, settlement);
  const money = moneyOf(run, settlement);
  return money === '' ? said : `${said}\n${money}`;
}

/** Why a run failed and what can be done next, by who paid for it. */
export const describeRunFailure = (run: Run, failure: AgentFailure, settlement: Settlement): string =>
  (hasOwnKey(run) ? describeConnectionFailure(run.provider, failure) : undefined) ??
  describeFailure(failure, isPaid(run) ? { settlement } : undefined);

const soFar = (result: RunResult | undefined): string =>
  result === undefined || result.steps === 0 ? '' : `It had done ${plural(result.steps, 'step')}.`;

/** An agent that did nothing yet has nothing to go on with. What was cut off by the end of the bot may have. */
const waysOn = ({ outcome, result }: Run): string =>
  outcome === 'interrupted' || result?.backendSession !== undefined
    ? '!continue goes on where it was, !retry runs the task again.'
    : '!retry runs the task again.';

/** Its owner's own key at a provider paid. */
const hasOwnKey = (run: Run): run is Run & { readonly provider: string } =>
  run.provider !== undefined && !['local', 'routstr', 'none'].includes(run.provider);

/** Its money went through the wallet. */
const isPaid = (run: Run): boolean => run.provider === 'routstr';

/** Where the money of a run that did not end well is. What is owed stands in the line of facts. */
function moneyOf(run: Run, settlement: Settlement): string {
  if (settlement === undefined) {
    return isPaid(run)
      ? 'What it cost is not known yet: the node is asked for the change. !provider status shows it.'
      : '';
  }
  const { spent, owed = 0, fee = 0 } = settlement;
  const fees = fee > 0 ? `${formatSat(sat(fee))} in fees` : 'nothing';
  if (owed > 0) return spent === 0 ? `It cost ${fees} so far.` : '';
  if (spent > 0) return 'What was not spent is back.';
  return `It cost ${fees}: the ${fee > 0 ? 'rest of the' : 'whole'} budget is back.`;
}
