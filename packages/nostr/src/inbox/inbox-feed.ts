import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { Identity, NostrEvent, PublicKey } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import { isAddressedTo } from '../wrap/addressed.ts';
import { createCatchUp, windowMs } from './catch-up.ts';
import { type InboxCounts, zeroCounts } from './inbox-counts.ts';
import { defaultInboxLimits, type InboxLimits } from './inbox-limits.ts';
import { createLane, type Lane, type Urgency } from './lane.ts';
import type { SeenWrapStore } from './message-store.ts';
import { createSeenWraps, type SeenWraps } from './seen-wraps.ts';

/** What the relays deliver for the bot, unopened: each relay's in a lane of its own, bounded. */
export type InboxFeed = {
  /** Subscribes, and runs until the signal aborts. What comes waits in the lanes until an inbox reads it. */
  readonly start: (signal: AbortSignal) => void;
  /** Resolves once the first relay has been asked; not while none can be reached. */
  readonly asked: Promise<void>;
  readonly lanes: readonly Lane[];
  readonly seen: SeenWraps;
  readonly counts: InboxCounts;
  readonly limits: InboxLimits;
  readonly monotonic: () => number;
  /** Whether stored events still come, which may be older than those that are there. */
  readonly isCatchingUp: () => boolean;
  /** Has a reader told that something waits, and that a relay has delivered all that it had stored. */
  readonly tell: (reader: { readonly queued: () => void; readonly storedRead: () => void }) => void;
};

export type InboxFeedOptions = {
  readonly identity: Pick<Identity, 'publicKey'>;
  /** The bot's own relays. */
  readonly relays: readonly Relay[];
  readonly store: SeenWrapStore;
  /** Whose deletions (kind 5, in public, to nobody) are asked for: looked up anew each time. */
  readonly owners: () => readonly PublicKey[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<InboxLimits>;
  /** Milliseconds of a clock that never jumps, for pacing. */
  readonly monotonic?: () => number;
};

const HOUSEKEEPING_MS = 1000;
const CURSOR_EVERY_MS = 30_000;
const PRUNE_EVERY_MS = 6 * 60 * 60_000;
/** How much longer than the window that relays are asked for a wrap is remembered. */
const SEEN_LONGER_MS = 24 * 60 * 60_000;

/** Needs nothing but the relays and what was seen: a bot subscribes with it before the rest of it is loaded. */
export function createInboxFeed(options: InboxFeedOptions): InboxFeed {
  const { store, clock, log, monotonic = () => performance.now() } = options;
  const limits: InboxLimits = { ...defaultInboxLimits, ...options.limits };
  const { publicKey: bot } = options.identity;
  const seen = createSeenWraps(store, limits.seenInMemory, log);
  const lanes = options.relays.map((relay) => createLane(relay, limits, monotonic));
  const counts = zeroCounts();
  const asked = Promise.withResolvers<void>();
  let reader: Parameters<InboxFeed['tell']>[0] | undefined;

  const onEvent = (lane: Lane, event: NostrEvent, urgency: Urgency) => {
    if (seen.inMemory(event.id)) {
      counts.duplicates += 1;
      return;
    }
    if (event.kind !== 5 && !isAddressedTo(event, bot)) {
      counts.rejected.recipient += 1;
      return;
    }
    if (!lane.offer(event, urgency)) {
      if (!lane.incomplete) log.warn({ relay: lane.relay.url }, 'a relay delivers more than can be read');
      lane.incomplete = true;
    }
    reader?.queued();
  };
  const catchUp = createCatchUp({
    ...{ lanes, bot, store, limits, clock, monotonic, onEvent },
    owners: options.owners,
    known: seen.inMemory,
    onAsked: asked.resolve,
    onStoredRead: () => reader?.storedRead(),
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
      signal.addEventListener('abort', seen.flush, { once: true });
      catchUp.start(signal);
    },
    asked: asked.promise,
    ...{ lanes, seen, counts, limits, monotonic },
    isCatchingUp: catchUp.isUnderWay,
    tell: (one) => {
      reader = one;
    },
  };
}
