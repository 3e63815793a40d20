import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import { eventHash } from '../event.ts';
import type { Filter, NostrEvent } from '../nostr-types.ts';
import type { Feeds } from './feeds.ts';
import { addToPages, createPage, type FetchPage, type Page, pageBack } from './paging.ts';
import type { Subscription } from './relay.ts';
import { type RelayContext, timerOf } from './relay-context.ts';
import type { RelayRequests } from './requests.ts';

type SubscriptionOptions = {
  readonly requests: RelayRequests;
  readonly subscription: Subscription;
  readonly fetchPage: FetchPage;
  readonly feeds: Feeds;
  /** The last NOTICE on this connection: some relays refuse a REQ with nothing else. */
  readonly notice: () => string | undefined;
  /** The relay closed this. `auth-required` is for the connection to act on; asking again is done here. */
  readonly onClosed: (message: string) => void;
  /** EOSE came: the connection works. */
  readonly onEose: () => void;
  /** The relay has not answered this several times, although it may answer pings. */
  readonly onUnanswered: () => void;
};

const PAGE_ATTEMPTS = 4;
/** So many times in a row a REQ is not answered before somebody hears of it. */
const UNANSWERED = 3;
const MOST_DOUBLED = 10;
/** So many connections in a row may break over a lesser subscription before it has to wait. */
const BROKEN = 2;

/** A filter with a limit asks for one page; one without `since` for no end of them. */
const isPaged = ({ since, limit }: Filter) => since !== undefined && limit === undefined;

