import type { Brand } from '@nostr-dm-agent/kit/brand';
import type { Filter } from 'nostr-tools/filter';
import type { NostrEvent } from 'nostr-tools/pure';

export type { Filter, NostrEvent };

/** The same brand as the bot's, so that the address of a sandbox relay can be given to it as it is. */
export type RelayUrl = Brand<string, 'RelayUrl'>;

/** Of NIP-11's `limitation`. */
export type RelayLimitation = {
  readonly max_message_length?: number;
  readonly max_content_length?: number;
  readonly max_subscriptions?: number;
  readonly max_limit?: number;
  readonly min_pow_difficulty?: number;
  readonly payment_required?: boolean;
};

/** One connection, as the relay sees it. */
export type RelayClient = {
  challenge: string;
  challenged: boolean;
  readonly authenticated: Set<string>;
  readonly subscriptions: Map<string, readonly Filter[]>;
};
