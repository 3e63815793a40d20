import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Target } from '@nostr-dm-agent/kit/net';
import { verifyEvent } from '../event.ts';
import type { NostrEvent, RelayUrl, Signer } from '../nostr-types.ts';
import { createRelayAuth } from './auth.ts';
import { parseRelayFrame, peekEventFrame, relayText } from './frames.ts';
import { addToPages, createPage, type FetchPage } from './paging.ts';
import { createRelayPublishing } from './publishing.ts';
import { askOnce } from './query.ts';
import type { Relay, RelayState } from './relay.ts';
import { RelayError } from './relay-error.ts';
import { defaultRelayLimits, type RelayLimits } from './relay-limits.ts';
import { defaultRelayTimings, type RelayTimings } from './relay-timings.ts';
import { RelayUrlError } from './relay-url.ts';
import { createRelayRequests } from './requests.ts';
import { openRelaySocket, type RelaySocket } from './socket.ts';
import { startSubscription } from './subscriptions.ts';

export type RelayConnectionOptions = {
  readonly url: RelayUrl;
  /** One of the bot's own relays: it may know who we are (AUTH) before it demands it. Others only get to for a publish. */
  readonly own: boolean;
  readonly sign: Signer;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly timings?: Partial<RelayTimings>;
  readonly limits?: Partial<RelayLimits>;
  /**
   * Asked before each attempt to connect where it shall go. When it rejects with a RelayUrlError, publishes are refused
   * for good. Default: where the URL says.
   */
  readonly admit?: (signal: AbortSignal) => Promise<Target>;
};

export type RelayConnection = Relay & {
  /** Ends everything: subscriptions, queries (RelayError `closed`), publishes (`unanswered`), socket and timers. */
  readonly close: () => void;
};

