import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { every } from '@nostr-dm-agent/kit/timers';
import type {
  EventId,
  Filter,
  Identity,
  InboundMessage,
  NostrEvent,
  PublicKey,
  RelayUrl,
} from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import { isJunk, REJECTION_REASONS, type RejectionReason } from '../wrap/rejection.ts';
import { createUnwrap, isAddressedTo, type StrangerPolicy } from '../wrap/unwrap.ts';
import { defaultInboxLimits, type InboxLimits } from './inbox-limits.ts';
import { createLane, type Lane } from './lane.ts';
import type { InboxStore, StoredMessage } from './message-store.ts';
import { createPump } from './pump.ts';
import { createReorder } from './reorder.ts';
import { createSeenWraps } from './seen-wraps.ts';

/** Counted since the start, for `!status`. */
export type InboxStats = {
  /** Messages handed on. */
  readonly accepted: number;
  /** Events seen before, and messages that came again in another wrap. */
  readonly duplicates: number;
  /** Messages from before this database was made: recorded, not handed on. */
  readonly beforeDatabase: number;
  readonly rejected: Readonly<Record<RejectionReason, number>>;
  /** Faults of this program or its disk; each is in the log. */
  readonly failed: number;
  readonly relays: readonly {
    readonly url: RelayUrl;
    readonly waiting: number;
    /** Events that found the lane full; the relay is asked for them again. */
    readonly dropped: number;
    /** So much junk that it is read slowly. */
    readonly throttled: boolean;
  }[];
};

export type Inbox = {
  /** Subscribes, and runs until the signal aborts. */
  readonly start: (signal: AbortSignal) => void;
  readonly stats: () => InboxStats;
};

export type InboxOptions = {
  readonly identity: Identity;
  /** The bot's own relays. */
  readonly relays: readonly Relay[];
  readonly store: InboxStore;
  readonly isOwner: (author: PublicKey) => boolean;
  /** Absent: all strangers are turned away. */
  readonly strangers?: StrangerPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once for each message, after it was stored, in the order of sending as far as that can be told. */
  readonly onMessage: (message: StoredMessage) => void;
  readonly limits?: Partial<InboxLimits>;
  /** Milliseconds of a clock that never jumps, for pacing. */
  readonly monotonic?: () => number;
};

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** Wraps are dated back by up to 2 days (NIP-59). */
const WRAP_WINDOW_MS = 3 * DAY;
const SEEN_WINDOW_MS = 4 * DAY;
/** How far senders' clocks may be off. */
const GRACE_MS = 15 * MINUTE;
const HOUSEKEEPING_MS = SECOND;
const CURSOR_EVERY_MS = 30 * SECOND;
const PRUNE_EVERY_MS = 6 * 60 * MINUTE;

/**
 * Turns what relays deliver into messages, each handed on once, ever (docs/design.md#inbound). Every relay has a lane
 * of its own, bounded and opened in short slices, so that a flood delays neither the other relays nor the rest of the
 * program.
 */
