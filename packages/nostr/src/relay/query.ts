import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { verifyEvent } from '../event.ts';
import type { Filter, NostrEvent } from '../nostr-types.ts';
import type { RelayAuth } from './auth.ts';
import type { Link } from './link.ts';
import { addToPages, createPage, type FetchPage } from './paging.ts';
import type { Relay } from './relay.ts';
import type { RelayContext } from './relay-context.ts';
import { RelayError } from './relay-error.ts';
import type { RelayRequests } from './requests.ts';

type QueryOptions = Pick<Link, 'downReason'> & {
  readonly requests: RelayRequests;
  readonly auth: Pick<RelayAuth, 'accepted' | 'onRequired'>;
  /** The connection's life. */
  readonly closing: AbortSignal;
};

/** What is asked of a relay once. */
type RelayQueries = Pick<Relay, 'query'> & { readonly fetchPage: FetchPage };

export function createRelayQueries(context: RelayContext, options: QueryOptions): RelayQueries {
  const { url, own, limits } = context;
  const { requests, auth, downReason, closing } = options;

  /** Whether another `onReady` follows a CLOSED with this message. */
  const awaitsAuth = (message: string) => {
    const waits = own && !auth.accepted() && /^(auth-required|restricted)/i.test(message);
    if (waits) auth.onRequired();
    return waits;
  };

  /**
   * Sends one REQ, waits for its EOSE and closes it. Waits for a connection that isn't there, and asks again after a
   * reconnect, as long as the time allows; the events then come again from the beginning, unchecked but for their shape.
   * @throws RelayError
   */
  const ask = async (
    filters: readonly Filter[],
    onEvent: (event: NostrEvent) => void,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let closedMessage: string | undefined;
    const send = () => {
      closedMessage = undefined;
      slot.ask(filters);
    };
    const slot = requests.open(
      {
        onReady: send,
        onDown: () => {},
        wants: () => true,
        onEvent,
        onEose: resolve,
        onClosed: (message) => {
          closedMessage = message;
          if (!awaitsAuth(message)) reject(new RelayError(url, 'refused', message));
        },
      },
      'once',
    );
    const timer = setTimeout(() => {
      if (closedMessage !== undefined) reject(new RelayError(url, 'refused', closedMessage));
      else if (requests.isReady()) reject(new RelayError(url, 'timeout', 'no EOSE'));
      else reject(new RelayError(url, 'unreachable', downReason() ?? 'not connected yet'));
    }, timeoutMs);
    const ends = AbortSignal.any([signal, closing]);
    try {
      if (!ends.aborted) send();
      await untilAborted(promise, ends);
    } catch (cause) {
      if (closing.aborted) throw new RelayError(url, 'closed', '', { cause });
      throw cause instanceof RelayError ? cause : new RelayError(url, 'aborted', '', { cause });
    } finally {
      clearTimeout(timer);
      slot.release();
    }
  };

  return {
    fetchPage: (filter, onEvent, signal, timeoutMs) => {
      const page = [createPage(filter)];
      // What doesn't match the filter would lead the paging astray.
      const take = (event: NostrEvent) => addToPages(page, event) && onEvent(event);
      return ask([filter], take, timeoutMs, signal);
    },
    query: async (filters, timeoutMs, signal) => {
      const found = new Map<string, NostrEvent>();
      const wanted = filters.map(createPage);
      const take = (event: NostrEvent) => {
        if (found.size < limits.maxQueryEvents && addToPages(wanted, event)) found.set(event.id, event);
      };
      await ask(filters, take, timeoutMs, signal);
      return [...found.values()].filter(verifyEvent);
    },
  };
}
