import { matchFilter } from 'nostr-tools/filter';
import { isAddressableKind, isEphemeralKind, isReplaceableKind } from 'nostr-tools/kinds';
import type { Filter, NostrEvent } from './relay-types.ts';

/** The events of the sandbox relay, in memory; outlives a restart of the relay when handed to the next one. */
export type RelayStore = {
  /** `stale`: a newer version of this replaceable event is stored. Ephemeral events are `added` and not kept. */
  readonly add: (event: NostrEvent) => 'added' | 'duplicate' | 'stale';
  /** At most `cap` events of each filter, the newest first (NIP-01), each event once. */
  readonly find: (
    filters: readonly Filter[],
    cap: number,
    accept: (event: NostrEvent) => boolean,
  ) => NostrEvent[];
  readonly all: () => NostrEvent[];
  readonly clear: () => void;
};

export function createRelayStore(): RelayStore {
  const events = new Map<string, NostrEvent>();
  return {
    add: (event) => {
      if (isEphemeralKind(event.kind)) return 'added';
      const key = storageKey(event);
      const stored = events.get(key);
      if (stored?.id === event.id) return 'duplicate';
      if (stored !== undefined && newestFirst(stored, event) < 0) return 'stale';
      events.set(key, event);
      return 'added';
    },
    find: (filters, cap, accept) => {
      const sorted = [...events.values()].filter(accept).sort(newestFirst);
      const found = filters.flatMap((filter) =>
        sorted.filter((event) => matchFilter(filter, event)).slice(0, Math.min(filter.limit ?? cap, cap)),
      );
      return [...new Set(found)];
    },
    all: () => [...events.values()],
    clear: () => events.clear(),
  };
}

/** Events with the same key replace each other. */
function storageKey({ id, kind, pubkey, tags }: NostrEvent): string {
  if (isReplaceableKind(kind)) return `${kind}:${pubkey}`;
  if (isAddressableKind(kind)) return `${kind}:${pubkey}:${tags.find(([name]) => name === 'd')?.[1] ?? ''}`;
  return id;
}

/** Of two events of one second the lower id counts as the newer one (NIP-01). */
const newestFirst = (a: NostrEvent, b: NostrEvent) =>
  b.created_at - a.created_at || (a.id < b.id ? -1 : Number(a.id > b.id));
