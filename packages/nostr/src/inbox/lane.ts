import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { createTokenBucket, type TokenBucket } from '@nostr-dm-agent/kit/token-bucket';
import type { NostrEvent, Protocol } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';

/** Live events are opened before stored ones. */
export type Urgency = 'live' | 'backlog';

export type LaneLimits = {
  /** Events that wait per relay, and their bytes; what finds no room is dropped and asked for again later. */
  readonly queueEvents: number;
  readonly queueBytes: number;
  /** From so many waiting on, the newest is opened first: what an owner writes into a flood must not wait behind it. */
  readonly crowdedAt: number;
  /** Junk and strangers' wraps that are opened per relay and second in the long run, and at once. */
  readonly junkPerSecond: number;
  readonly junkBurst: number;
};

/** What one relay has delivered and nobody has looked at yet. A relay that floods fills and slows its own lane only. */
export type Lane = {
  readonly relay: Relay;
  readonly bucket: TokenBucket;
  /** Queues an event; a live one takes the place of the oldest that waits. False when an event was dropped for want of room. */
  readonly offer: (event: NostrEvent, urgency: Urgency) => boolean;
  readonly take: (urgency: Urgency) => NostrEvent | undefined;
  readonly size: (urgency?: Urgency) => number;
  /** Resolves once the lane is half empty. @throws the signal's reason */
  readonly room: (signal: AbortSignal) => Promise<void>;
  /** By protocol, for each is asked for by itself. `stored`: from subscribing until everything stored came. */
  readonly phases: Record<Protocol, 'stored' | 'live'>;
  /** Monotonic ms: from then on messages of this lane no longer wait to be put in order. */
  catchUpEnds: number;
  /** Something was dropped or could not be stored: the relay must be asked once more. */
  incomplete: boolean;
  /** Monotonic ms before which it is not. */
  askAgainAfter: number;
  /** Events dropped because the lane was full. */
  dropped: number;
};

/** In a crowded lane one of so many that are opened is the oldest. */
const oldestEvery = 4;

export function createLane(relay: Relay, limits: LaneLimits, monotonic: () => number): Lane {
  const queues: Readonly<Record<Urgency, NostrEvent[]>> = { live: [], backlog: [] };
  // Of id AND signature: the id does not cover the signature, so a relay that sends a copy with a broken one
  // must not keep out the genuine event.
  const waiting = new Set<string>();
  const waitingForRoom = new Set<() => void>();
  let bytes = 0;
  let crowded = 0;

  const hasRoom = () => waiting.size <= limits.queueEvents / 2 && bytes <= limits.queueBytes / 2;
  const keyOf = (event: NostrEvent) => event.id + event.sig;
  const left = (event: NostrEvent | undefined): NostrEvent | undefined => {
    if (event === undefined) return undefined;
    waiting.delete(keyOf(event));
    bytes -= sizeOf(event);
    if (hasRoom()) for (const tell of waitingForRoom) tell();
    return event;
  };
  const isFull = (added: number) => waiting.size >= limits.queueEvents || bytes + added > limits.queueBytes;

  const lane: Lane = {
    relay,
    bucket: createTokenBucket(limits.junkPerSecond, limits.junkBurst, monotonic),
    offer: (event, urgency) => {
      if (waiting.has(keyOf(event))) return true;
      const added = sizeOf(event);
      let complete = true;
      while (isFull(added)) {
        complete = false;
        lane.dropped += 1;
        if (urgency === 'backlog' || added > limits.queueBytes) return false;
        left(queues.backlog.shift() ?? queues.live.shift());
      }
      waiting.add(keyOf(event));
      bytes += added;
      queues[urgency].push(event);
      return complete;
    },
    take: (urgency) => {
      const queue = queues[urgency];
      if (queue.length < limits.crowdedAt) return left(queue.shift());
      // Now and then the oldest: what newer ones have overtaken in a moment without time is reached all the same.
      crowded += 1;
      return left(crowded % oldestEvery === 0 ? queue.shift() : queue.pop());
    },
    size: (urgency) => (urgency === undefined ? waiting.size : queues[urgency].length),
    room: async (signal) => {
      if (hasRoom()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waitingForRoom.add(resolve);
      try {
        await untilAborted(promise, signal);
      } finally {
        waitingForRoom.delete(resolve);
      }
    },
    phases: { nip17: 'stored', nip04: 'stored' },
    catchUpEnds: 0,
    incomplete: false,
    askAgainAfter: 0,
    dropped: 0,
  };
  return lane;
}

const FIXED_FIELDS_BYTES = 500;

const sizeOf = (event: NostrEvent): number =>
  FIXED_FIELDS_BYTES + event.content.length + event.tags.flat().reduce((sum, item) => sum + item.length, 0);
