import type { EventId, InboundMessage, PublicKey, Recipient, Series } from '@nostr-dm-agent/nostr';
import type { PreparedFile } from '../files/outgoing-files.ts';
import type { Run } from './run.ts';

/** A message that can be reacted to. */
export type ReactionTarget = {
  readonly id: EventId;
  readonly author: PublicKey;
  readonly kind: number;
};

/**
 * Speaks to owners. Both are durable when they return and can be part of the caller's transaction; delivery goes on
 * behind (the outbox of the nostr package).
 */
export type Messenger = {
  /**
   * Of what is too long, the rest is kept for `!more lines`, and the whole comes as a file where files can be sent.
   * @returns the messages that it became, by which their reader can refer to them
   */
  readonly send: (to: Recipient, text: string, options?: SendOptions) => readonly EventId[];
  readonly react: (to: Recipient, target: ReactionTarget, reaction: RunReaction) => void;
};

export type SendOptions = {
  /** Stands at the end of what is sent, however long the text is. */
  readonly foot?: string;
  /** It is a part of an answer that is sent bit by bit. */
  readonly series?: Series;
  /** What comes as a file when the text is too long; default: the text, as `reply.md`. */
  readonly whole?: WholeText | 'none' | undefined;
  /** Files that follow the text. Not sent by NIP-04. */
  readonly beside?: readonly Pick<PreparedFile, 'send'>[];
};
export type WholeText = {
  /** Of the file; its ending says what it is. */
  readonly name: string;
  readonly text: string;
  /** One message of it is enough as text. */
  readonly sooner?: true;
};

/** On a task's message: it begins, it waits for its turn, it was stopped or called off, it is done, it ended without success. */
export type RunReaction = '👀' | '⏸' | '⏹' | '✅' | '❌';

/** Where the reply to a message goes. */
export const replyTo = (message: InboundMessage): Recipient => ({
  publicKey: message.sender,
  protocol: message.protocol,
  fallbackRelays: [message.relay],
  inReplyTo: message.id,
});

/** Where the reply to a run goes: to its owner, in the protocol and to the relays of the message that asked for it. */
export const replyToRun = (run: Run): Recipient => ({
  publicKey: run.owner,
  protocol: run.protocol,
  fallbackRelays: run.fallbackRelays,
  inReplyTo: run.message,
});

/** Marks the message that asked for a run. One that asks for many, at their times, is not marked by each. */
export function reactToRun(messenger: Pick<Messenger, 'react'>, run: Run, reaction: RunReaction): void {
  if (run.schedule !== undefined) return;
  const target = { id: run.message, author: run.owner, kind: run.messageKind };
  messenger.react(replyToRun(run), target, reaction);
}
