import type { Filter, NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { RelayCapacities } from './capacities.ts';

/** Where a connection stands. `waiting`: between two attempts. */
export type RelayState = 'connecting' | 'open' | 'waiting' | 'closed';

/** What a relay said of a published event, or why nothing was heard. Never thrown: publishing always settles. */
export type PublishOutcome =
  /** OK true, or OK false with `duplicate:`. */
  | { readonly result: 'accepted'; readonly message: string }
  /** OK false: `permanent` for `blocked:`, `invalid:`, `pow:`, `restricted:`, refused AUTH; else a later try may do. */
  | {
      readonly result: 'refused';
      readonly permanent: boolean;
      readonly message: string;
      /** `size`: less of it may do. `work`: a proof of work may (NIP-13); both are noted in the relay's capacity. */
      readonly wants?: 'size' | 'work';
    }
  /** Down, timed out, closed, or aborted before an OK came. */
  | { readonly result: 'unanswered'; readonly message: string };

export type Subscription = {
  /** How it is called where it is told how it fares, see {@link FeedStatus}. Absent: nobody is told. */
  readonly name?: string;
  /** The relay has broken the connection over it: it is then asked for less and less often. Never given up. */
  readonly lesser?: boolean;
  /** Evaluated afresh at every (re)subscribe. */
  readonly filters: () => readonly Filter[];
  /** Looked up on the raw frame before it is parsed: true = already handled, drop it. */
  readonly known?: (eventId: string) => boolean;
  /** The event has the shape of NIP-01 and its id is its hash; its signature is NOT verified yet. */
  readonly onEvent: (event: NostrEvent, relay: RelayUrl) => void;
  /** Stored events are through; called again after each re-subscribe. */
  readonly onEose?: () => void;
  /**
   * Also fetches what the relay's cap per answer left out: pages back by `until` to the `since` of each filter that has
   * one and no `limit`. `room` is waited for before each page; `onEose` then comes after the last one, and not before
   * every page was answered.
   */
  readonly pageBack?: { readonly room: (signal: AbortSignal) => Promise<void> };
};

/** How a subscription with a name fares on the connection that there is now. */
export type FeedStatus = {
  readonly name: string;
  /** `served`: the relay has answered it. `asked`: not yet. `waiting`: it is not asked at the moment. */
  readonly state: 'served' | 'asked' | 'waiting';
  /** Why it is not served, as far as that is known. */
  readonly problem: string | undefined;
};

export type RelayStatus = {
  readonly url: RelayUrl;
  readonly state: RelayState;
  /** The last thing that went wrong, for `!status` and `doctor`. */
  readonly lastError: string | undefined;
  /** Unix ms since when the connection is in this state. */
  readonly since: number;
  readonly feeds: readonly FeedStatus[];
  /** How far the bot's clock is ahead of the relay's, ms; negative: behind. Absent: not known. */
  readonly clockAheadMs?: number | undefined;
};

/** One relay, connected for ever: see `connectRelay`. */
export type Relay = {
  readonly url: RelayUrl;
  readonly status: () => RelayStatus;
  /** Lives until the signal aborts: over reconnects, AUTH and CLOSED. */
  readonly subscribe: (subscription: Subscription, signal: AbortSignal) => void;
  /** Sends, waits for OK, AUTHs when asked, sends again after a reconnect; settles within `timeoutMs`. */
  readonly publish: (event: NostrEvent, timeoutMs: number, signal: AbortSignal) => Promise<PublishOutcome>;
  /**
   * Stored events up to EOSE, shape, id and signature checked.
   * @throws RelayError when the relay can't be asked within `timeoutMs`: a caller can tell "none" from "unknown"
   */
  readonly query: (
    filters: readonly Filter[],
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<readonly NostrEvent[]>;
};

/** All connections of the bot: its own relays for ever, others for as long as somebody borrows them. */
export type Relays = {
  readonly own: readonly Relay[];
  /**
   * Lends a connection for as long as `use` takes, which is called before this returns: an own one, or one that is closed
   * some seconds after the last who borrowed it is done.
   */
  readonly borrow: <Result>(url: RelayUrl, use: (relay: Relay) => Promise<Result>) => Promise<Result>;
  /** Queries a borrowed relay. Undefined when it can't be asked, which is not the same as "none". */
  readonly ask: (
    url: RelayUrl,
    filters: readonly Filter[],
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<readonly NostrEvent[] | undefined>;
  /** What each relay takes, own or not, connected or not. */
  readonly capacities: RelayCapacities;
  /** Closes every socket and timer; pending publishes settle as `unanswered`. */
  readonly close: () => void;
};
