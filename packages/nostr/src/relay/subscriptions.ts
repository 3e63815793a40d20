import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import { eventHash } from '../event.ts';
import type { Filter, NostrEvent } from '../nostr-types.ts';
import { addToPages, createPage, type FetchPage, type Page, pageBack } from './paging.ts';
import type { Subscription } from './relay.ts';
import { type RelayContext, timerOf } from './relay-context.ts';
import type { RelayRequests } from './requests.ts';

type SubscriptionOptions = {
  readonly requests: RelayRequests;
  readonly subscription: Subscription;
  readonly fetchPage: FetchPage;
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
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one state machine, whose parts change the same few variables
export function startSubscription(context: RelayContext, options: SubscriptionOptions): () => void {
  const { url, timings, clock, log } = context;
  const { requests, subscription } = options;
  const timer = timerOf(context);
  let pages: readonly Page[] = [];
  let phase: 'idle' | 'stored' | 'live' = 'idle';
  let heardStored = false;
  let unanswered = 0;
  let eoseAt: number | undefined;
  let closedInARow = 0;
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
    cancelTimer();
    cancelTimer = after(backoffMs(closedInARow++, timings.retry, context.random), timer, ask);
  };
  const watchForEose = () => {
    heardStored = false;
    cancelTimer = after(timings.eoseMs, timer, () => {
      if (heardStored) watchForEose();
      else if (unanswered++ === 0) ask();
      else options.onUnanswered();
    });
  };
  const deliver = (event: NostrEvent) => {
    if (subscription.known?.(event.id) === true) return;
    if (eventHash(event) === event.id) subscription.onEvent(event, url);
    else log.debug({ relay: url }, 'dropped an event whose id is not its hash');
  };
  const finishStored = async (signal: AbortSignal) => {
    try {
      for (const page of pages) await readOlder(page, deliver, context, options, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ relay: url, error }, 'stored events could not be read to the end; asking again later');
      retryLater();
      return;
    }
    if (!signal.aborted) subscription.onEose?.();
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
      cancelTimer();
      unanswered = 0;
      eoseAt = clock.now();
      options.onEose();
      finishStored(paging.signal).catch((error: unknown) =>
        log.error({ relay: url, error }, 'a subscriber failed at the end of the stored events'),
      );
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

/** What the relay's cap left out of an answer, page by page, each asked for some times. */
async function readOlder(
  first: Page,
  onEvent: (event: NostrEvent) => void,
  { url, limits, timings, random, log }: RelayContext,
  { subscription, fetchPage }: SubscriptionOptions,
  signal: AbortSignal,
): Promise<void> {
  const fetchInTheEnd: FetchPage = async (filter, onPageEvent) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await fetchPage(filter, onPageEvent, signal);
      } catch (error) {
        if (signal.aborted || attempt + 1 === PAGE_ATTEMPTS) throw error;
        await sleep(backoffMs(attempt, timings.retry, random), undefined, { signal });
      }
    }
  };
  const room = async () => subscription.pageBack?.room(signal);
  const complete = await pageBack(first, { limits, signal, onEvent, room, fetchPage: fetchInTheEnd });
  if (!complete) log.warn({ relay: url, pages: limits.maxPages }, 'gave up paging back');
}
