import type { AgentQuestion, Approval } from '../backends/approval.ts';
import { formatDuration, lines, shorten } from './format.ts';

/** More of a command or a diff does not fit on a phone; what is left out is said, in its middle. */
const longest = 1500;

/** Its beginning and its end: what is dangerous may be hidden behind much that is not. */
function bounded(text: string): string {
  if (text.length <= longest) return text;
  const left = text.length - longest;
  return `${text.slice(0, longest / 2)}\n⚠ … ${left.toLocaleString('en-US')} characters are not shown …\n${text.slice(-longest / 2)}`;
}

/** All that a decision needs, without the ways to answer. */
export const askedText = (
  about:
    | { readonly kind: 'approval'; readonly approval: Approval }
    | { readonly kind: 'question'; readonly question: AgentQuestion },
): string =>
  about.kind === 'approval'
    ? lines(...whatText(about.approval.what, about.approval.bySubAgent ? ' (a sub-agent asks)' : ''))
    : about.question.question;

/** `May I run this?` */
/** @param directory what file names are told without */
export function approvalText({ what, bySubAgent }: Approval, deadlineMs: number, directory?: string): string {
  const helper = bySubAgent ? ' (a sub-agent asks)' : '';
  return lines(
    ...whatText(what, helper, directory),
    '',
    `👍 or !yes · 👎 or !no <why> · !always for all ${kindWords(what)} in this run. No answer in ${formatDuration(deadlineMs)} is a no.`,
  );
}

function whatText(what: Approval['what'], helper: string, directory = ''): readonly string[] {
  switch (what.kind) {
    case 'command':
      return [`🔐 May I run this?${helper}`, '', bounded(what.command)];
    case 'edit':
      return [
        `🔐 May I edit ${shorten(inside(what.file, directory), 200)}?${helper}`,
        ...(what.diff === undefined ? [] : ['', bounded(withoutHead(what.diff))]),
      ];
    case 'other':
      return [
        `🔐 ${otherQuestions[what.permission] ?? `May I use ${shorten(what.permission, 60)}?`}${helper}`,
        ...(what.patterns.length === 0 ? [] : ['', bounded(what.patterns.join('\n'))]),
      ];
  }
}

/** opencode's names for what it asks by itself. */
const otherQuestions: Readonly<Record<string, string>> = {
  read: 'May I read this?',
  external_directory: 'May I use files outside the workspace?',
  doom_loop: 'I have made the same call again and again. May I go on?',
  webfetch: 'May I fetch this page?',
  websearch: 'May I search the web for this?',
  task: 'May I hand this to a sub-agent?',
};

const inside = (file: string, directory: string): string =>
  directory !== '' && file.startsWith(`${directory}/`) ? file.slice(directory.length + 1) : file;

/** A unified diff without the lines that name its files. */
const withoutHead = (diff: string): string =>
  diff.replace(/^(?:Index: .*|=+|--- .*|\+\+\+ .*)\n/gm, '').trim();

const kindWords = (what: Approval['what']): string => {
  if (what.kind === 'command') return 'commands';
  return what.kind === 'edit' ? 'edits' : 'of this kind';
};

/** `Which colour?` with its options by number. */
export function questionText(
  { question, options, multiple }: AgentQuestion,
  place: { readonly number: number; readonly of: number },
  deadlineMs: number,
): string {
  const which = place.of > 1 ? ` (${place.number} of ${place.of})` : '';
  const how =
    options.length === 0
      ? 'Answer in words.'
      : multiple
        ? 'Answer with numbers (1, 3) or in words.'
        : 'Answer with a number or in words.';
  return lines(
    `❓ ${bounded(question)}${which}`,
    options.map(
      ({ label, description }, index) =>
        `${index + 1}. ${label}${description === '' || description === label ? '' : ` – ${shorten(description, 200)}`}`,
    ),
    '',
    `${how} Without one in ${formatDuration(deadlineMs)}, or after !no, the agent decides by itself.`,
  );
}

export const deadlineText = (
  { kind }: { readonly kind: 'approval' | 'question' },
  deadlineMs: number,
): string =>
  kind === 'approval'
    ? `No answer in ${formatDuration(deadlineMs)}, so the agent was told no. It goes on without.`
    : `No answer in ${formatDuration(deadlineMs)}: the agent goes on by itself.`;

/** What the model is told with a no. */
export const reasons = {
  silent: (deadlineMs: number): string =>
    `The owner did not answer within ${formatDuration(deadlineMs)}. Do not ask for this again; go on without it, or say what you need.`,
  /** Instead of an answer to a question. */
  unanswered: (deadlineMs: number): string =>
    `(No answer within ${formatDuration(deadlineMs)}. Decide this yourself, and say what you assumed.)`,
  declined: '(The owner does not answer this. Decide it yourself, and say what you assumed.)',
  over: 'The run is over.',
  plain: 'The owner said no. Do not ask for this again; go on without it, or say what you need.',
} as const;

export const yesTold = 'Told the agent: yes.';
export const alwaysTold = 'Told the agent: yes, and the same for all of its kind in this run.';
export const noTold = (why: string): string =>
  why === '' ? 'Told the agent: no.' : `Told the agent: no – ${shorten(why, 120)}`;
export const answerTold = (words: readonly string[]): string =>
  `Told the agent: ${shorten(words.join(', '), 120)}`;

export const nobodyAsks = (version = 'this version'): string =>
  `⚠ Nothing can be asked with this version of the agent (${version}): what would have to be asked is refused.`;

/** Several wait, and the answer does not say for which. */
export const whichAsk = (asked: readonly string[], example: string): string =>
  lines(
    'Several things wait for your answer:',
    asked.map((each, index) => `${index + 1}. ${shorten(each.replace(/\s+/g, ' '), 100)}`),
    `Answer with its number: ${example} – or reply to the message that asks.`,
  );

export const nothingAsked = (word: string): string =>
  `Nothing waits for ${word === 'answer' ? 'an answer' : `a ${word === 'no' ? 'no' : 'yes'}`}: the agent asks nothing now. A new task is a plain message.`;
export const askOver = 'That is over: the agent does not wait for it any more, so nothing was done.';
export const answeredTooSoon = (asked: string): string =>
  lines(
    'That came as one thing ran out of time and another was asked, so nothing was done. Now it asks:',
    shorten(asked.replace(/\s+/g, ' '), 200),
    'Send your answer again if you mean this.',
  );
export const approvalNeeded = 'The agent asks whether it may do something: !yes, or !no with the reason.';
export const questionNeeded =
  'The agent asked a question: answer it with a number or in words; !no leaves it to the agent.';
export const declinedTold = 'Told the agent: no answer. It decides by itself.';
