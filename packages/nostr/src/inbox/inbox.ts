import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Identity, InboundMessage, PublicKey, RelayUrl } from '../nostr-types.ts';
import { createUnwrap, type Refusal, type StrangerPolicy } from '../wrap/unwrap.ts';
import type { InboxCounts } from './inbox-counts.ts';
import type { InboxFeed } from './inbox-feed.ts';
import { createIntake } from './intake.ts';
import type { InboxStore, StoredMessage } from './message-store.ts';
import { createPump } from './pump.ts';

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
  /** Reads what the feed has delivered and delivers, until the signal aborts. */
  readonly start: (signal: AbortSignal) => void;
  readonly stats: () => InboxStats;
};

export type InboxOptions = {
  readonly identity: Identity;
  /** Begun already, or not yet. */
  readonly feed: InboxFeed;
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
  /** Called when a message could not be stored, as on a full disk. Comes again each time it is delivered. */
  readonly onUnstored?: (message: InboundMessage, error: unknown) => void;
  /** Nothing that was written before is acted on (Unix ms); absent: only the home's own age counts. */
  readonly actsSince?: () => number;
  /** Called when somebody else who has the bot's key wrote something, at that time (Unix seconds). */
  readonly onOwnCopy?: (writtenAt: number) => void;
};

/**
 * Turns what relays deliver into messages, each handed on once, ever (docs/design.md#inbound). Every relay has a lane
 * of its own, bounded and opened in short slices, so that a flood delays neither the other relays nor the rest of the
 * program.
 */
export function createInbox(options: InboxOptions): Inbox {
  const { feed, store, log } = options;
  const { lanes, seen, counts, limits, monotonic } = feed;
  const releaseInOrder = () => {
    if (!feed.isCatchingUp()) intake.release();
  };
  const intake = createIntake({
    ...{ seen, store, limits, counts, log, onMessage: options.onMessage },
    onRefused: options.onRefused ?? (() => {}),
    onOwnCopy: options.onOwnCopy ?? (() => {}),
    actsSince: options.actsSince ?? (() => 0),
    onUnstored: options.onUnstored ?? (() => {}),
    unwrap: createUnwrap(options),
  });
  const pump = createPump({
    lanes,
    monotonic,
    open: intake.open,
    afterSlice: releaseInOrder,
    sliceMs: limits.sliceMs,
  });

  return {
    start: (signal) => {
      if (signal.aborted) return;
      const stop = () => {
        pump.stop();
        intake.drop();
      };
      signal.addEventListener('abort', stop, { once: true });
      feed.tell({ queued: pump.wake, storedRead: releaseInOrder });
      pump.wake();
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
