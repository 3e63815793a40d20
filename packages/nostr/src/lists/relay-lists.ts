import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import type { NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import type { Relays } from '../relay/relay.ts';
import { hostOf, parseForeignRelayUrl, parseRelayUrl, RelayUrlError } from '../relay/relay-url.ts';
import type { CachedRelayList, RelayListKind, RelayListStore } from './relay-list-store.ts';

/** Where somebody reads, as he has announced it. */
export type AnnouncedRelays = {
  /** NIP-17 inbox (kind 10050); empty when there is none. */
  readonly inbox: readonly RelayUrl[];
  /** NIP-65 read relays (kind 10002); empty when there are none. */
  readonly read: readonly RelayUrl[];
  /** False: not everybody who might know has been heard yet, so an empty list means nothing. */
  readonly complete: boolean;
};

export type RelayLists = {
  /**
   * What is cached, at once, however old (it is then refreshed behind). The first time it asks, for at most
   * `firstAnswerMs`; what comes later is cached for the next time. Never rejects.
   */
  readonly lookUp: (pubkey: PublicKey) => Promise<AnnouncedRelays>;
  /** Sees to it that a later `lookUp` needs no waiting. */
  readonly warm: (pubkey: PublicKey) => void;
};

export type RelayListsOptions = {
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

export const defaultRelayListTimings: RelayListTimings = {
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

const KINDS: readonly RelayListKind[] = [10050, 10002];
const MAX_RELAYS = 4;
/** Tags that are looked at in one list: whoever writes it decides how many there are. */
const MAX_TAGS = 200;

/**
 * Finds out where to reach somebody. Looks a key up by its own signed lists, at the bot's relays and the indexers; the
 * newest one found counts. It is meant for those whom the bot answers: each key that is asked for stays cached.
 */
export function createRelayLists(options: RelayListsOptions): RelayLists {
  const { relays, store, clock, log, signal } = options;
  const timings = { ...defaultRelayListTimings, ...options.timings };
  const sources = [...new Set([...relays.own.map(({ url }) => url), ...options.indexers])];
  const allowLoopback = relays.own.some(({ url }) => isLoopbackHost(hostOf(url)));
  const running = new Map<PublicKey, Promise<void>>();
  const lastAsked = new Map<PublicKey, number>();

  const cached = (pubkey: PublicKey): AnnouncedRelays => {
    const [inbox, read] = [store.get(pubkey, 10050), store.get(pubkey, 10002)];
    return {
      inbox: inbox?.relays ?? [],
      read: read?.relays ?? [],
      complete: [inbox, read].every((list) => list !== undefined && list.freshUntil > 0),
    };
  };

  const isFresh = (pubkey: PublicKey) =>
    KINDS.every((kind) => (store.get(pubkey, kind)?.freshUntil ?? 0) > clock.now());

  const adopt = (pubkey: PublicKey, events: readonly NostrEvent[]) => {
    for (const event of events) {
      const kind = KINDS.find((candidate) => candidate === event.kind);
      if (kind === undefined || event.pubkey !== pubkey) continue;
      const known = store.get(pubkey, kind);
      if (known !== undefined && known.createdAt >= event.created_at) continue;
      const listed = relaysIn(event, { allowLoopback });
      store.set(pubkey, kind, {
        relays: listed,
        createdAt: event.created_at,
        freshUntil: known?.freshUntil ?? 0,
      });
    }
  };

  /** What the source knows, adopted at once. False when it could not be asked. */
  const askSource = async (url: RelayUrl, pubkey: PublicKey): Promise<boolean> => {
    const filter = { authors: [pubkey], kinds: [...KINDS] };
    const events = await relays.ask(url, [filter], timings.queryMs, signal);
    if (events === undefined || signal.aborted) return false;
    adopt(pubkey, events);
    return true;
  };

  const askAll = async (pubkey: PublicKey) => {
    const answered = await Promise.all(sources.map((url) => askSource(url, pubkey)));
    // Nobody answered: that is no "none".
    if (signal.aborted || !answered.includes(true)) return;
    const freshMs = answered.includes(false) ? timings.freshWhenPartialMs : timings.freshMs;
    const none: CachedRelayList = { relays: [], createdAt: 0, freshUntil: 0 };
    for (const kind of KINDS) {
      const list = store.get(pubkey, kind) ?? none;
      store.set(pubkey, kind, { ...list, freshUntil: clock.now() + freshMs });
    }
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
      const asking = isFresh(pubkey) ? undefined : ask(pubkey);
      const known = cached(pubkey);
      if (asking === undefined || known.complete) return known;
      // Counted from the beginning of the look-up: only the first who asks pays for a slow indexer, or nobody.
      const waited = clock.now() - (lastAsked.get(pubkey) ?? 0);
      await Promise.race([
        asking,
        sleep(Math.max(0, timings.firstAnswerMs - waited), undefined, { ref: false }),
      ]);
      return signal.aborted ? known : cached(pubkey);
    },
    warm: (pubkey) => {
      if (!signal.aborted && !isFresh(pubkey)) void ask(pubkey);
    },
  };
}

/**
 * The first permitted relays of a list: `relay` tags of a kind 10050, `r` tags of a kind 10002 that are not for writing
 * only. Its author may name any host, so what is not on the public internet is left out.
 */
function relaysIn(event: NostrEvent, permitted: { readonly allowLoopback: boolean }): readonly RelayUrl[] {
  const found = new Set<RelayUrl>();
  for (const [name, url, marker] of event.tags.slice(0, MAX_TAGS)) {
    const wanted = event.kind === 10050 ? name === 'relay' : name === 'r' && marker !== 'write';
    if (!wanted || url === undefined) continue;
    try {
      found.add(parseForeignRelayUrl(url, permitted));
    } catch (error) {
      if (!(error instanceof RelayUrlError)) throw error;
    }
    if (found.size === MAX_RELAYS) break;
  }
  return [...found];
}
