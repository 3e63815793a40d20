import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { Identity, NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import { createUnwrap, isAddressedTo, type Refusal, type StrangerPolicy } from '../wrap/unwrap.ts';
import { createCatchUp, windowMs } from './catch-up.ts';
import { type InboxCounts, zeroCounts } from './inbox-counts.ts';
import { defaultInboxLimits, type InboxLimits } from './inbox-limits.ts';
import { createIntake } from './intake.ts';
import { createLane, type Lane, type Urgency } from './lane.ts';
import type { InboxStore, StoredMessage } from './message-store.ts';
import { createPump } from './pump.ts';
import { createSeenWraps } from './seen-wraps.ts';

export type InboxStats = Readonly<InboxCounts> & {
  readonly relays: readonly {
    readonly url: RelayUrl;
    readonly waiting: number;
    /** Events that found the lane full; the relay is asked for them again. */
    readonly dropped: number;
    /** So much junk that it is read slowly. */
    readonly throttled: boolean;
  }[];
};

type Inbox = {
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
  /** Called for what an owner sent, which is proven, and nobody acts on. May come again after a restart. */
  readonly onRefused?: (refusal: Refusal) => void;
  /** Called when somebody else who has the bot's key wrote something, at that time (Unix seconds). */
  readonly onOwnCopy?: (writtenAt: number) => void;
  readonly limits?: Partial<InboxLimits>;
  /** Milliseconds of a clock that never jumps, for pacing. */
  readonly monotonic?: () => number;
};

const HOUSEKEEPING_MS = 1000;
const CURSOR_EVERY_MS = 30_000;
const PRUNE_EVERY_MS = 6 * 60 * 60_000;
/** How much longer than the window that relays are asked for a wrap is remembered. */
const SEEN_LONGER_MS = 24 * 60 * 60_000;

/**
 * Turns what relays deliver into messages, each handed on once, ever (docs/design.md#inbound). Every relay has a lane
 * of its own, bounded and opened in short slices, so that a flood delays neither the other relays nor the rest of the
 * program.
 */
export function createInbox(options: InboxOptions): Inbox {
  const { identity, store, clock, log, monotonic = () => performance.now() } = options;
  const limits: InboxLimits = { ...defaultInboxLimits, ...options.limits };
  const { publicKey: bot } = identity;
  const seen = createSeenWraps(store, limits.seenInMemory, log);
  const lanes = options.relays.map((relay) => createLane(relay, limits, monotonic));
  const counts = zeroCounts();

  const onEvent = (lane: Lane, event: NostrEvent, urgency: Urgency) => {
    if (seen.inMemory(event.id)) {
      counts.duplicates += 1;
      return;
    }
    if (!isAddressedTo(event, bot)) {
      counts.rejected.recipient += 1;
      return;
    }
    if (!lane.offer(event, urgency)) {
      if (!lane.incomplete) log.warn({ relay: lane.relay.url }, 'a relay delivers more than can be read');
      lane.incomplete = true;
    }
    pump.wake();
  };
  const releaseInOrder = () => {
    if (!catchUp.isUnderWay()) intake.release();
  };
  const intake = createIntake({
    ...{ seen, store, limits, counts, log, onMessage: options.onMessage },
    onRefused: options.onRefused ?? (() => {}),
    onOwnCopy: options.onOwnCopy ?? (() => {}),
    unwrap: createUnwrap(options),
  });
  const catchUp = createCatchUp({
    ...{ lanes, bot, store, limits, clock, monotonic, onEvent },
    known: seen.inMemory,
    onStoredRead: releaseInOrder,
  });
  const pump = createPump({
    ...{ lanes, monotonic, open: intake.open, afterSlice: releaseInOrder },
    sliceMs: limits.sliceMs,
  });

  return {
    start: (signal) => {
      if (signal.aborted) return;
      const timer = { name: 'housekeeping of the inbox', log, signal };
      const prune = () => store.pruneSeen(clock.now() - windowMs(limits) - SEEN_LONGER_MS);
      every(HOUSEKEEPING_MS, timer, () => {
        seen.flush();
        catchUp.askAgain(signal);
      });
      every(CURSOR_EVERY_MS, timer, catchUp.saveCursors);
      after(HOUSEKEEPING_MS, timer, prune);
      every(PRUNE_EVERY_MS, timer, prune);
      const stop = () => {
        pump.stop();
        intake.drop();
        seen.flush();
      };
      signal.addEventListener('abort', stop, { once: true });
      catchUp.start(signal);
    },
    stats: () => ({
      ...counts,
      rejected: { ...counts.rejected },
      relays: lanes.map((lane) => ({
        url: lane.relay.url,
        waiting: lane.size(),
        dropped: lane.dropped,
        throttled: lane.size() > 0 && lane.bucket.waitMs() > 0,
      })),
    }),
  };
}
