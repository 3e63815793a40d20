import type { InboundMessage, Recipient } from '@nostr-dm-agent/nostr';

/** Where the answer to a message goes. */
export const recipientOf = (message: InboundMessage): Recipient => ({
  publicKey: message.sender,
  protocol: message.protocol,
  fallbackRelays: [message.relay],
  inReplyTo: message.id,
});
