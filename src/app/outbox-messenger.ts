import type { Outbox, PublicKey, Recipient, Series } from '@nostr-dm-agent/nostr';
import { TokenTooLongError } from '@nostr-dm-agent/nostr';
import { MAX_FILE_BYTES } from '../files/fetch-file.ts';
import type { OutgoingFiles } from '../files/outgoing-files.ts';
import { textType } from '../files/sniff-type.ts';
import { leftOut, restNotice } from '../replies/long-replies.ts';
import type { Messenger, SendOptions } from '../runs/messenger.ts';
import type { Rests } from '../store/rests-table.ts';

/** Longer than any token or invoice that fits into a message. */
const endlessWord = /\S{20000,}/g;

/** Of a text that is better read as a file so much is sent as text; more does not fit into one message with what follows. */
const beginningCharacters = 3_200;

/**
 * Speaks through the outbox. What no message can carry is named and left out, so that the rest arrives; what is too long
 * for one reply is kept for its reader, who is told so, and comes as a file where files can be sent.
 *
 * @param files undefined: no server is set
 */
export function createOutboxMessenger(
  outbox: Pick<Outbox, 'send' | 'react'>,
  rests: Rests,
  /** Something was said to somebody, in so many messages. */
  onSaid: (owner: PublicKey, text: string, messages: number) => void = () => {},
  files?: OutgoingFiles,
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
  const filesFor = ({ protocol, publicKey }: Recipient) =>
    protocol === 'nip17' && files?.isFull(publicKey) === false ? files : undefined;
  /** @returns its name, when it is on its way */
  const sendFile = (to: Recipient, text: string, whole: SendOptions['whole']): string | undefined => {
    if (whole === 'none') return undefined;
    const name = whole?.name ?? 'reply.md';
    const bytes = Buffer.from(whole?.text ?? text);
    if (bytes.length > MAX_FILE_BYTES) return undefined;
    const file = filesFor(to)?.prepare({ bytes, type: textType(name), name, way: 'more_lines' });
    file?.send(to);
    return file?.name;
  };
  const sendText = (to: Recipient, text: string, { foot = '', series, whole }: SendOptions) => {
    const { ids, rest } = sendAll(to, foot === '' ? text : `${text}\n\n${foot}`, series);
    if (rest === '') return ids;
    const kept = (rest.endsWith(foot) ? rest.slice(0, rest.length - foot.length) : rest).trimEnd();
    if (kept !== '') rests.keep(to.publicKey, kept);
    const notice = kept === '' ? '' : restNotice(kept.length, sendFile(to, text, whole));
    return [...ids, ...sendAll(to, [notice, foot].join('\n\n')).ids];
  };
  /** Its beginning, where the whole of it comes as a file. */
  const sendBeginning = (to: Recipient, text: string, { foot = '', whole }: SendOptions) => {
    const lineEnd = text.lastIndexOf('\n', beginningCharacters);
    // A single line may be endless; no character is cut in two.
    const isInside = /[\ud800-\udbff]/.test(text.charAt(beginningCharacters - 1));
    const within = beginningCharacters - (isInside ? 1 : 0);
    const end = lineEnd > beginningCharacters / 2 ? lineEnd : within;
    const rest = text.slice(end).trim();
    rests.keep(to.publicKey, rest);
    const parts = [text.slice(0, end), restNotice(rest.length, sendFile(to, text, whole)), foot];
    return sendAll(to, parts.filter((part) => part !== '').join('\n\n')).ids;
  };
  return {
    send: (to, text, options = {}) => {
      const { whole, beside = [] } = options;
      const isSooner = typeof whole === 'object' && whole.sooner === true;
      const cut = isSooner && text.length > 1.1 * beginningCharacters && filesFor(to) !== undefined;
      const ids = (cut ? sendBeginning : sendText)(to, text, options);
      if (to.protocol === 'nip17') for (const file of beside) file.send(to);
      return ids;
    },
    react: (to, target, reaction) => {
      outbox.react(to, target, reaction);
    },
  };
}
