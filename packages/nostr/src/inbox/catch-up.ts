import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Filter, NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import type { InboxLimits } from './inbox-limits.ts';
import { GRACE_MS } from './intake.ts';
import type { Lane } from './lane.ts';
import type { InboxStore } from './message-store.ts';

type CatchUpOptions = {
  readonly lanes: readonly Lane[];
  readonly bot: PublicKey;
  readonly store: Pick<InboxStore, 'caughtUpAt' | 'setCaughtUp'>;
  readonly limits: Pick<InboxLimits, 'holdMs' | 'askAgainMs'>;
  readonly clock: Clock;
  readonly monotonic: () => number;
  /** Ids that need not be delivered. */
  readonly known: (eventId: string) => boolean;
  readonly onEvent: (lane: Lane, event: NostrEvent) => void;
  /** A relay has delivered all that it had stored. */
  readonly onStoredRead: () => void;
};

/** What each relay is asked for, and how far that has come. */
type CatchUp = {
  readonly start: (signal: AbortSignal) => void;
  /** Subscribes anew where something was dropped, once that lane is empty. To be called now and then. */
  readonly askAgain: (signal: AbortSignal) => void;
  /** Whether stored events still come, which may be older than those that are there. Not for ever, if a relay is slow. */
  readonly isUnderWay: () => boolean;
  /** Remembers of each relay that everything it holds was received by now. */
  readonly saveCursors: () => void;
};

/** Wraps are dated back by up to 2 days (NIP-59). */
const WRAP_WINDOW_MS = 3 * 24 * 60 * 60_000;

export function createCatchUp(options: CatchUpOptions): CatchUp {
  const { lanes, bot, store, limits, clock, monotonic } = options;
  const subscriptions = new Map<Lane, AbortController>();

  const begin = (lane: Lane) => {
    lane.phase = 'stored';
    lane.catchUpEnds = monotonic() + limits.holdMs;
  };
  const filtersFor = (relay: RelayUrl): readonly Filter[] => {
    const windowStart = clock.now() - WRAP_WINDOW_MS;
    const caughtUpAt = store.caughtUpAt(relay) ?? 0;
    const toUs = { '#p': [bot] };
    return [
      { kinds: [1059], ...toUs, since: Math.floor(windowStart / 1000) },
      { kinds: [4], ...toUs, since: Math.floor(Math.max(windowStart, caughtUpAt - GRACE_MS) / 1000) },
    ];
  };
  const subscribe = (lane: Lane, signal: AbortSignal) => {
    subscriptions.get(lane)?.abort();
    const subscription = new AbortController();
    subscriptions.set(lane, subscription);
    lane.incomplete = false;
    lane.askAgainAfter = monotonic() + limits.askAgainMs;
    lane.relay.subscribe(
      {
        filters: () => {
          begin(lane);
          return filtersFor(lane.relay.url);
        },
        known: options.known,
        onEvent: (event) => options.onEvent(lane, event),
        onEose: () => {
          lane.phase = 'live';
          options.onStoredRead();
        },
        pageBack: { room: lane.room },
      },
      AbortSignal.any([signal, subscription.signal]),
    );
  };
  const isRead = (lane: Lane) => lane.phase === 'live' && lane.size() === 0;

  return {
    start: (signal) => {
      // Before the first: a relay that answers at once must wait for the others.
      for (const lane of lanes) begin(lane);
      for (const lane of lanes) subscribe(lane, signal);
    },
    askAgain: (signal) => {
      for (const lane of lanes)
        if (lane.incomplete && isRead(lane) && monotonic() >= lane.askAgainAfter) subscribe(lane, signal);
    },
    isUnderWay: () =>
      lanes.some(
        (lane) => monotonic() < lane.catchUpEnds && (lane.phase === 'stored' || lane.size('backlog') > 0),
      ),
    saveCursors: () => {
      const read = lanes.filter(
        (lane) => isRead(lane) && !lane.incomplete && lane.relay.status().state === 'open',
      );
      store.setCaughtUp(
        read.map(({ relay }) => relay.url),
        clock.now(),
      );
    },
  };
}
