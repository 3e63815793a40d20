import type { PublicKey, RelayUrl } from '../nostr-types.ts';

/** NIP-17 DM inbox, and NIP-65 relay list. */
export type RelayListKind = 10050 | 10002;

export type CachedRelayList = {
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
