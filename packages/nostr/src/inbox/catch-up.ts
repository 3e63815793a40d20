import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Filter, NostrEvent, Protocol, PublicKey } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import type { InboxLimits } from './inbox-limits.ts';
import { INBOX_FEEDS } from './inbox-service.ts';
import type { Lane, Urgency } from './lane.ts';
import type { SeenWrapStore } from './message-store.ts';

type CatchUpOptions = {
  readonly lanes: readonly Lane[];
  readonly bot: PublicKey;
  readonly owners: () => readonly PublicKey[];
  readonly store: Pick<SeenWrapStore, 'caughtUpAt' | 'setCaughtUp'>;
  readonly limits: Pick<InboxLimits, 'holdMs' | 'askAgainMs' | 'wantedMs'>;
  readonly clock: Clock;
  readonly monotonic: () => number;
  /** Ids that need not be delivered. */
  readonly known: (eventId: string) => boolean;
  readonly onEvent: (lane: Lane, event: NostrEvent, urgency: Urgency) => void;
  /** A relay is asked, now. */
  readonly onAsked: () => void;
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
  /** Remembers of each relay that every kind 4 that it holds was received by now. */
  readonly saveCursors: () => void;
};

const DAY_MS = 24 * 60 * 60_000;
const MARGIN_MS = 60 * 60_000;
/** A relay may say that it is any time. */
const MOST_AHEAD_MS = 30 * DAY_MS;

/** How far back a relay is asked, ms: wraps are dated back by up to 2 days (NIP-59). */
export const windowMs = ({ wantedMs }: Pick<InboxLimits, 'wantedMs'>): number =>
  Math.max(3 * DAY_MS, wantedMs + 2 * DAY_MS + MARGIN_MS);

const PROTOCOLS = ['nip17', 'nip04'] as const satisfies readonly Protocol[];

export function createCatchUp(options: CatchUpOptions): CatchUp {
  const { lanes, bot, store, limits, clock, monotonic } = options;
  const subscriptions = new Map<Lane, AbortController>();

  const begin = (lane: Lane, protocol: Protocol) => {
    lane.phases[protocol] = 'stored';
    lane.catchUpEnds = monotonic() + limits.holdMs;
  };
  const sinceOf = (protocol: Protocol, relay: Relay) => sinceFor(protocol, relay, options);
  const filterFor = (protocol: Protocol, relay: Relay): Filter => ({
    kinds: [protocol === 'nip17' ? 1059 : 4],
    '#p': [bot],
    since: sinceOf(protocol, relay),
  });
  /** Each protocol by a REQ of its own with one filter: a relay that refuses one of them still serves the other. */
  const subscribe = (lane: Lane, signal: AbortSignal) => {
    subscriptions.get(lane)?.abort();
    const subscription = new AbortController();
    subscriptions.set(lane, subscription);
    lane.incomplete = false;
    lane.askAgainAfter = monotonic() + limits.askAgainMs;
    const ends = AbortSignal.any([signal, subscription.signal]);
    for (const protocol of PROTOCOLS) {
      lane.relay.subscribe(
        {
          name: INBOX_FEEDS[protocol],
          lesser: protocol === 'nip04',
          filters: () => {
            begin(lane, protocol);
            options.onAsked();
            return [filterFor(protocol, lane.relay)];
          },
          known: options.known,
          onEvent: (event) =>
            options.onEvent(lane, event, lane.phases[protocol] === 'live' ? 'live' : 'backlog'),
          onEose: () => {
            lane.phases[protocol] = 'live';
            options.onStoredRead();
          },
          pageBack: { room: lane.room },
        },
        ends,
      );
    }
    lane.relay.subscribe(
      {
        lesser: true,
        filters: () => {
          const authors = options.owners();
          return authors.length === 0
            ? []
            : [{ kinds: [5], authors: [...authors], since: sinceOf('nip04', lane.relay) }];
        },
        known: options.known,
        onEvent: (event) => options.onEvent(lane, event, 'live'),
      },
      ends,
    );
  };
  const isRead = (lane: Lane) => lane.phases.nip17 === 'live' && lane.size() === 0;

  return {
    start: (signal) => {
      // Before the first: a relay that answers at once must wait for the others.
      for (const lane of lanes) for (const protocol of PROTOCOLS) begin(lane, protocol);
      for (const lane of lanes) subscribe(lane, signal);
    },
    askAgain: (signal) => {
      for (const lane of lanes)
        if (lane.incomplete && isRead(lane) && monotonic() >= lane.askAgainAfter) subscribe(lane, signal);
    },
    isUnderWay: () =>
      lanes.some(
        (lane) =>
          monotonic() < lane.catchUpEnds &&
          (PROTOCOLS.some((protocol) => lane.phases[protocol] === 'stored') || lane.size('backlog') > 0),
      ),
    saveCursors: () => {
      const read = lanes.filter(
        (lane) =>
          isRead(lane) &&
          lane.phases.nip04 === 'live' &&
          !lane.incomplete &&
          lane.relay.status().state === 'open',
      );
      store.setCaughtUp(
        read.map(({ relay }) => relay.url),
        clock.now(),
      );
    },
  };
}

/** Unix seconds. By the clock of the relay, if ours is ahead of it: else it would be asked for the future alone. */
function sinceFor(
  protocol: Protocol,
  { url, status }: Relay,
  { clock, limits, store }: Pick<CatchUpOptions, 'clock' | 'limits' | 'store'>,
): number {
  const aheadMs = Math.min(MOST_AHEAD_MS, Math.max(0, status().clockAheadMs ?? 0));
  const windowStart = clock.now() - aheadMs - windowMs(limits);
  // A kind 4 says when it was written, which may be long before its phone was online.
  const unsure = (store.caughtUpAt(url) ?? 0) - aheadMs - Math.max(DAY_MS, limits.wantedMs) - MARGIN_MS;
  const since = protocol === 'nip17' ? windowStart : Math.max(windowStart, unsure);
  return Math.floor(since / 1000);
}
