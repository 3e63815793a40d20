import type { Outbox } from '@nostr-dm-agent/nostr';
import { TokenTooLongError } from '@nostr-dm-agent/nostr';
import type { Messenger } from '../runs/messenger.ts';

/** Longer than any token or invoice that fits into a message. */
const endlessWord = /\S{20000,}/g;

/** Speaks through the outbox. What no message can carry is named and left out, so that the rest arrives. */
export const createOutboxMessenger = (outbox: Outbox): Messenger => ({
  send: (to, text) => {
    try {
      outbox.send(to, text);
    } catch (error) {
      if (!(error instanceof TokenTooLongError)) throw error;
      outbox.send(
        to,
        text.replace(endlessWord, (word) => `[left out: ${word.length} characters without a space]`),
      );
    }
  },
  react: (to, target, reaction) => {
    outbox.react(to, target, reaction);
  },
});
