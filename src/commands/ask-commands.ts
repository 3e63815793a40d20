import { approvalRules } from '../backends/approval.ts';
import {
  alwaysTold,
  answerTold,
  declinedTold,
  nobodyAsks,
  noTold,
  questionNeeded,
  reasons,
  yesTold,
} from '../replies/ask-replies.ts';
import { lines } from '../replies/format.ts';
import { nothingToAnswer } from '../replies/meaning-replies.ts';
import { optionFor, readAnswer } from '../runs/question-answer.ts';
import { parseChoice } from './arguments.ts';
import { type Call, type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { findAsk, give } from './find-ask.ts';

/** What each rule has asked. */
const meaning = {
  off: 'the agent asks nothing before it acts',
  commands: 'the agent asks before it runs a command',
  all: 'the agent asks before it runs a command or edits a file',
} as const;

/** `!yes`, `!no`, `!always`, `!answer`: to what the agent asks. `!approvals`: what it is to ask. */
export const askCommands = ({ asks, bot, currentSessions, stores }: CommandDeps): readonly Command[] => {
  /** Money goes out by its code alone. */
  const noCode = ({ owner }: Call, answer: 'yes' | 'no'): void => {
    const { publicKey } = owner;
    if (asks.open(publicKey).length === 0 && stores.confirmations.waiting(publicKey))
      throw new RefusalError(nothingToAnswer(answer, true));
  };
  return [
    {
      path: 'yes',
      parameters: '[n]',
      family: 'Tasks',
      summary: 'yes to what the agent asks to do',
      detail:
        'So does 👍 on the message that asks, or the word yes. When several things wait: the number, or a reply to the one that is meant.',
      examples: ['!yes', '!yes 2'],
      role: 'member',
      kind: 'immediate',
      run: (call) => {
        noCode(call, 'yes');
        return saidYes(asks, call);
      },
    },
    {
      path: 'no',
      parameters: '[why]',
      family: 'Tasks',
      summary: 'no to what the agent asks to do; it is told why and goes on',
      detail:
        'So does 👎 on the message that asks, or the word no. A question is left to the agent. To end the task: !stop.',
      examples: ['!no', '!no use git rm instead'],
      role: 'member',
      kind: 'immediate',
      run: (call) => {
        noCode(call, 'no');
        return saidNo(asks, call);
      },
    },
    {
      path: 'always',
      parameters: '[n]',
      family: 'Tasks',
      summary: 'yes, and to all of its kind until this run ends',
      detail: 'Of commands, every command; of edits, every edit. The next task asks again.',
      examples: ['!always'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, message, argument }) => {
        const wanted = { kind: 'approval', word: 'always' } as const;
        const { ask } = findAsk(asks, owner.publicKey, message, argument, wanted);
        return { reply: alwaysTold, commit: () => give(asks, ask, { answer: 'always' }) };
      },
    },
    {
      path: 'answer',
      parameters: '<number or words>',
      takesTask: true,
      family: 'Tasks',
      summary: 'the answer to a question of the agent',
      detail: 'While it waits for one, a plain message is the answer, too.',
      examples: ['!answer 2', '!answer the blue one, but darker'],
      role: 'member',
      kind: 'immediate',
      run: (call) => answered(asks, call),
    },
    {
      path: 'approvals',
      parameters: '[off|commands|all]',
      family: 'Tasks',
      summary: 'show or set what the agent asks you before it does it',
      detail: approvalRules.map((rule) => `${rule}: ${meaning[rule]}`).join('\n'),
      examples: ['!approvals', '!approvals commands'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner: { publicKey }, argument }) => {
        if (argument !== '') {
          const rule = parseChoice(argument, 'rule', approvalRules);
          currentSessions.setApprovals(publicKey, rule);
          const kept = rule === 'off' ? undefined : bot.kept(currentSessions.choices(publicKey).backend);
          return lines(
            `Approvals: ${rule} – ${meaning[rule]}, from the next task on.`,
            kept?.state === 'none' && kept.why === 'untested' && nobodyAsks(kept.detail),
          );
        }
        const rule = currentSessions.choices(publicKey).approvals;
        return lines(
          `Approvals: ${rule} – ${meaning[rule]}.`,
          approvalRules.map((other) => other !== rule && `!approvals ${other} – ${meaning[other]}`),
        );
      },
    },
  ];
};

/** Of a question it is the option that begins so, where there is one. @throws RefusalError */
function saidYes(asks: CommandDeps['asks'], { owner, message, argument }: Call) {
  const wanted = { kind: 'approval', word: 'yes', orQuestion: true } as const;
  const { ask, rest } = findAsk(asks, owner.publicKey, message, argument, wanted);
  if (ask.about.kind === 'approval')
    return { reply: yesTold, commit: () => give(asks, ask, { answer: 'once' }) };
  const { question } = ask.about;
  const text = rest.trim();
  const words = readAnswer(question, text || 'yes');
  if (text === '' && question.options.length > 0 && optionFor(question, 'yes') === undefined)
    throw new RefusalError(questionNeeded);
  return { reply: answerTold(words), commit: () => give(asks, ask, { answer: 'words', words }) };
}

/** Of a question it is the option that begins so, else it is left to the agent. @throws RefusalError */
function saidNo(asks: CommandDeps['asks'], { owner, message, argument }: Call) {
  const wanted = { kind: 'approval', word: 'no', orQuestion: true } as const;
  const { ask, rest } = findAsk(asks, owner.publicKey, message, argument, wanted);
  const why = rest.trim();
  const label = ask.about.kind === 'question' && why === '' ? optionFor(ask.about.question, 'no') : undefined;
  if (label !== undefined) {
    const words = [label];
    return { reply: answerTold(words), commit: () => give(asks, ask, { answer: 'words', words }) };
  }
  const verdict = { answer: 'no', why: why === '' ? reasons.plain : why } as const;
  const reply = ask.about.kind === 'question' && why === '' ? declinedTold : noTold(why);
  return { reply, commit: () => give(asks, ask, verdict) };
}

/** @throws UsageError, RefusalError */
function answered(asks: CommandDeps['asks'], { owner, message, argument }: Call) {
  if (argument.trim() === '') throw new UsageError('The answer is missing: a number, or words.');
  const wanted = { kind: 'question', word: 'answer' } as const;
  const { ask, rest } = findAsk(asks, owner.publicKey, message, argument, wanted);
  if (ask.about.kind !== 'question') throw new RangeError('an approval was found for a question');
  const words = readAnswer(ask.about.question, rest);
  return { reply: answerTold(words), commit: () => give(asks, ask, { answer: 'words', words }) };
}
