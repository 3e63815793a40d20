import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { RelayUrl, Signer } from '../nostr-types.ts';
import { createRelayAuth } from './auth.ts';
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
  };
  const { url, log } = context;
  const closing = new AbortController();
  const link = keepLink(context, options.admit, {
    onOpen: () => {
      // Not held back for a NIP-42 challenge, which most relays never send: after an AUTH everything is asked again.
      requests.ready();
      publishing.onOpen();
    },
    onText: (text) => hear(text),
    onDown: (reason) => {
      auth.onDown();
      requests.down(reason);
    },
    onForbidden: (message) => publishing.settleAll({ result: 'refused', permanent: true, message }),
  });
  const { send, downReason } = link;
  const requests = createRelayRequests(send);
  const auth = createRelayAuth(context, {
    ...{ send, sign: options.sign, onAccepted: requests.ready },
    // It may serve us all the same; if not, it says so with CLOSED.
    onUnaccepted: link.note,
  });
  const publishing = createRelayPublishing({ send, auth, downReason });
  const hear = createFrameRouter(context, {
    ...{ requests, auth, publishing },
    onMalformed: () => link.countBadFrame('malformed frame'),
  });

  const onClosed = (message: string) => {
    log.debug({ relay: url, message }, 'relay closed a subscription');
    const wantsAuth = /^auth-required/i.test(message);
    // The first REQ of a connection usually comes before our AUTH: that is no trouble.
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
    status: link.status,
    subscribe: (subscription, signal) => {
      const ends = AbortSignal.any([signal, closing.signal]);
      if (ends.aborted) return;
      const onUnanswered = () => link.terminate('REQ is not answered');
      const stop = startSubscription(context, {
        ...{ requests, subscription, fetchPage, onClosed, onUnanswered },
        onEose: link.proven,
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