export function createInbox(options: InboxOptions): Inbox {
  const { identity, store, clock, log, onMessage, monotonic = () => performance.now() } = options;
  const limits: InboxLimits = { ...defaultInboxLimits, ...options.limits };
  const unwrap = createUnwrap(options);
  const seen = createSeenWraps(store, limits.seenInMemory, log);
  const lanes = options.relays.map((relay) => createLane(relay, limits, monotonic));
  const rejected: Record<RejectionReason, number> = zeroes();
  const counts = { accepted: 0, duplicates: 0, beforeDatabase: 0, failed: 0 };
  const held = createReorder<Accepted>({
    holdMs: limits.holdMs,
    capacity: limits.heldMessages,
    sentAt: ({ message }) => message.createdAt,
    release: accept,
  });
  const pump = createPump({
    lanes,
    sliceMs: limits.sliceMs,
    monotonic,
    open,
    afterSlice: releaseWhenCaughtUp,
  });

  function receive(lane: Lane, event: NostrEvent): void {
    if (seen.inMemory(event.id)) {
      counts.duplicates += 1;
      return;
    }
    if (!isAddressedTo(event, identity.publicKey)) {
      rejected.recipient += 1;
      return;
    }
    const urgency = lane.phase === 'live' ? 'live' : 'backlog';
    if (!lane.offer(event, urgency)) {
      if (!lane.incomplete) log.warn({ relay: lane.relay.url }, 'a relay delivers more than can be read');
      lane.incomplete = true;
    }
    pump.wake();
  }

  function open(lane: Lane, event: NostrEvent): void {
    const wrapId = event.id as EventId;
    try {
      if (seen.has(wrapId)) {
        counts.duplicates += 1;
        return;
      }
      const judged = unwrap(event, lane.relay.url);
      if (judged.verdict === 'message') {
        seen.hold(wrapId);
        held.add({ lane, wrapId, message: judged.message });
        return;
      }
      rejected[judged.reason] += 1;
      log.debug({ relay: lane.relay.url, event: wrapId, reason: judged.reason }, 'rejected an event');
      if (isJunk(judged.reason)) lane.bucket.spend();
      // The id does not cover the signature: another relay may have this event with the right one.
      if (judged.reason !== 'signature') seen.add(wrapId);
    } catch (error) {
      // A fault of this program that a stranger's event brought out must not end it.
      counts.failed += 1;
      log.error({ relay: lane.relay.url, event: wrapId, error }, 'an event could not be judged');
      lane.bucket.spend();
      seen.add(wrapId);
    }
  }

  function releaseWhenCaughtUp(): void {
    const now = monotonic();
    const catchingUp = (lane: Lane) =>
      now < lane.catchUpEnds && (lane.phase === 'stored' || lane.size('backlog') > 0);
    if (!lanes.some(catchingUp)) held.release();
  }

  function accept({ lane, wrapId, message }: Accepted): void {
    const isHistory = message.createdAt * SECOND < store.createdAt - GRACE_MS;
    let stored: StoredMessage | undefined;
    try {
      stored = store.insert(message, wrapId, isHistory ? 'missed' : 'received');
    } catch (error) {
      counts.failed += 1;
      log.error(
        { error, message: message.id },
        'a message could not be stored; the relay is asked for it again',
      );
      seen.release(wrapId);
      lane.incomplete = true;
      return;
    }
    if (stored === undefined) counts.duplicates += 1;
    else if (isHistory) counts.beforeDatabase += 1;
    else handOn(stored);
  }

  function handOn(message: StoredMessage): void {
    counts.accepted += 1;
    const { id, sender, protocol, kind, relay } = message;
    log.info({ message: id, sender, protocol, kind, relay }, 'message received');
    try {
      onMessage(message);
    } catch (error) {
      counts.failed += 1;
      log.error({ error, message: id }, 'a message could not be acted on; it stays open');
    }
  }

  function subscribe(lane: Lane, signal: AbortSignal): void {
    const { relay } = lane;
    relay.subscribe(
      {
        filters: () => {
          beginCatchUp(lane);
          return filtersFor(relay.url);
        },
        known: seen.inMemory,
        onEvent: (event) => receive(lane, event),
        onEose: () => {
          lane.phase = 'live';
          releaseWhenCaughtUp();
        },
        pageBack: { room: lane.room },
      },
      signal,
    );
  }

  function beginCatchUp(lane: Lane): void {
    lane.phase = 'stored';
    lane.catchUpEnds = monotonic() + limits.holdMs;
  }

  function filtersFor(relay: RelayUrl): readonly Filter[] {
    const windowStart = clock.now() - WRAP_WINDOW_MS;
    const caughtUpAt = store.caughtUpAt(relay) ?? 0;
    const toUs = { '#p': [identity.publicKey] };
    return [
      { kinds: [1059], ...toUs, since: Math.floor(windowStart / SECOND) },
      { kinds: [4], ...toUs, since: Math.floor(Math.max(windowStart, caughtUpAt - GRACE_MS) / SECOND) },
    ];
  }

  /** Whether everything that the relay holds was received and looked at. */
  const isCaughtUp = (lane: Lane) =>
    lane.phase === 'live' && lane.size() === 0 && !lane.incomplete && lane.relay.status().state === 'open';

  return {
    start: (signal) => {
      if (signal.aborted) return;
      const subscriptions = new Map<Lane, AbortController>();
      const subscribeAnew = (lane: Lane) => {
        subscriptions.get(lane)?.abort();
        const subscription = new AbortController();
        subscriptions.set(lane, subscription);
        lane.incomplete = false;
        lane.askAgainAfter = monotonic() + limits.askAgainMs;
        subscribe(lane, AbortSignal.any([signal, subscription.signal]));
      };
      let cursorsAt = monotonic();
      let prunedAt = Number.NEGATIVE_INFINITY;
      every(HOUSEKEEPING_MS, { name: 'housekeeping of the inbox', log, signal }, () => {
        const now = monotonic();
        seen.flush();
        for (const lane of lanes)
          if (lane.incomplete && lane.phase === 'live' && lane.size() === 0 && now >= lane.askAgainAfter)
            subscribeAnew(lane);
        guarded('cursors could not be written', () => {
          if (now - cursorsAt < CURSOR_EVERY_MS) return;
          cursorsAt = now;
          store.setCaughtUp(
            lanes.filter(isCaughtUp).map((lane) => lane.relay.url),
            clock.now(),
          );
        });
        guarded('old wraps could not be forgotten', () => {
          if (now - prunedAt < PRUNE_EVERY_MS) return;
          prunedAt = now;
          store.pruneSeen(clock.now() - SEEN_WINDOW_MS);
        });
      });
      signal.addEventListener(
        'abort',
        () => {
          pump.stop();
          // Held messages are not stored yet: the relays deliver them again.
          held.clear();
          seen.flush();
        },
        { once: true },
      );
      // Before the first: a relay that answers at once must wait for the others.
      for (const lane of lanes) beginCatchUp(lane);
      for (const lane of lanes) subscribeAnew(lane);
      log.debug({ relays: lanes.length, at: unixSeconds(clock) }, 'inbox started');
    },
    stats: () => ({
      ...counts,
      rejected: { ...rejected },
      relays: lanes.map((lane) => ({
        url: lane.relay.url,
        waiting: lane.size(),
        dropped: lane.dropped,
        throttled: lane.size() > 0 && lane.bucket.waitMs() > 0,
      })),
    }),
  };

  function guarded(failure: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      counts.failed += 1;
      log.error({ error }, failure);
    }
  }
}

type Accepted = { readonly lane: Lane; readonly wrapId: EventId; readonly message: InboundMessage };

const zeroes = (): Record<RejectionReason, number> => {
  const entries = REJECTION_REASONS.map((reason) => [reason, 0] as const);
  return Object.fromEntries(entries) as Record<RejectionReason, number>;
};
