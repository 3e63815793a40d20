import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { eventHash } from '../event.ts';
import type { Filter, NostrEvent, RelayUrl } from '../nostr-types.ts';
import { addToPages, createPage, type FetchPage, type Page, type PagingLimits, pageBack } from './paging.ts';
import type { Subscription } from './relay.ts';
import type { RelayTimings } from './relay-timings.ts';
import type { RelayRequests } from './requests.ts';

export type RelaySubscriptionOptions = {
  readonly url: RelayUrl;
  readonly requests: RelayRequests;
  readonly subscription: Subscription;
  readonly fetchPage: FetchPage;
  readonly limits: PagingLimits;
  readonly timings: RelayTimings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** The relay closed this. `auth-required` is for the connection to act on; asking again is done here. */
  readonly onClosed: (message: string) => void;
  /** EOSE came: the connection works. */
  readonly onEose: () => void;
  /** The relay doesn't answer REQs, although it may answer pings. */
  readonly onUnanswered: () => void;
};

const PAGE_ATTEMPTS = 4;

/** A filter with a limit asks for one page; one without `since` for no end of them. */
const isPaged = ({ since, limit }: Filter) => since !== undefined && limit === undefined;

/**
 * One subscription, kept alive until the returned function is called: asked again after every reconnect and AUTH,
 * after CLOSED with a backoff, after an EOSE that doesn't come; paged back to `since` if that is wanted and the relay
 * caps its answers.
 */
export function startSubscription(options: RelaySubscriptionOptions): () => void {
  const { url, requests, subscription, timings, clock, log } = options;
  let pages: readonly Page[] = [];
  let phase: 'idle' | 'stored' | 'live' = 'idle';
  let heardStored = false;
  let unanswered = 0;
  let eoseAt: number | undefined;
  let closedInARow = 0;
  let retryTimer: Timer | undefined;
  let eoseTimer: Timer | undefined;
  let paging = new AbortController();

  const quiet = () => {
    clearTimeout(retryTimer);
    clearTimeout(eoseTimer);
    paging.abort();
    phase = 'idle';
  };

  const ask = () => {
    quiet();
    paging = new AbortController();
    if (!requests.isReady()) return;
    const filters = currentFilters();
    if (filters === undefined) retryLater();
    if (filters === undefined || filters.length === 0) return;
    pages = subscription.pageBack === undefined ? [] : filters.filter(isPaged).map(createPage);
    if (!slot.ask(filters)) return;
    phase = 'stored';
    watchForEose();
  };

  const currentFilters = (): readonly Filter[] | undefined => {
    try {
      return subscription.filters();
    } catch (error) {
      log.error({ relay: url, error }, 'the filters of a subscription could not be computed');
      return undefined;
    }
  };

  const retryLater = () => {
    clearTimeout(retryTimer);
    retryTimer = setTimeout(ask, backoffMs(closedInARow++, timings.retry, options.random));
  };

  const watchForEose = () => {
    heardStored = false;
    eoseTimer = setTimeout(() => {
      if (heardStored) watchForEose();
      else if (unanswered++ === 0) ask();
      else options.onUnanswered();
    }, timings.eoseMs);
  };

  const deliver = (event: NostrEvent) => {
    if (subscription.known?.(event.id) === true) return;
    if (eventHash(event) !== event.id) {
      log.debug({ relay: url }, 'dropped an event whose id is not its hash');
      return;
    }
    subscription.onEvent(event, url);
  };

  const finishStored = async (first: readonly Page[], signal: AbortSignal) => {
    try {
      for (const page of first) await readOlder(page, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ relay: url, error }, 'stored events could not be read to the end; asking again later');
      retryLater();
      return;
    }
    if (signal.aborted) return;
    try {
      subscription.onEose?.();
    } catch (error) {
      log.error({ relay: url, error }, 'a subscriber failed at the end of the stored events');
    }
  };

  const readOlder = async (first: Page, signal: AbortSignal) => {
    const { limits } = options;
    const complete = await pageBack({
      ...{ first, limits, signal },
      onEvent: deliver,
      fetchPage: (filter, onEvent) => withAttempts(() => options.fetchPage(filter, onEvent, signal), signal),
      room: async () => subscription.pageBack?.room(signal),
    });
    if (!complete) log.warn({ relay: url, pages: limits.maxPages }, 'gave up paging back');
  };

  const withAttempts = async (fetch: () => Promise<void>, signal: AbortSignal) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await fetch();
      } catch (error) {
        if (signal.aborted || attempt + 1 === PAGE_ATTEMPTS) throw error;
        await sleep(backoffMs(attempt, timings.retry, options.random), undefined, { signal });
      }
    }
  };

  const slot = requests.open({
    onReady: ask,
    onDown: () => {
      quiet();
      unanswered = 0;
    },
    wants: (eventId) => {
      heardStored = true;
      // For the size of a page the known events count as well.
      return (phase === 'stored' && pages.length > 0) || subscription.known?.(eventId) !== true;
    },
    onEvent: (event) => {
      heardStored = true;
      if (phase === 'stored') addToPages(pages, event);
      deliver(event);
    },
    onEose: () => {
      if (phase !== 'stored') return;
      phase = 'live';
      clearTimeout(eoseTimer);
      unanswered = 0;
      eoseAt = clock.now();
      options.onEose();
      void finishStored(pages, paging.signal);
    },
    onClosed: (message) => {
      quiet();
      if (eoseAt !== undefined && clock.now() - eoseAt >= timings.stableMs) closedInARow = 0;
      eoseAt = undefined;
      retryLater();
      options.onClosed(message);
    },
  });

  ask();
  return () => {
    quiet();
    slot.release();
  };
}
