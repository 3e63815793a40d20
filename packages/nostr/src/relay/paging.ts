import { matchFilter } from 'nostr-tools/filter';
import type { Filter, NostrEvent } from '../nostr-types.ts';

/**
 * What one REQ brought of one filter. Relays cap an answer without saying so (strfry: 500 events per filter, the
 * newest ones), so a long answer may be the first page only.
 */
export type Page = {
  readonly filter: Filter;
  count: number;
  /** Events that the pages before had not brought. */
  fresh: number;
  /** The lowest `created_at`, and the ids of the events that have it. */
  oldest: number;
  readonly atOldest: Set<string>;
};

export const createPage = (filter: Filter): Page => ({
  filter,
  count: 0,
  fresh: 0,
  oldest: Number.POSITIVE_INFINITY,
  atOldest: new Set(),
});

/** Notes an event in the page of each filter that it matches. False when none of them asked for it. */
export function addToPages(pages: readonly Page[], event: NostrEvent): boolean {
  let matched = false;
  for (const page of pages) {
    if (!matchFilter(page.filter, event)) continue;
    matched = true;
    page.count += 1;
    page.fresh += 1;
    noteOldest(page, event);
  }
  return matched;
}

function noteOldest(page: Page, event: NostrEvent): void {
  if (event.created_at > page.oldest) return;
  if (event.created_at < page.oldest) page.atOldest.clear();
  page.oldest = event.created_at;
  page.atOldest.add(event.id);
}

/** Asks for one page; `onEvent` gets every event of it that matches. Rejects when the relay doesn't finish it in time. */
export type FetchPage = (
  filter: Filter,
  onEvent: (event: NostrEvent) => void,
  signal: AbortSignal,
  timeoutMs: number,
) => Promise<void>;

/** What bounds the paging. */
export type PagingLimits = {
  /** An answer with fewer events is taken for complete: no relay caps that low. */
  readonly minFullPage: number;
  /** More would be a relay that invents events. */
  readonly maxPages: number;
};

type PageBackOptions = {
  readonly limits: PagingLimits;
  readonly fetchPage: (...asked: [Filter, (event: NostrEvent) => void, AbortSignal]) => Promise<void>;
  /** Gets the events of the further pages, each once. */
  readonly onEvent: (event: NostrEvent) => void;
  /** Waited for before each further page. */
  readonly room: (signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
};

/**
 * Pages backwards by `until` from a first page to the filter's `since`, until a page is short or brings nothing new.
 * Returns false when `maxPages` ended it. Rejects with what `fetchPage` and `room` reject with.
 */
export async function pageBack(first: Page, options: PageBackOptions): Promise<boolean> {
  const { limits, signal } = options;
  const since = first.filter.since ?? 0;
  let last = first;
  for (let pages = 0; pages < limits.maxPages; pages += 1) {
    if (last.count < limits.minFullPage) return true;
    // A page of nothing but known events of one second: more of that second than the relay's cap. Step over it.
    const stuck = last.fresh === 0;
    if (stuck && last.atOldest.size < limits.minFullPage) return true;
    const until = stuck ? last.oldest - 1 : last.oldest;
    if (until < since) return true;
    await options.room(signal);
    last = await nextPage(last, until, options);
    signal.throwIfAborted();
  }
  return false;
}

/** `until` is inclusive, and must be: of the last second we may have seen a part only. */
async function nextPage(last: Page, until: number, options: PageBackOptions): Promise<Page> {
  const seen = until === last.oldest ? last.atOldest : new Set<string>();
  const page = createPage({ ...last.filter, until });
  await options.fetchPage(
    page.filter,
    (event) => {
      page.count += 1;
      noteOldest(page, event);
      if (seen.has(event.id)) return;
      page.fresh += 1;
      options.onEvent(event);
    },
    options.signal,
  );
  if (page.oldest === until) for (const id of seen) page.atOldest.add(id);
  return page;
}
