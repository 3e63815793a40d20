import type { Outbox, PublicKey, Recipient, Series } from '@nostr-dm-agent/nostr';
import { TokenTooLongError } from '@nostr-dm-agent/nostr';
import { leftOut, restNotice } from '../replies/long-replies.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Rests } from '../store/rests-table.ts';

/** Longer than any token or invoice that fits into a message. */
const endlessWord = /\S{20000,}/g;

/**
 * Speaks through the outbox. What no message can carry is named and left out, so that the rest arrives; what is too long
 * for one reply is kept for its reader, who is told so.
 */
export function createOutboxMessenger(
  outbox: Pick<Outbox, 'send' | 'react'>,
  rests: Rests,
  /** Something was said to somebody, in so many messages. */
  onSaid: (owner: PublicKey, text: string, messages: number) => void = () => {},
): Messenger {
  const sendAll = (to: Recipient, text: string, series?: Series) => {
    const sent = sendWhole(to, text, series);
    onSaid(to.publicKey, text, sent.ids.length);
    return sent;
  };
  const sendWhole = (to: Recipient, text: string, series: Series | undefined) => {
    try {
      return outbox.send(to, text, series);
    } catch (error) {
      if (!(error instanceof TokenTooLongError)) throw error;
      const short = text.replace(endlessWord, (word) => leftOut(word.length));
      return outbox.send(to, short, series);
    }
  };
  return {
    send: (to, text, foot = '', series) => {
      const { ids, rest } = sendAll(to, foot === '' ? text : `${text}\n\n${foot}`, series);
      if (rest === '') return ids;
      const kept = (rest.endsWith(foot) ? rest.slice(0, rest.length - foot.length) : rest).trimEnd();
      if (kept !== '') rests.keep(to.publicKey, kept);
      const last = sendAll(to, [kept === '' ? '' : restNotice(kept.length), foot].join('\n\n'));
      return [...ids, ...last.ids];
    },
    react: (to, target, reaction) => {
      outbox.react(to, target, reaction);
    },
  };
}
