import {
  accessKeyReply,
  amountReply,
  besideMoneyNote,
  courtesyReply,
  emptyMessage,
  fragmentReply,
  greetingReply,
  holdReply,
  nothingToAnswer,
  quoteReply,
  referenceReply,
  secretReply,
  unreadNote,
} from '../replies/meaning-replies.ts';
import type { Match } from './command-registry.ts';
import { isConsent } from './meaning/everyday-words.ts';
import type { Meaning } from './meaning/meaning.ts';
import type { RefersTo } from './meaning/small-talk.ts';

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
      return beside(
        meaning.tokens.map((token) => match(`!wallet receive ${token}`)),
        meaning.words,
        match,
      );
    case 'invoice':
      return beside([match(`!wallet withdraw ${meaning.invoice}`)], meaning.words, match);
    case 'payee':
      return { commands: [match(`!wallet withdraw ${meaning.payee} ${meaning.amount}`)], note: undefined };
    case 'code':
      return { commands: [match(`!wallet confirm ${meaning.digits}`)], note: undefined };
    default:
      return undefined;
  }
}

/** Words that people put round money: nothing that an agent could do. */
const IDLE =
  /(?<![\p{L}\p{N}])(?:redeem|receive|claim|take|take it|accept|here|here’s|here's|is|are|was|a|an|some|more|the|my|your|this|these|that|you|u|me|i|it|go|for|of|from|to|with|and|or|token|tokens|cashu|ecash|money|sats?|funds|payment|pay|please|pls|plz|thx|ty|thanks|thank|bot|hi|hey|hello|ok|invoice|bill|lightning|bitcoin|wallet|withdraw|send|top|up|topup|add|deposit|can|could|would|will|hier|bitte|danke|aquí|gracias|nostr)(?![\p{L}\p{N}])/giu;

/** Money, and what stands beside it: a command, politeness, or what was not read. */
function beside(money: readonly Match[], words: string, match: (text: string) => Match): Orders {
  const other = /^[!！]/.test(words) ? match(words) : undefined;
  if (other?.found === true && other.command.parameters === undefined && other.argument === '') {
    return { commands: [...money, other], note: undefined };
  }
  const isIdle = !/[\p{L}\p{N}]/u.test(words.replace(IDLE, ' '));
  return { commands: money, note: isIdle ? undefined : besideMoneyNote(words) };
}

/** What is known beside a message when it is answered. */
export type Standing = {
  /** A code of theirs waits. */
  readonly codeWaits: boolean;
  /** Something was said before that a fragment can mean. */
  readonly continues: (fragment: RefersTo) => boolean;
};

/** What is said to a message that is neither an order nor a task. */
export function replyTo(meaning: Meaning, { codeWaits, continues }: Standing): string | undefined {
  switch (meaning.kind) {
    case 'answer':
      return nothingToAnswer(meaning.answer, codeWaits);
    case 'called-off':
      return nothingToAnswer('no', codeWaits);
    case 'courtesy':
      return courtesyReply;
    case 'greeting':
      return greetingReply;
    case 'hold':
      return codeWaits ? nothingToAnswer('no', true) : holdReply;
    case 'amount':
      return codeWaits ? nothingToAnswer('yes', true) : amountReply;
    case 'reference':
      return referenceReply;
    case 'quote':
      return quoteReply;
    case 'secret':
      return secretReply;
    case 'access-key':
      return accessKeyReply;
    case 'empty':
      return emptyMessage;
    case 'task':
      return codeWaits && isConsent(meaning.text) ? nothingToAnswer('yes', true) : undefined;
    case 'fragment':
      if (codeWaits && (isConsent(meaning.text) || meaning.refersTo === 'last')) {
        return nothingToAnswer('yes', true);
      }
      return continues(meaning.refersTo) ? undefined : fragmentReply(meaning.text, meaning.refersTo);
    default:
      return undefined;
  }
}