/**
 * One subscription, kept alive until the returned function is called: asked again after every reconnect and AUTH,
 * after CLOSED with a backoff, after an EOSE that doesn't come with more patience each time; paged back to `since` if that is wanted and the relay
 * caps its answers.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one state machine, whose parts change the same few variables
export function startSubscription(context: RelayContext, options: SubscriptionOptions): () => void {
  const { url, timings, clock, log } = context;
  const { requests, subscription } = options;
  const timer = timerOf(context);
  let pages: readonly Page[] = [];
  let phase: 'idle' | 'stored' | 'live' = 'idle';
  let heardStored = false;
  let unanswered = 0;
  /** How often the patience was doubled, and when it began to be needed. */
  let doubled = 0;
  let askedAt = 0;
  let eoseAt: number | undefined;
  let closedInARow = 0;
  let brokenInARow = 0;
  const feed = options.feeds.open(subscription.name);
  /** While stored events come: until EOSE is overdue. Else: until it is asked again. */
  let cancelTimer: Cancel = () => {};
  let paging = new AbortController();

  const quiet = () => {
    cancelTimer();
    paging.abort();
    phase = 'idle';
  };
  const ask = () => {
    quiet();
    paging = new AbortController();
    if (!requests.isReady()) {
      feed.report('waiting');
      return;
    }
    const filters = currentFilters();
    if (filters === undefined) retryLater();
    if (filters === undefined || filters.length === 0) return;
    pages = subscription.pageBack === undefined ? [] : filters.filter(isPaged).map(createPage);
    if (!slot.ask(filters)) {
      waitForPlace();
      return;
    }
    phase = 'stored';
    feed.report('asked', unansweredText());
    watchForEose();
  };
  /** A place comes free, or the limit that was found out is none any more. */
  const waitForPlace = () => {
    const most = requests.mostAtOnce();
    feed.report('waiting', most === undefined ? undefined : `it serves only ${most} subscriptions at a time`);
    if (most !== undefined) retryLater();
  };
  const currentFilters = (): readonly Filter[] | undefined => {
    try {
      return subscription.filters();
    } catch (error) {
      log.error({ relay: url, error }, 'the filters of a subscription could not be computed');
      return undefined;
    }
  };
  const unansweredText = (): string | undefined =>
    unanswered === 0 ? undefined : (options.notice() ?? 'it does not answer the subscription');
  const retryLater = () => {
    cancelTimer();
    cancelTimer = after(backoffMs(closedInARow++, timings.retry, context.random), timer, ask);
  };
  const watchForEose = () => {
    heardStored = false;
    askedAt = performance.now();
    cancelTimer = after(patienceMs(), timer, () => {
      if (heardStored) {
        watchForEose();
        return;
      }
      unanswered += 1;
      doubled = Math.min(doubled + 1, MOST_DOUBLED);
      if (unanswered % UNANSWERED === 0) options.onUnanswered();
      if (phase === 'stored') ask();
    });
  };
  const patienceMs = () => Math.min(timings.maxEoseMs, timings.eoseMs * 2 ** doubled);
  const heard = () => {
    brokenInARow = 0;
    if (!heardStored) feed.report('served');
    heardStored = true;
  };
  const deliver = (event: NostrEvent) => {
    if (subscription.known?.(event.id) === true) return;
    if (eventHash(event) === event.id) subscription.onEvent(event, url);
    else log.debug({ relay: url }, 'dropped an event whose id is not its hash');
  };
  const finishStored = async (signal: AbortSignal) => {
    try {
      for (const page of pages) await readOlder(page, deliver, context, options, { patienceMs, signal });
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ relay: url, error }, 'stored events could not be read to the end; asking again later');
      retryLater();
      return;
    }
    if (!signal.aborted) subscription.onEose?.();
  };

  const handlers = {
    onReady: () => {
      if (subscription.lesser !== true || brokenInARow < BROKEN) return ask();
      feed.report('waiting', 'it ended the connection when asked for this');
      cancelTimer = after(backoffMs(brokenInARow, timings.retry, context.random), timer, ask);
    },
    onDisplaced: () => {
      quiet();
      waitForPlace();
    },
    onDown: () => {
      if (phase === 'stored' && !heardStored) brokenInARow += 1;
      quiet();
      feed.report('waiting');
    },
    wants: (eventId: string) => {
      heard();
      // For the size of a page the known events count as well.
      return (phase === 'stored' && pages.length > 0) || subscription.known?.(eventId) !== true;
    },
    onEvent: (event: NostrEvent) => {
      heard();
      if (phase === 'stored') addToPages(pages, event);
      deliver(event);
    },
    onEose: () => {
      if (phase !== 'stored') return;
      phase = 'live';
      cancelTimer();
      // What was needed once will be needed again, unless it was quick this time.
      if (doubled > 0 && performance.now() - askedAt < patienceMs() / 4) doubled -= 1;
      unanswered = 0;
      brokenInARow = 0;
      feed.report('served');
      eoseAt = clock.now();
      options.onEose();
      finishStored(paging.signal).catch((error: unknown) =>
        log.error({ relay: url, error }, 'a subscriber failed at the end of the stored events'),
      );
    },
    onClosed: (message: string) => {
      quiet();
      feed.report('waiting', message === '' ? 'it closed the subscription without a reason' : message);
      if (eoseAt !== undefined && clock.now() - eoseAt >= timings.stableMs) closedInARow = 0;
      eoseAt = undefined;
      retryLater();
      options.onClosed(message);
    },
  };
  const slot = requests.open(handlers, subscription.lesser === true ? 'lesser' : 'standing');

  ask();
  return () => {
    quiet();
    feed.close();
    slot.release();
  };
}

/** What the relay's cap left out of an answer, page by page, each asked for some times. */
async function readOlder(
  first: Page,
  onEvent: (event: NostrEvent) => void,
  { url, limits, capacity, timings, random, log }: RelayContext,
  { subscription, fetchPage }: SubscriptionOptions,
  { patienceMs, signal }: { readonly patienceMs: () => number; readonly signal: AbortSignal },
): Promise<void> {
  const fetchInTheEnd = async (filter: Filter, onPageEvent: (event: NostrEvent) => void) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await fetchPage(filter, onPageEvent, signal, 2 * patienceMs() * 2 ** attempt);
      } catch (error) {
        if (signal.aborted || attempt + 1 === PAGE_ATTEMPTS) throw error;
        await sleep(backoffMs(attempt, timings.retry, random), undefined, { signal });
      }
    }
  };
  const room = async () => subscription.pageBack?.room(signal);
  // A relay that gives fewer at a time than any other says so, if we are lucky.
  const minFullPage = Math.min(limits.minFullPage, capacity.information()?.maxLimit ?? limits.minFullPage);
  const bounds = { ...limits, minFullPage };
  const complete = await pageBack(first, { limits: bounds, signal, onEvent, room, fetchPage: fetchInTheEnd });
  if (!complete) log.warn({ relay: url, pages: limits.maxPages }, 'gave up paging back');
}
