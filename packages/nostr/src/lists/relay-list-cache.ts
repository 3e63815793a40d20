import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import { parseForeignRelayUrl, RelayUrlError } from '../relay/relay-url.ts';

/** NIP-17 DM relays, and NIP-65 relay list. */
export const relayListKinds = [10050, 10002] as const;
type RelayListKind = (typeof relayListKinds)[number];

type CachedRelayList = {
  /** Permitted ones only; empty when there is no such list, or nothing usable in it. */
  readonly relays: readonly RelayUrl[];
  /** Unix seconds of the event; 0 when there is none. */
  readonly createdAt: number;
  /** Unix ms until which it need not be looked up again. */
  readonly freshUntil: number;
};

/** Relay lists of others on disk; the program implements it. */
export type RelayListStore = {
  readonly get: (pubkey: PublicKey, kind: RelayListKind) => CachedRelayList | undefined;
  readonly set: (pubkey: PublicKey, kind: RelayListKind, list: CachedRelayList) => void;
};

/** Where somebody reads, as they have announced it. */
export type AnnouncedRelays = {
  /** Kind 10050 (NIP-17); empty when there is none. */
  readonly dmRelays: readonly RelayUrl[];
  /** NIP-65 read relays (kind 10002); empty when there are none. */
  readonly read: readonly RelayUrl[];
  /** False: not everybody who might know has been heard yet, so an empty list means nothing. */
  readonly complete: boolean;
};

const NONE: CachedRelayList = { relays: [], createdAt: 0, freshUntil: 0 };
const MAX_RELAYS = 4;
/** Tags that are looked at in one list: whoever writes it decides how many there are. */
const MAX_TAGS = 200;

/** @param allowLoopback this machine may be named as a relay */
export function createRelayListCache(store: RelayListStore, clock: Clock, allowLoopback: boolean) {
  const freshUntil = (pubkey: PublicKey, kind: RelayListKind) => store.get(pubkey, kind)?.freshUntil ?? 0;
  return {
    of: (pubkey: PublicKey): AnnouncedRelays => ({
      dmRelays: store.get(pubkey, 10050)?.relays ?? [],
      read: store.get(pubkey, 10002)?.relays ?? [],
      complete: relayListKinds.every((kind) => freshUntil(pubkey, kind) > 0),
    }),
    isFresh: (pubkey: PublicKey): boolean =>
      relayListKinds.every((kind) => freshUntil(pubkey, kind) > clock.now()),
    /** Takes what is newer than what is known. */
    adopt: (pubkey: PublicKey, events: readonly NostrEvent[]): void => {
      for (const event of events) {
        const kind = relayListKinds.find((candidate) => candidate === event.kind);
        if (kind === undefined || event.pubkey !== pubkey) continue;
        const known = store.get(pubkey, kind) ?? { ...NONE, createdAt: -1 };
        if (known.createdAt >= event.created_at) continue;
        const relays = relaysIn(event, allowLoopback);
        store.set(pubkey, kind, { relays, createdAt: event.created_at, freshUntil: known.freshUntil });
      }
    },
    /** Whoever might know has been asked: what was not found is not there. */
    settle: (pubkey: PublicKey, freshMs: number): void => {
      for (const kind of relayListKinds) {
        const list = store.get(pubkey, kind) ?? NONE;
        store.set(pubkey, kind, { ...list, freshUntil: clock.now() + freshMs });
      }
    },
  };
}

/**
 * The first permitted relays of a list: `relay` tags of a kind 10050, `r` tags of a kind 10002 that are not for writing
 * only. Its author may name any host, so what is not on the public internet is left out.
 */
function relaysIn(event: NostrEvent, allowLoopback: boolean): readonly RelayUrl[] {
  const found = new Set<RelayUrl>();
  for (const [name, url, marker] of event.tags.slice(0, MAX_TAGS)) {
    const wanted = event.kind === 10050 ? name === 'relay' : name === 'r' && marker !== 'write';
    if (!wanted || url === undefined) continue;
    try {
      found.add(parseForeignRelayUrl(url, { allowLoopback }));
    } catch (error) {
      if (!(error instanceof RelayUrlError)) throw error;
    }
    if (found.size === MAX_RELAYS) break;
  }
  return [...found];
}
