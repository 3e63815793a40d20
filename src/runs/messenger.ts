import type { EventId, PublicKey, Recipient } from '@nostr-dm-agent/nostr';

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
  /** Of what is too long, the rest is kept for `!more lines`. `foot` stands at the end of what is sent all the same. */
  readonly send: (to: Recipient, text: string, foot?: string) => void;
  readonly react: (to: Recipient, target: ReactionTarget, reaction: '👀' | '✅' | '❌') => void;
};
