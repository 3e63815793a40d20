import type { EventId, StoredMessage } from '@nostr-dm-agent/nostr';
import { askOver, noTold, reasons, yesTold } from '../replies/ask-replies.ts';
import { nothingToAnswer } from '../replies/meaning-replies.ts';
import { nothingToStop } from '../replies/queue-replies.ts';
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
  /** 👍 and 👎 on a message of the agent's that asks. False: it is none. */
  const answer = (reaction: StoredMessage, sign: Sign, target: EventId): boolean => {
    const asked = asks.open(reaction.sender).find(({ messages: ids }) => ids.includes(target));
    // A question has more answers than two.
    if (asked === undefined || asked.about.kind === 'question') return false;
    const isNo = sign === 'no' || CROSSES.has(plain(reaction.text));
    if (sign === 'stop' && !isNo) return false;
    const verdict = isNo ? ({ answer: 'no', why: reasons.plain } as const) : ({ answer: 'once' } as const);
    const heard = asks.answer(asked, verdict);
    reply(reaction, heard ? (isNo ? noTold('') : yesTold) : askOver);
    return true;
  };
  return {
    /** To be part of the transaction that acts on the message. */
    act: (reaction: StoredMessage): void => {
      const { sender, references } = reaction;
      const sign = SIGNS.get(plain(reaction.text));
      // NIP-25: the last one is meant.
      const target = references.at(-1);
      if (sign === undefined || target === undefined || answer(reaction, sign, target)) return;
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
