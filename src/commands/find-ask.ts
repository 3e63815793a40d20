import type { InboundMessage, PublicKey } from '@nostr-dm-agent/nostr';
import {
  answeredTooSoon,
  approvalNeeded,
  askOver,
  nothingAsked,
  questionNeeded,
  whichAsk,
} from '../replies/ask-replies.ts';
import type { Asks, OpenAsk } from '../runs/asks.ts';
import { RefusalError } from './command.ts';

/** What is asked, in one line. */
export const askedIn = ({ about }: OpenAsk): string => {
  if (about.kind === 'question') return about.question.question;
  const { what } = about.approval;
  switch (what.kind) {
    case 'command':
      return what.command;
    case 'edit':
      return `edit ${what.file}`;
    case 'other':
      return [what.permission, ...what.patterns].join(' ');
  }
};

/**
 * The ask that an answer is for: the one that it replies to, else the one with the number that it begins with, else the
 * only one. @throws RefusalError when there is none, or it is not clear which
 */
export function findAsk(
  asks: Pick<Asks, 'open' | 'isOver' | 'justLapsed'>,
  owner: PublicKey,
  message: Pick<InboundMessage, 'references'>,
  argument: string,
  wanted: {
    readonly kind: OpenAsk['about']['kind'];
    readonly word: string;
    /** Where nothing of its kind waits, it is for a question. */
    readonly orQuestion?: boolean;
  },
): { readonly ask: OpenAsk; readonly rest: string } {
  const open = asks.open(owner);
  const meant = open.find(({ messages }) => messages.some((id) => message.references.includes(id)));
  if (meant !== undefined) {
    const isQuestion = meant.about.kind === 'question' && wanted.orQuestion === true;
    return { ask: isQuestion ? meant : checked(meant, wanted.kind), rest: argument };
  }
  // It replies to what is over: it is no answer to anything else.
  if (asks.isOver(message.references)) throw new RefusalError(askOver);
  if (open.length === 0) {
    throw new RefusalError(nothingAsked(wanted.word));
  }
  const ofKind = open.filter(({ about }) => about.kind === wanted.kind);
  const able = ofKind.length === 0 && wanted.orQuestion === true ? open : ofKind;
  const [only] = able;
  if (only === undefined)
    throw new RefusalError(wanted.kind === 'approval' ? questionNeeded : approvalNeeded);
  if (asks.justLapsed(owner)) throw new RefusalError(answeredTooSoon(askedIn(only)));
  if (able.length === 1) return { ask: only, rest: argument };
  const [, number, rest = ''] = /^#?(\d{1,2})(?:[\s:.)]+(.*))?$/s.exec(argument) ?? [];
  const chosen = number === undefined ? undefined : able[Number(number) - 1];
  if (chosen === undefined) throw new RefusalError(whichAsk(able.map(askedIn), `!${wanted.word} 1`));
  return { ask: chosen, rest };
}

const checked = (ask: OpenAsk, kind: OpenAsk['about']['kind']): OpenAsk => {
  if (ask.about.kind === kind) return ask;
  throw new RefusalError(kind === 'approval' ? questionNeeded : approvalNeeded);
};

/** Gives the answer. @throws RefusalError when nobody waits for it any more */
export function give(asks: Pick<Asks, 'answer'>, ...answer: Parameters<Asks['answer']>): void {
  if (!asks.answer(...answer)) throw new RefusalError(askOver);
}
