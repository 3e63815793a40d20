import type { AnnouncedRelays } from '../lists/relay-list-cache.ts';
import type { RelayUrl } from '../nostr-types.ts';
import type { StoredOutgoing } from './outbox-store.ts';

/** Where a message goes. */
export type Destinations = {
  /** Where its recipient reads. */
  readonly primary: readonly RelayUrl[];
  /** Tried when all of those refuse, or stay silent for long. */
  readonly reserve: readonly RelayUrl[];
  /** What the recipient has announced is not known yet: these are a guess. */
  readonly provisional: boolean;
};

const MAX_PRIMARY = 6;

/**
 * NIP-17: the recipient's DM relays; without any their read relays and where they wrote from; without these the latter
 * and our own relays. NIP-04, which knows no DM relays: the read relays first.
 */
export function destinationsOf(
  message: Pick<StoredOutgoing, 'protocol' | 'fallbackRelays'>,
  announced: AnnouncedRelays,
  own: readonly RelayUrl[],
): Destinations {
  const { dmRelays, read, complete } = announced;
  const fallback = message.fallbackRelays;
  // Where the recipient wrote from is reached at least by their client; a read relay need not serve gift wraps.
  const byRead = read.length === 0 ? [] : [...read, ...fallback];
  const choices = message.protocol === 'nip17' ? [dmRelays, byRead] : [byRead, [...dmRelays, ...fallback]];
  const wanted = choices.find((urls) => urls.length > 0) ?? [];
  const primary = [...new Set(wanted.length > 0 ? wanted : [...fallback, ...own])].slice(0, MAX_PRIMARY);
  const reserve = [...new Set([...fallback, ...own])].filter((url) => !primary.includes(url));
  return { primary, reserve, provisional: !complete && dmRelays.length === 0 };
}