/** Connects to one relay, and keeps connecting until `close()`. */
export function connectRelay(options: RelayConnectionOptions): RelayConnection {
  const { url, own, clock, log } = options;
  const timings: RelayTimings = { ...defaultRelayTimings, ...options.timings };
  const limits: RelayLimits = { ...defaultRelayLimits, ...options.limits };

  let state: RelayState = 'connecting';
  let since = clock.now();
  let lastError: string | undefined;
  let socket: RelaySocket | undefined;
  let attempt = 0;
  let badFrames = 0;
  let authenticated = false;
  let reconnectTimer: Timer | undefined;
  let stableTimer: Timer | undefined;
  const closing = new AbortController();
  const subscriptionEnds = new Set<() => void>();

  const enter = (next: RelayState) => {
    if (state !== next) since = clock.now();
    state = next;
  };
  const send = (frame: readonly unknown[]) => socket?.send(JSON.stringify(frame)) ?? false;
  const downReason = () => (state === 'open' ? undefined : lastError);

  const requests = createRelayRequests(send);
  const auth = createRelayAuth({
    ...{ url, own, send, timings, clock, log },
    sign: options.sign,
    random: options.random,
    onAccepted: () => {
      authenticated = true;
      requests.ready();
    },
    onUnaccepted: (message) => {
      // It may serve us all the same; if not, it says so with CLOSED.
      lastError = message;
    },
  });
  const publishing = createRelayPublishing({ send, auth, downReason });

  const connect = async () => {
    enter('connecting');
    try {
      const target = await options.admit?.(closing.signal);
      if (closing.signal.aborted) return;
      socket = openRelaySocket(
        target ?? { url, headers: {}, tls: undefined },
        timings,
        limits.maxFrameLength,
        {
          onOpen: () => guarded(opened),
          onText: (text) => guarded(() => receive(text)),
          onIgnored: countBadFrame,
          onEnd: ended,
        },
      );
    } catch (error) {
      if (!closing.signal.aborted) notAdmitted(error);
    }
  };

  const notAdmitted = (error: unknown) => {
    const reason = relayText(error instanceof Error ? error.message : String(error));
    if (error instanceof RelayUrlError) {
      publishing.settleAll({ result: 'refused', permanent: true, message: error.reason });
    }
    retry(reason);
  };

  const opened = () => {
    enter('open');
    log.debug({ relay: url }, 'relay connected');
    badFrames = 0;
    stableTimer = setTimeout(stable, timings.stableMs);
    // Not held back for a NIP-42 challenge, which most relays never send: after an AUTH everything is asked again.
    requests.ready();
    publishing.onOpen();
  };

  const stable = () => {
    attempt = 0;
  };

  const ended = (reason: string) => {
    socket = undefined;
    authenticated = false;
    clearTimeout(stableTimer);
    auth.onDown();
    requests.down(reason);
    retry(reason);
  };

  const retry = (reason: string) => {
    lastError = reason;
    enter('waiting');
    const delay = backoffMs(attempt++, timings.reconnect, options.random);
    log.debug({ relay: url, reason, delayMs: Math.round(delay) }, 'relay not connected');
    reconnectTimer = setTimeout(() => void connect(), delay);
  };

  const countBadFrame = (what: string) => {
    badFrames += 1;
    if (badFrames === 1) log.debug({ relay: url, what }, 'relay sent what is not of the protocol');
    if (badFrames > limits.maxBadFrames) socket?.terminate('too many malformed frames');
  };

  /** A subscriber that throws must not cost the others their frames. */
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      log.error({ relay: url, error }, 'what a relay sent could not be handled');
    }
  };

  const receive = (text: string) => {
    const peek = peekEventFrame(text);
    if (peek !== undefined) {
      const listener = requests.find(peek.subscriptionId);
      if (listener === undefined) return;
      if (peek.eventId !== undefined && !listener.wants(peek.eventId)) return;
    }
    const frame = parseRelayFrame(text);
    switch (frame.type) {
      case 'EVENT':
        requests.find(frame.subscriptionId)?.onEvent(frame.event);
        break;
      case 'EOSE':
        requests.find(frame.subscriptionId)?.onEose();
        break;
      case 'CLOSED':
        requests.onClosed(frame.subscriptionId, frame.message);
        break;
      case 'OK':
        if (!auth.onOk(frame.eventId, frame.accepted, frame.message)) {
          publishing.onOk(frame.eventId, frame.accepted, frame.message);
        }
        break;
      case 'AUTH':
        auth.onChallenge(frame.challenge);
        publishing.onChallenge();
        break;
      case 'NOTICE':
        log.debug({ relay: url, notice: frame.message }, 'relay notice');
        break;
      case 'malformed':
        countBadFrame('malformed frame');
        break;
    }
  };

  const closedByRelay = (message: string) => {
    log.debug({ relay: url, message }, 'relay closed a subscription');
    const wantsAuth = /^auth-required/i.test(message);
    // The first REQ of a connection usually comes before our AUTH: that is no trouble.
    if (!wantsAuth || authenticated) {
      lastError = `subscription closed by the relay: ${message === '' ? 'no reason given' : message}`;
    }
    if (wantsAuth) auth.onRequired();
  };

  const ask = async (
    filters: Parameters<Relay['query']>[0],
    onEvent: (event: NostrEvent) => void,
    timeoutMs: number,
    signal: AbortSignal,
  ) => {
    if (state === 'closed') throw new RelayError(url, 'closed', '');
    try {
      await askOnce({
        ...{ url, requests, filters, onEvent, timeoutMs, downReason },
        signal: AbortSignal.any([signal, closing.signal]),
        awaitsAuth: (message) => {
          const waits = own && !authenticated && /^(auth-required|restricted)/i.test(message);
          if (waits) auth.onRequired();
          return waits;
        },
      });
    } catch (error) {
      if (closing.signal.aborted) throw new RelayError(url, 'closed', '', { cause: error });
      throw error;
    }
  };

  const fetchPage: FetchPage = (filter, onEvent, signal) => {
    const page = [createPage(filter)];
    // What doesn't match the filter would lead the paging astray.
    return ask([filter], (event) => addToPages(page, event) && onEvent(event), 2 * timings.eoseMs, signal);
  };

  void connect();

  return {
    url,
    status: () => ({ url, state, lastError, since }),
    subscribe: (subscription, signal) => {
      if (state === 'closed' || signal.aborted) return;
      const stop = startSubscription({
        ...{ url, requests, subscription, fetchPage, timings, clock, log },
        random: options.random,
        limits,
        onClosed: closedByRelay,
        onEose: stable,
        onUnanswered: () => socket?.terminate('REQ is not answered'),
      });
      const end = () => {
        signal.removeEventListener('abort', end);
        subscriptionEnds.delete(end);
        stop();
      };
      subscriptionEnds.add(end);
      signal.addEventListener('abort', end, { once: true });
    },
    publish: async (event, timeoutMs, signal) =>
      state === 'closed'
        ? { result: 'unanswered', message: 'closed' }
        : publishing.publish(event, timeoutMs, signal),
    query: async (filters, timeoutMs, signal) => {
      const found = new Map<string, NostrEvent>();
      const wanted = filters.map(createPage);
      const take = (event: NostrEvent) => {
        if (found.size < limits.maxQueryEvents && addToPages(wanted, event)) found.set(event.id, event);
      };
      await ask(filters, take, timeoutMs, signal);
      return [...found.values()].filter(verifyEvent);
    },
    close: () => {
      if (state === 'closed') return;
      enter('closed');
      closing.abort();
      for (const timer of [reconnectTimer, stableTimer]) clearTimeout(timer);
      for (const end of [...subscriptionEnds]) end();
      requests.closeAll();
      auth.onDown();
      publishing.settleAll({ result: 'unanswered', message: 'closed' });
      socket?.close();
      socket = undefined;
    },
  };
}
