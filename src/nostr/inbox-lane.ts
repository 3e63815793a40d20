import type { Relay } from './relay.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';
import type { NostrEvent } from './types.ts';

/** Live events are opened before stored ones. */
export type Urgency = 'live' | 'backlog';

export type LaneLimits = {
  /** Events that wait per relay, and their bytes; what comes on top is dropped and asked for again later. */
  readonly queueEvents: number;
  readonly queueBytes: number;
  /** Junk and strangers' wraps that are opened per relay and second in the long run, and at once. */
  readonly junkPerSecond: number;
  readonly junkBurst: number;
};

/** What one relay has delivered and nobody has looked at yet. A relay that floods fills and slows its own lane only. */
export type Lane = {
  readonly relay: Relay;
  readonly bucket: TokenBucket;
  /** Queues an event; false when the lane is full. */
  readonly offer: (event: NostrEvent, urgency: Urgency) => boolean;
  readonly take: (urgency: Urgency) => NostrEvent | undefined;
  readonly size: (urgency?: Urgency) => number;
  /** `stored`: from subscribing until everything stored came. */
  phase: 'stored' | 'live';
  /** Monotonic ms: from then on messages of this lane no longer wait to be put in order. */
  catchUpEnds: number;
  /** Something was dropped or could not be stored: the relay must be asked once more. */
  incomplete: boolean;
  /** Monotonic ms before which it is not. */
  askAgainAfter: number;
  /** Events dropped because the lane was full. */
  dropped: number;
};

export function createLane(relay: Relay, limits: LaneLimits, monotonic: () => number): Lane {
  // Keyed by id AND signature: the id does not cover the signature, so a relay that sends a copy with a
  // broken one must not keep out the genuine event.
  const queues = { live: new Map<string, NostrEvent>(), backlog: new Map<string, NostrEvent>() };
  let bytes = 0;
  const size: Lane['size'] = (urgency) =>
    urgency === undefined ? queues.live.size + queues.backlog.size : queues[urgency].size;
  return {
    relay,
    bucket: createTokenBucket(limits.junkPerSecond, limits.junkBurst, monotonic),
    offer: (event, urgency) => {
      const key = event.id + event.sig;
      if (queues.live.has(key) || queues.backlog.has(key)) return true;
      const eventBytes = sizeOf(event);
      if (size() >= limits.queueEvents || bytes + eventBytes > limits.queueBytes) return false;
      bytes += eventBytes;
      queues[urgency].set(key, event);
      return true;
    },
    take: (urgency) => {
      for (const [key, event] of queues[urgency]) {
        queues[urgency].delete(key);
        bytes -= sizeOf(event);
        return event;
      }
      return undefined;
    },
    size,
    phase: 'stored',
    catchUpEnds: 0,
    incomplete: false,
    askAgainAfter: 0,
    dropped: 0,
  };
}

const FIXED_FIELDS_BYTES = 500;

const sizeOf = (event: NostrEvent): number =>
  FIXED_FIELDS_BYTES + event.content.length + event.tags.flat().reduce((sum, item) => sum + item.length, 0);
