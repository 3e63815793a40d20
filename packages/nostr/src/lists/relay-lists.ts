import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import { verifyEvent } from '../event.ts';
import type { PublicKey, RelayUrl } from '../nostr-types.ts';
import type { Relays } from '../relay/relay.ts';
import { hostOf, parseRelayUrl } from '../relay/relay-url.ts';
import {
  type AnnouncedRelays,
  createRelayListCache,
  type RelayListStore,
  relayListKinds,
} from './relay-list-cache.ts';
import { watchRelayLists } from './watch-lists.ts';

export type RelayLists = {
  /**
   * What is cached, at once, however old (it is then refreshed behind). The first time it asks, for at most
   * `firstAnswerMs`; what comes later is cached for the next time. Never rejects.
   */
  readonly lookUp: (pubkey: PublicKey) => Promise<AnnouncedRelays>;
  /** What is cached, however old; nothing is asked. */
  readonly known: (pubkey: PublicKey) => AnnouncedRelays;
  /** Sees to it that a later `lookUp` needs no waiting. */
  readonly warm: (pubkey: PublicKey) => void;
};

type RelayListsOptions = {
  readonly relays: Relays;
  /** Relays that collect everybody's lists, asked beside the own ones. */
  readonly indexers: readonly RelayUrl[];
  readonly store: RelayListStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** The life of the bot: ends what goes on in the background. */
  readonly signal: AbortSignal;
  readonly timings?: Partial<RelayListTimings>;
};

/** Milliseconds. */
export type RelayListTimings = {
  readonly firstAnswerMs: number;
  readonly queryMs: number;
  /** How long a list is used without looking again, when everybody answered and when somebody did not. */
  readonly freshMs: number;
  readonly freshWhenPartialMs: number;
  /** Between two look-ups of one key, whatever came of them. */
  readonly spacingMs: number;
};

const defaultRelayListTimings: RelayListTimings = {
  firstAnswerMs: 1_500,
  queryMs: 8_000,
  freshMs: 60 * 60_000,
  freshWhenPartialMs: 5 * 60_000,
  spacingMs: 60_000,
};

/** Public relays that collect relay lists. The last is where Primal publishes those of its users. */
export const DEFAULT_INDEXERS: readonly RelayUrl[] = [
  parseRelayUrl('wss://purplepag.es'),
  parseRelayUrl('wss://indexer.coracle.social'),
  parseRelayUrl('wss://relay.primal.net'),
];

/**
 * Finds out where to reach somebody. Looks a key up by its own signed lists, at the bot's relays and the indexers; the
 * newest one found counts. It is meant for those whom the bot answers: each key that is asked for stays cached.
 */
export function createRelayLists(options: RelayListsOptions): RelayLists {
  const { relays, clock, log, signal } = options;
  const timings = { ...defaultRelayListTimings, ...options.timings };
  const sources = [...new Set([...relays.own.map(({ url }) => url), ...options.indexers])];
  const allowLoopback = relays.own.some(({ url }) => isLoopbackHost(hostOf(url)));
  const cache = createRelayListCache(options.store, clock, allowLoopback);
  const watch = watchRelayLists({
    relays,
    log,
    signal,
    indexers: options.indexers,
    inboxOf: (pubkey) => cache.of(pubkey).dmRelays,
    onEvent: (event) => {
      if (!verifyEvent(event)) return;
      cache.adopt(event.pubkey as PublicKey, [event]);
      // Not now: this is called from within a subscription that may end with it.
      queueMicrotask(watch.refresh);
    },
  });
  const running = new Map<PublicKey, Promise<void>>();
  const lastAsked = new Map<PublicKey, number>();

  /** What the source knows, adopted at once. False when it could not be asked. */
  const askSource = async (url: RelayUrl, pubkey: PublicKey): Promise<boolean> => {
    const filter = { authors: [pubkey], kinds: [...relayListKinds] };
    const events = await relays.ask(url, [filter], timings.queryMs, signal);
    if (events === undefined || signal.aborted) return false;
    cache.adopt(pubkey, events);
    watch.refresh();
    return true;
  };
  const askAll = async (pubkey: PublicKey) => {
    const answered = await Promise.all(sources.map((url) => askSource(url, pubkey)));
    // Nobody answered: that is no "none".
    if (signal.aborted || !answered.includes(true)) return;
    // What their inbox takes is known before the first reply is written, if that is possible.
    for (const url of cache.of(pubkey).dmRelays) void relays.capacities.inform(url, signal);
    cache.settle(pubkey, answered.includes(false) ? timings.freshWhenPartialMs : timings.freshMs);
  };
  const ask = (pubkey: PublicKey): Promise<void> => {
    const underway = running.get(pubkey);
    if (underway !== undefined) return underway;
    if (signal.aborted || clock.now() < (lastAsked.get(pubkey) ?? 0) + timings.spacingMs) {
      return Promise.resolve();
    }
    lastAsked.set(pubkey, clock.now());
    const asking = askAll(pubkey)
      .catch((error: unknown) => log.error({ pubkey, error }, 'looking up relay lists failed'))
      .finally(() => running.delete(pubkey));
    running.set(pubkey, asking);
    return asking;
  };

  return {
    lookUp: async (pubkey) => {
      watch.touch(pubkey);
      const asking = cache.isFresh(pubkey) ? undefined : ask(pubkey);
      const known = cache.of(pubkey);
      if (asking === undefined || known.complete) return known;
      // Counted from the beginning of the look-up: only the first who asks pays for a slow indexer, or nobody.
      const waited = clock.now() - (lastAsked.get(pubkey) ?? 0);
      const patience = sleep(Math.max(0, timings.firstAnswerMs - waited), undefined, { ref: false });
      await Promise.race([asking, patience]);
      return signal.aborted ? known : cache.of(pubkey);
    },
    known: cache.of,
    warm: (pubkey) => {
      if (!signal.aborted && !cache.isFresh(pubkey)) void ask(pubkey);
    },
  };
}
