import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import type { AgentQuestion, Approval, Asked, Verdict } from '../backends/approval.ts';
import { approvalText, deadlineText, questionText, reasons } from '../replies/ask-replies.ts';
import { type Messenger, replyToRun } from './messenger.ts';
import type { Run } from './run.ts';

/** What an agent asked and its owner has read; one per run at a time, the others wait their turn. */
export type OpenAsk = {
  readonly run: Run;
  readonly about:
    | { readonly kind: 'approval'; readonly approval: Approval }
    | { readonly kind: 'question'; readonly question: AgentQuestion };
  /** The bot's messages that ask it. */
  readonly messages: readonly EventId[];
  /** Unix ms. */
  readonly askedAt: number;
};

/** Of an approval a verdict; of a question the chosen labels or words, or a no: it is not answered. */
export type AskAnswer = Verdict | { readonly answer: 'words'; readonly words: readonly string[] };

/**
 * What agents wait for from their owners. Nothing is kept on disk: an ask lives as long as its run, and a run does not
 * outlive the bot. A late answer finds nothing and does nothing.
 */
export type Asks = {
  /**
   * The asking side of a run. `waiting` is told when its agent begins and ends to wait for its owner.
   * @param directory what file names are told without
   * @param stopping aborted when the run is to end, with its `StopReason`
   */
  readonly ofRun: (
    run: Run,
    waiting: (begun: boolean) => void,
    directory?: string,
    stopping?: AbortSignal,
  ) => RunAsks;
  /** What this owner has not answered, the oldest first. */
  readonly open: (owner: PublicKey) => readonly OpenAsk[];
  /** False: it is over already. */
  readonly answer: (ask: OpenAsk, answer: AskAnswer) => boolean;
  /** Whether one of these messages asked something that is over. */
  readonly isOver: (messages: readonly EventId[]) => boolean;
  /** Whether one of this owner's ended without their answer so short a time ago that an answer may be meant for it. */
  readonly justLapsed: (owner: PublicKey) => boolean;
};
export type RunAsks = Required<Asked> & {
  /** The run is over: whatever is asked is refused. */
  readonly end: () => void;
};

