import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { RelayUrl } from '../nostr-types.ts';
import { createRelayCapacity, type RelayCapacity } from './capacity.ts';
import { fetchRelayInformation } from './relay-information.ts';

/** What is known of each relay's limits. */
export type RelayCapacities = {
  readonly of: (url: RelayUrl) => RelayCapacity;
  /** Reads what the relay says of itself, unless that was done lately. Never rejects. */
  readonly inform: (url: RelayUrl, signal: AbortSignal) => Promise<void>;
};

type CapacitiesOptions = {
  /** For the information document of a relay (NIP-11). Undefined: none is read. */
  readonly fetchFor?: ((url: RelayUrl) => Fetch) | undefined;
  readonly clock: Clock;
};

/** Relays that are remembered: others' lists name any number of them. */
const MOST_RELAYS = 200;
const TIMEOUT_MS = 10_000;
/** How long an answer is good, and no answer. */
const FRESH_MS = 60 * 60_000;
const NONE_MS = 5 * 60_000;

export function createRelayCapacities({ fetchFor, clock }: CapacitiesOptions): RelayCapacities {
  const known = new Map<RelayUrl, { readonly capacity: RelayCapacity; freshUntil: number }>();
  const entryOf = (url: RelayUrl) => {
    const entry = known.get(url) ?? { capacity: createRelayCapacity(), freshUntil: 0 };
    known.delete(url);
    known.set(url, entry);
    const [oldest] = known.keys();
    if (known.size > MOST_RELAYS && oldest !== undefined) known.delete(oldest);
    return entry;
  };
  return {
    of: (url) => entryOf(url).capacity,
    inform: async (url, signal) => {
      const entry = entryOf(url);
      if (fetchFor === undefined || performance.now() < entry.freshUntil) return;
      // At once, so that nobody else asks meanwhile.
      entry.freshUntil = performance.now() + NONE_MS;
      const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const information = await fetchRelayInformation(url, fetchFor(url), clock, limited);
      if (information === undefined) return;
      entry.capacity.inform(information);
      entry.freshUntil = performance.now() + FRESH_MS;
    },
  };
}
