import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { every } from '@nostr-dm-agent/kit/timers';
import type { NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import type { Relay, Relays } from '../relay/relay.ts';
import { relayListKinds } from './relay-list-cache.ts';

type WatchOptions = {
  readonly relays: Pick<Relays, 'own' | 'borrow'>;
  readonly indexers: readonly RelayUrl[];
  /** Where somebody reads now: they announce there too that they move. */
  readonly inboxOf: (pubkey: PublicKey) => readonly RelayUrl[];
  /** A list of somebody who is watched; its signature is not verified. */
  readonly onEvent: (event: NostrEvent) => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly activeMs?: number;
};

/** Hears at once when somebody moves with whom the bot is talking. */
export type ListWatch = {
  /** The bot is talking with them now. */
  readonly touch: (pubkey: PublicKey) => void;
  /** Somebody's list was read: where they read now is listened to, too. */
  readonly refresh: () => void;
};

const ACTIVE_MS = 15 * 60_000;
const REFRESH_MS = 60_000;
const MOST_AUTHORS = 50;
/** Of others' relays: each holds one of the places that deliveries need too. */
const MOST_BORROWED = 5;

type Watched = { readonly authors: string; readonly ending: AbortController };

export function watchRelayLists(options: WatchOptions): ListWatch {
  const { relays, indexers, log, signal, activeMs = ACTIVE_MS } = options;
  const activeUntil = new Map<PublicKey, number>();
  const watched = new Map<RelayUrl, Watched>();
  const own = relays.own.map(({ url }) => url);

  const wantedUrls = (authors: readonly PublicKey[]): readonly RelayUrl[] => {
    if (authors.length === 0) return [];
    const others = new Set(
      [...authors.flatMap(options.inboxOf), ...indexers].filter((url) => !own.includes(url)),
    );
    return [...own, ...[...others].slice(0, MOST_BORROWED)];
  };
  const watch = (url: RelayUrl, authors: readonly PublicKey[]) => {
    const ending = new AbortController();
    watched.set(url, { authors: authors.join(), ending });
    const ends = AbortSignal.any([signal, ending.signal]);
    const filters = () => [{ kinds: [...relayListKinds], authors: [...authors] }];
    // A relay may send anybody's, and each would be verified and kept.
    const onEvent = (event: NostrEvent) => {
      if (authors.some((author) => author === event.pubkey)) options.onEvent(event);
    };
    const subscribe = async (relay: Relay) => {
      relay.subscribe({ lesser: true, filters, onEvent }, ends);
      await untilAborted(Promise.withResolvers<never>().promise, ends);
    };
    relays.borrow(url, subscribe).catch((error: unknown) => {
      if (!ends.aborted) log.warn({ relay: url, error }, 'relay lists could not be watched');
    });
  };
  const refresh = () => {
    if (signal.aborted) return;
    const now = performance.now();
    for (const [pubkey, until] of activeUntil) if (until <= now) activeUntil.delete(pubkey);
    const authors = [...activeUntil.keys()].slice(-MOST_AUTHORS).sort();
    const urls = wantedUrls(authors);
    for (const [url, { authors: before, ending }] of watched) {
      if (urls.includes(url) && before === authors.join()) continue;
      ending.abort();
      watched.delete(url);
    }
    for (const url of urls) if (!watched.has(url)) watch(url, authors);
  };

  every(REFRESH_MS, { name: 'watching relay lists', log, signal }, refresh);
  return {
    refresh,
    touch: (pubkey) => {
      if (signal.aborted) return;
      const isNew = !activeUntil.delete(pubkey);
      activeUntil.set(pubkey, performance.now() + activeMs);
      if (isNew) refresh();
    },
  };
}
