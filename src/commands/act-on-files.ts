import type { PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { filesOf } from '../files/incoming-files.ts';
import { unspokenText } from '../replies/voice-replies.ts';
import type { DispatchDeps } from './dispatch-deps.ts';
import { notTakenFromSpeech } from './spoken.ts';

/** Files that come with messages are taken, and a task that was sent together with one, or is said in one, is one with it. */
export function createFileActions(
  deps: Pick<DispatchDeps, 'openFiles' | 'meaningOf' | 'messages' | 'redact'> & {
    readonly ownerOf: (message: StoredMessage) => Owner | undefined;
    /** One transaction with everything that comes of a message. */
    readonly once: (message: StoredMessage, act: () => void) => void;
    readonly reply: (message: StoredMessage, text: string) => void;
    readonly isTooLate: (message: StoredMessage) => boolean;
    readonly texts: {
      readonly act: (message: StoredMessage, owner: Owner, isSpoken?: boolean) => void;
    };
  },
) {
  const { once } = deps;
  let ended = false;
  /** Of each owner whose words wait for a file: the last of them. */
  const last = new Map<PublicKey, Promise<void>>();
  const files = deps.openFiles?.({
    answer: (message, text) => once(message, () => deps.reply(message, text)),
    show: (message, text) => deps.reply(message, deps.redact(text)),
    isTooLate: deps.isTooLate,
    goOn: (message, text, isSpoken) => {
      const owner = deps.ownerOf(message);
      const refused = isSpoken ? notTakenFromSpeech(text, deps.meaningOf(text)) : undefined;
      if (text === '' || owner === undefined) once(message, () => {});
      else if (refused !== undefined) once(message, () => deps.reply(message, unspokenText(refused)));
      else deps.texts.act({ ...message, text }, owner, isSpoken);
    },
  });
  return {
    /** @returns false: nothing came with it */
    take: (message: StoredMessage): boolean => {
      const sent = files === undefined ? [] : filesOf(message);
      if (sent.length > 0 && deps.messages.isDeleted(message)) once(message, () => {});
      else if (sent.length > 0) files?.accept(message, sent);
      return sent.length > 0;
    },
    /** Commands wait for nothing; other words for their files, and for what was said before them. */
    whenThere: (message: StoredMessage, go: () => void): void => {
      const { sender, text } = message;
      const isCommand = /^\s*[!！]/.test(text);
      const before = isCommand ? undefined : last.get(sender);
      const soon = isCommand ? undefined : files?.soon(sender, text);
      if (before === undefined && soon === undefined) {
        go();
        return;
      }
      const done = Promise.all([before, soon]).then(() => {
        if (last.get(sender) === done) last.delete(sender);
        if (!ended) go();
      });
      last.set(sender, done);
    },
    start: (): void => files?.start(),
    close: async (): Promise<void> => {
      ended = true;
      await files?.close();
    },
  };
}
