import {
  besideMoneyNote,
  courtesyReply,
  emptyMessage,
  nothingToAnswer,
  secretReply,
  unreadNote,
} from '../replies/meaning-replies.ts';
import type { Match } from './command-registry.ts';
import { isConsent } from './meaning/everyday-words.ts';
import type { Meaning } from './meaning/meaning.ts';

/** What one message asks for, in order; `note`: said after the last answer. */
export type Orders = { readonly commands: readonly Match[]; readonly note: string | undefined };

/** What a message stands for, as commands: money is redeemed, an invoice is quoted, a code confirms. undefined: none. */
export function ordersIn(meaning: Meaning, match: (text: string) => Match): Orders | undefined {
  switch (meaning.kind) {
    case 'commands':
      return {
        commands: meaning.commands,
        note: meaning.unread === '' ? undefined : unreadNote(meaning.unread),
      };
    case 'tokens':
      return {
        commands: meaning.tokens.map((token) => match(`!wallet receive ${token}`)),
        note: noteBeside(meaning.words),
      };
    case 'invoice':
      return {
        commands: [match(`!wallet withdraw ${meaning.invoice}`)],
        note: noteBeside(meaning.words),
      };
    case 'payee':
      return { commands: [match(`!wallet withdraw ${meaning.payee} ${meaning.amount}`)], note: undefined };
    case 'code':
      return { commands: [match(`!wallet confirm ${meaning.digits}`)], note: undefined };
    default:
      return undefined;
  }
}

/** What is said to a message that is neither an order nor a task. @param waiting whether a code of theirs waits */
export function replyTo(meaning: Meaning, waiting: boolean): string | undefined {
  switch (meaning.kind) {
    case 'answer':
      return nothingToAnswer(meaning.answer, waiting);
    case 'courtesy':
      return courtesyReply;
    case 'secret':
      return secretReply;
    case 'empty':
      return emptyMessage;
    case 'task':
      return waiting && isConsent(meaning.text) ? nothingToAnswer('yes', true) : undefined;
    default:
      return undefined;
  }
}

const noteBeside = (words: string): string | undefined => (words === '' ? undefined : besideMoneyNote(words));
