import type { EventId, StoredMessage } from '@nostr-dm-agent/nostr';
import {
  answerTold,
  askOver,
  declinedTold,
  noTold,
  questionNeeded,
  reasons,
  yesTold,
} from '../replies/ask-replies.ts';
import { nothingToAnswer } from '../replies/meaning-replies.ts';
import { nothingToStop } from '../replies/queue-replies.ts';
import type { AskAnswer, OpenAsk } from '../runs/asks.ts';
import { optionFor, readAnswer } from '../runs/question-answer.ts';
import type { DispatchDeps } from './dispatch-deps.ts';
import { createReply } from './reply.ts';

type Sign = 'stop' | 'yes' | 'no';

/** On a message that asks, these say no; elsewhere they end the task. */
const CROSSES = new Set(['❌', '✖', '🚫', '⛔']);

/** Reactions as buttons. NIP-25 writes a like as `+`, or as nothing; skin tones and variation selectors are looked through. */
const SIGNS: ReadonlyMap<string, Sign> = new Map([
  ...['❌', '✖', '🛑', '✋', '⏹', '🚫', '⛔', '🗑'].map((text) => [text, 'stop'] as const),
  ...['👍', '✅', '✔', '👌', '+', ''].map((text) => [text, 'yes'] as const),
  ...['👎', '-'].map((text) => [text, 'no'] as const),
]);

/** `2️⃣`: an option by its number. */
const KEYCAP = /^[1-9]\ufe0f?\u20e3$/u;

const plain = (text: string): string => text.replace(/[\u{1f3fb}-\u{1f3ff}\ufe0e\ufe0f]/gu, '').trim();

/**
 * What a reaction to a message does: ❌ ends the task that the message asked for, or that the bot's message is about. 👍 and 👎
 * say yes or no where something was asked, but never pay: money goes out by its code alone. Any other is a kindness.
 */
export function createReactionActions({
  tasks,
  asks,
  confirmations,
  messages,
  messenger,
  meaningOf,
  answeredBy = () => undefined,
}: Pick<
  DispatchDeps,
  'tasks' | 'asks' | 'confirmations' | 'messages' | 'messenger' | 'meaningOf' | 'answeredBy'
>) {
  const reply = createReply(messenger);
  /** 👍, 👎 or a figure on a message of the agent's that asks. False: it is none, or ends the task. */
  const answer = (reaction: StoredMessage, sign: Sign | undefined, target: EventId): boolean => {
    const asked = asks.open(reaction.sender).find(({ messages: ids }) => ids.includes(target));
    if (asked === undefined) return false;
    const isNo = sign === 'no' || CROSSES.has(plain(reaction.text));
    if (sign === 'stop' && !isNo) return false;
    const meant = meantBy(asked, reaction.text, isNo ? 'no' : sign);
    if (meant === undefined) return false;
    if (meant === 'unclear') reply(reaction, questionNeeded);
    else reply(reaction, asks.answer(asked, meant.answer) ? meant.told : askOver);
    return true;
  };
  return {
    /** To be part of the transaction that acts on the message. */
    act: (reaction: StoredMessage): void => {
      const { sender, references } = reaction;
      const sign = SIGNS.get(plain(reaction.text));
      // NIP-25: the last one is meant.
      const target = references.at(-1);
      if (target === undefined || answer(reaction, sign, target) || sign === undefined) return;
      const about: EventId = answeredBy(target) ?? target;
      if (sign === 'stop') {
        if (tasks.callOff(sender, [about]) === 0) reply(reaction, nothingToStop);
        return;
      }
      const asked = messages.byId(sender, about);
      // Of a task an answer is liked. Of a command it may be a code that waits.
      if (asked === undefined || meaningOf(asked.text).kind === 'task') return;
      if (confirmations.waiting(sender)) reply(reaction, nothingToAnswer(sign, true));
    },
  };
}

type Meant = { readonly answer: AskAnswer; readonly told: string };

/** What a reaction says to what is asked; undefined: nothing. A question has more answers than two. */
function meantBy({ about }: OpenAsk, text: string, sign: Sign | undefined): Meant | 'unclear' | undefined {
  const no: Meant = { answer: { answer: 'no', why: reasons.plain }, told: noTold('') };
  if (about.kind === 'approval') {
    if (sign === 'no') return no;
    return sign === 'yes' ? { answer: { answer: 'once' }, told: yesTold } : undefined;
  }
  const { question } = about;
  const said = (words: readonly string[]): Meant => ({
    ...{ answer: { answer: 'words', words }, told: answerTold(words) },
  });
  if (KEYCAP.test(text)) {
    const words = readAnswer(question, text);
    return question.options.some(({ label }) => label === words[0]) ? said(words) : 'unclear';
  }
  if (sign !== 'yes' && sign !== 'no') return undefined;
  const label = optionFor(question, sign);
  if (label !== undefined) return said([label]);
  return sign === 'no' ? { ...no, told: declinedTold } : 'unclear';
}
