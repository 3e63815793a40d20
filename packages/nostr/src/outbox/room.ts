import type { RelayUrl } from '../nostr-types.ts';
import type { RelayCapacities } from '../relay/capacities.ts';
import { type EventRoom, fitsInto } from '../text/event-size.ts';
import type { Destinations } from './destinations.ts';
import type { StoredOutgoing } from './outbox-store.ts';

const smallest = (limits: readonly (number | undefined)[]): number | undefined => {
  const stated = limits.filter((limit) => limit !== undefined);
  return stated.length === 0 ? undefined : Math.min(...stated);
};

/** What all of these relays take, as far as that is known. */
export function roomAt(urls: readonly RelayUrl[], capacities: RelayCapacities): EventRoom {
  const found = urls.map((url) => capacities.of(url));
  return {
    bytes: smallest(found.map((capacity) => capacity.maxEventBytes())),
    content: smallest(found.map((capacity) => capacity.maxContentLength())),
  };
}

/**
 * The room that a message has to be made smaller for: it is nowhere where its recipient reads, and one of those relays does not
 * take it as it is. Undefined: it goes as it is, or it was not tried yet and somebody may take it.
 */
export function neededRoom(
  { event, deliveries, attempts, content }: StoredOutgoing,
  { primary }: Destinations,
  capacities: RelayCapacities,
): EventRoom | undefined {
  const isThere = primary.some((url) => deliveries.get(url)?.state === 'accepted');
  if (content !== 'text' || isThere) return undefined;
  const size = { bytes: Buffer.byteLength(JSON.stringify(event)), content: event.content.length };
  const tooSmall = primary.filter((url) => !fitsInto(roomAt([url], capacities), size));
  if (tooSmall.length === 0 || (attempts === 0 && tooSmall.length < primary.length)) return undefined;
  return roomAt(primary, capacities);
}
