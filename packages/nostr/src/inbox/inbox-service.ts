import type { Protocol, RelayUrl } from '../nostr-types.ts';
import type { RelayStatus } from '../relay/relay.ts';

/** What the inbox's subscriptions are called in the status of a relay. */
export const INBOX_FEEDS: Readonly<Record<Protocol, string>> = { nip17: 'NIP-17', nip04: 'NIP-04' };

/** Whether messages come through a relay. A socket alone proves nothing. */
export type InboxService = {
  readonly url: RelayUrl;
  /** Gift wraps (NIP-17) come through. */
  readonly served: boolean;
  /** Why not, in the relay's words or those of the connection; undefined when they do. */
  readonly reason: string | undefined;
  /** Why NIP-04 does not come through although NIP-17 does; undefined when it does, or nothing is known yet. */
  readonly withoutLegacy: string | undefined;
};

export function inboxServiceOf({ url, state, lastError, feeds }: RelayStatus): InboxService {
  const of = (protocol: Protocol) => feeds.find(({ name }) => name === INBOX_FEEDS[protocol]);
  const [wraps, legacy] = [of('nip17'), of('nip04')];
  const served = state === 'open' && wraps?.state === 'served';
  const silent = state === 'open' ? 'it has not answered the subscription yet' : state;
  return {
    url,
    served,
    reason: served ? undefined : ((state === 'open' ? wraps?.problem : undefined) ?? lastError ?? silent),
    withoutLegacy: served && legacy?.state !== 'served' ? legacy?.problem : undefined,
  };
}
