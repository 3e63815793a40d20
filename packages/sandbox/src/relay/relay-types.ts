import type { Brand } from '@nostr-dm-agent/kit/brand';
import type { Filter } from 'nostr-tools/filter';
import type { NostrEvent } from 'nostr-tools/pure';

export type { Filter, NostrEvent };

/** The same brand as the bot's, so that the address of a sandbox relay can be given to it as it is. */
export type RelayUrl = Brand<string, 'RelayUrl'>;

/** One connection, as the relay sees it. */
export type RelayClient = {
  challenge: string;
  challenged: boolean;
  readonly authenticated: Set<string>;
  readonly subscriptions: Map<string, readonly Filter[]>;
};
