import type { Clock } from '@nostr-dm-agent/kit/clock';
import { CLOCK_TOLERANCE_MS } from '@nostr-dm-agent/kit/compare-clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { RelayUrl, Signer } from '../nostr-types.ts';
import { createRelayAuth } from './auth.ts';
import { createRelayCapacity, type RelayCapacity } from './capacity.ts';
import { createFeeds } from './feeds.ts';
import { createFrameRouter } from './frame-router.ts';
import { type Admit, keepLink } from './link.ts';
import { createRelayPublishing } from './publishing.ts';
import { createRelayQueries } from './query.ts';
import type { Relay } from './relay.ts';
import type { RelayContext } from './relay-context.ts';
import { defaultRelayLimits, type RelayLimits } from './relay-limits.ts';
import { defaultRelayTimings, type RelayTimings } from './relay-timings.ts';
import { createRelayRequests } from './requests.ts';
import { startSubscription } from './subscriptions.ts';

export type RelayConnectionOptions = {
  readonly url: RelayUrl;
  /** See {@link RelayContext}. */
  readonly own: boolean;
  readonly sign: Signer;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly timings?: Partial<RelayTimings>;
  readonly limits?: Partial<RelayLimits>;
  readonly capacity?: RelayCapacity;
  /** Called on each connection: a moment to read what the relay says of itself. */
  readonly onConnected?: (signal: AbortSignal) => Promise<void>;
  /** When it rejects with a RelayUrlError, publishes are refused for good. Default: where the URL says. */
  readonly admit?: Admit;
};

export type RelayConnection = Relay & {
  /** Ends everything: subscriptions, queries (RelayError `closed`), publishes (`unanswered`), socket and timers. */
  readonly close: () => void;
};

/** Connects to one relay, and keeps connecting until `close()`. */
export function connectRelay(options: RelayConnectionOptions): RelayConnection {
  const context: RelayContext = {
    ...options,
    timings: { ...defaultRelayTimings, ...options.timings },
    limits: { ...defaultRelayLimits, ...options.limits },
    capacity: options.capacity ?? createRelayCapacity(),
  };
  const { url, log, capacity } = context;
  const closing = new AbortController();
  const feeds = createFeeds();
  /** Of this connection: what it said by NOTICE last, and whether it answered any subscription. */
  let notice: string | undefined;
  let answered = false;
  const link = keepLink(context, options.admit, {
    onOpen: () => {
      [notice, answered] = [undefined, false];
      // Not held back for a NIP-42 challenge, which most relays never send: after an AUTH everything is asked again.
      requests.ready();
      publishing.onOpen();
      void inform();
    },
    onText: (text) => hear(text),
    onDown: (reason) => {
      auth.onDown();
      publishing.onDown(reason);
      requests.down(reason);
    },
    onForbidden: (message) => publishing.settleAll({ result: 'refused', permanent: true, message }),
  });
  const { send, downReason } = link;
  const inform = async () => {
    const isOff = await hasChanged(capacity, async () => options.onConnected?.(closing.signal));
    // Filters say from when on: they have asked for the wrong time.
    if (isOff && !closing.signal.aborted && downReason() === undefined) requests.ready();
  };
  const requests = createRelayRequests(send, () => capacity.information()?.maxSubscriptions);
  const auth = createRelayAuth(context, {
    ...{ send, sign: options.sign, onAccepted: requests.ready },
    // It may serve us all the same; if not, it says so with CLOSED.
    onUnaccepted: link.note,
  });
  const publishing = createRelayPublishing({ capacity, send, auth, downReason });
  const hear = createFrameRouter(context, {
    ...{ requests, auth, publishing },
    onNotice: (message) => {
      notice = message;
      publishing.onNotice(message);
    },
    onMalformed: () => link.countBadFrame('malformed frame'),
  });

  const onClosed = (message: string) => {
    log.debug({ relay: url, message }, 'relay closed a subscription');
    const wantsAuth = /^auth-required/i.test(message);
    // The first REQ of a connection usually comes before our AUTH: that is no problem.
    if (!wantsAuth || auth.accepted()) {
      link.note(`subscription closed by the relay: ${message === '' ? 'no reason given' : message}`);
    }
    if (wantsAuth) auth.onRequired();
  };
  const { query, fetchPage } = createRelayQueries(context, {
    ...{ requests, auth, downReason },
    closing: closing.signal,
  });

  return {
    url,
    status: () => ({ ...link.status(), feeds: feeds.status(), clockAheadMs: aheadOf(capacity) }),
    subscribe: (subscription, signal) => {
      const ends = AbortSignal.any([signal, closing.signal]);
      if (ends.aborted) return;
      const stop = startSubscription(context, {
        ...{ requests, subscription, fetchPage, feeds, onClosed },
        notice: () => notice,
        onEose: () => {
          answered = true;
          link.proven();
        },
        // Another connection may help one on which nothing was answered; it would cost one that works.
        onUnanswered: () => {
          if (!answered) link.terminate('REQ is not answered');
        },
      });
      ends.addEventListener('abort', stop, { once: true });
    },
    publish: async (event, timeoutMs, signal) =>
      closing.signal.aborted
        ? { result: 'unanswered', message: 'closed' }
        : publishing.publish(event, timeoutMs, signal),
    query,
    close: () => {
      if (closing.signal.aborted) return;
      closing.abort();
      auth.onDown();
      publishing.settleAll({ result: 'unanswered', message: 'closed' });
      link.close();
    },
  };
}

const aheadOf = (capacity: RelayCapacity) => capacity.information()?.clockAheadMs;

/** Whether what is known of a clock is another one after some work. */
async function hasChanged(capacity: RelayCapacity, work: () => Promise<void>): Promise<boolean> {
  const before = aheadOf(capacity) ?? 0;
  await work();
  return Math.abs((aheadOf(capacity) ?? 0) - before) > CLOCK_TOLERANCE_MS;
}
