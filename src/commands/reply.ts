import type { StoredMessage } from '@nostr-dm-agent/nostr';
import { holdsSealed, withoutQuotedSeals } from '../keys/keys-in-messages.ts';
import { deleteAdvice } from '../replies/connection-replies.ts';
import { type Messenger, replyTo, type SendOptions } from '../runs/messenger.ts';

/** Whatever came of a message with a key, its sender is told to delete it, and reads nothing of it. */
export const createReply =
  (messenger: Messenger) =>
  (message: StoredMessage, text: string, options: SendOptions = {}) => {
    const hadKey = holdsSealed(message.text);
    const said = hadKey ? withoutQuotedSeals(text) : text;
    const advice = hadKey && !said.includes(deleteAdvice) ? `\n\n${deleteAdvice}` : '';
    messenger.send(replyTo(message), `${said}${advice}`, options);
  };
export type Reply = ReturnType<typeof createReply>;