export type AsksDeps = {
  readonly messenger: Pick<Messenger, 'send'>;
  /** After so long it is a no (ms). */
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

/** How long an answer to what has lapsed may still be on its way, and how soon after a new ask it is no answer to that. */
const lateMs = 60_000;
const tooSoonMs = 4_000;
/** So many messages that asked something are remembered when that is over. */
const mostRemembered = 1_000;

type Entry = { readonly ask: OpenAsk; readonly settle: (answer: AskAnswer | undefined) => void };

export function createAsks(deps: AsksDeps): Asks {
  const { messenger, clock } = deps;
  const entries = new Set<Entry>();
  const lapsedAt = new Map<PublicKey, number>();
  const past = new Set<EventId>();
  const remember = (messages: readonly EventId[]): void => {
    for (const id of messages) past.add(id);
    for (const id of past) {
      if (past.size <= mostRemembered) break;
      past.delete(id);
    }
  };

  const ask: AskOne = async ({ run, stopping }, about, text, signal) => {
    if (signal.aborted) return undefined;
    const messages = messenger.send(replyToRun(run), text);
    const { promise, resolve } = Promise.withResolvers<AskAnswer | undefined>();
    const entry: Entry = { ask: { run, about, messages, askedAt: clock.now() }, settle: resolve };
    const over = () => resolve(undefined);
    const timer = setTimeout(over, deps.deadlineMs);
    signal.addEventListener('abort', over, { once: true });
    entries.add(entry);
    try {
      const answer = await promise;
      if (answer === undefined) {
        // Who has stopped it themselves has no answer on its way.
        if (stopping?.reason !== 'stopped') lapsedAt.set(run.owner, clock.now());
        if (!signal.aborted) messenger.send(replyToRun(run), deadlineText(about, deps.deadlineMs));
      }
      return answer;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      entries.delete(entry);
      remember(messages);
    }
  };

  const ofRun: Asks['ofRun'] = (run, waiting, directory, stopping) =>
    runAsks({ run, waiting, directory, stopping, ask, ...deps });

  return {
    ofRun,
    open: (owner) => [...entries].map((entry) => entry.ask).filter(({ run }) => run.owner === owner),
    answer: (asked, answer) => {
      const entry = [...entries].find((each) => each.ask === asked);
      if (entry === undefined) return false;
      // At once: a second answer that comes before the agent has heard the first finds nothing.
      entries.delete(entry);
      remember(asked.messages);
      entry.settle(answer);
      return true;
    },
    isOver: (messages) => messages.some((id) => past.has(id)),
    justLapsed: (owner) => {
      const now = clock.now();
      const lapsed = lapsedAt.get(owner);
      if (lapsed === undefined || now - lapsed > lateMs) return false;
      return [...entries].some(({ ask: each }) => each.run.owner === owner && now - each.askedAt < tooSoonMs);
    },
  };
}

/** Asks one thing and waits; undefined: the deadline, or nobody waits for the answer any more. */
type AskOne = (
  by: { readonly run: Run; readonly stopping: AbortSignal | undefined },
  about: OpenAsk['about'],
  text: string,
  signal: AbortSignal,
) => Promise<AskAnswer | undefined>;

/** The asking side of one run. */
function runAsks({
  run,
  waiting,
  directory,
  stopping,
  ask,
  deadlineMs,
  log,
}: Pick<AsksDeps, 'deadlineMs' | 'log'> & {
  readonly run: Run;
  readonly waiting: (begun: boolean) => void;
  readonly directory: string | undefined;
  readonly stopping: AbortSignal | undefined;
  readonly ask: AskOne;
}): RunAsks {
  const ending = new AbortController();
  /** Kinds that the owner allowed until the run ends. */
  const always = new Set<string>();
  let last: Promise<unknown> = Promise.resolve();
  /** One at a time: what several tools ask at once would be one heap on a phone. */
  /** How often nobody answered: what has waited for its turn meanwhile is not asked of them again and again. */
  let lapses = 0;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work, work);
    last = done.catch(() => undefined);
    return done;
  };
  const waitingFor = async <T>(work: () => Promise<T>): Promise<T> => {
    waiting(true);
    try {
      return await work();
    } finally {
      waiting(false);
    }
  };

  const approve = async (approval: Approval, lapsesBefore: number, signal: AbortSignal): Promise<Verdict> => {
    const kind = kindOf(approval);
    if (signal.aborted) return { answer: 'no', why: reasons.over };
    if (always.has(kind)) return { answer: 'once' };
    if (lapses > lapsesBefore) return { answer: 'no', why: reasons.silent(deadlineMs) };
    const text = approvalText(approval, deadlineMs, directory);
    const answer = await waitingFor(() =>
      ask({ run, stopping }, { kind: 'approval', approval }, text, signal),
    );
    if (answer === undefined || answer.answer === 'words') {
      if (!signal.aborted) lapses += 1;
      return { answer: 'no', why: signal.aborted ? reasons.over : reasons.silent(deadlineMs) };
    }
    if (answer.answer === 'always') always.add(kind);
    log.info({ run: run.id, asked: kind, answer: answer.answer }, 'an owner answered');
    return answer;
  };
  const question = async (
    questions: readonly AgentQuestion[],
    signal: AbortSignal,
  ): Promise<readonly (readonly string[])[] | undefined> => {
    const answers: (readonly string[])[] = [];
    for (const [index, each] of questions.entries()) {
      const text = questionText(each, { number: index + 1, of: questions.length }, deadlineMs);
      const about = { kind: 'question', question: each } as const;
      const answer = await waitingFor(() => ask({ run, stopping }, about, text, signal));
      if (signal.aborted) return undefined;
      // Nobody is there: the others would wait as long, and what was answered before is kept.
      if (answer === undefined)
        return questions.map((_, of) => answers[of] ?? [reasons.unanswered(deadlineMs)]);
      answers.push(answer.answer === 'words' ? answer.words : [declinedWhy(answer)]);
    }
    return answers;
  };
  const until = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, ending.signal]);
  return {
    onApproval: (approval, signal) => {
      const before = lapses;
      return inTurn(() => approve(approval, before, until(signal)));
    },
    onQuestion: (questions, signal) => inTurn(() => question(questions, until(signal))),
    end: () => ending.abort(),
  };
}

const declinedWhy = (verdict: Verdict): string =>
  verdict.answer === 'no' && verdict.why !== reasons.plain ? `No: ${verdict.why}` : reasons.declined;

/** What `!always` allows: all that is of the same kind. */
const kindOf = ({ what }: Approval): string => (what.kind === 'other' ? what.permission : what.kind);
