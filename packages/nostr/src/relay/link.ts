import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { ownTarget, type Target } from '@nostr-dm-agent/kit/net';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import { relayText } from './frames.ts';
import type { RelayState, RelayStatus } from './relay.ts';
import { type RelayContext, timerOf } from './relay-context.ts';
import { RelayUrlError } from './relay-url.ts';
import { openRelaySocket, type RelaySocket } from './socket.ts';

/** Asked before each attempt to connect where it shall go. */
export type Admit = (signal: AbortSignal) => Promise<Target>;

type LinkHandlers = {
  readonly onOpen: () => void;
  readonly onText: (text: string) => void;
  readonly onDown: (reason: string) => void;
  /** The relay is at an address that no connection may go to. */
  readonly onForbidden: (reason: string) => void;
};

/** One socket after the other to the same relay, so that there is always one or an attempt at it, until `close`. */
export type Link = {
  readonly status: () => Omit<RelayStatus, 'feeds'>;
  /** False when there is no open socket: nothing was sent. */
  readonly send: (frame: readonly unknown[]) => boolean;
  /** Why there is no connection now; undefined when there is one. */
  readonly downReason: () => string | undefined;
  /** Is shown as what went wrong last. */
  readonly note: (problem: string) => void;
  /** The relay works: its next failure is met with as little patience as the first. */
  readonly proven: () => void;
  /** Too many of these, and the socket is cut. */
  readonly countBadFrame: (what: string) => void;
  /** Cuts the socket; another one follows. */
  readonly terminate: (reason: string) => void;
  readonly close: () => void;
};

export function keepLink(context: RelayContext, admit: Admit | undefined, handlers: LinkHandlers): Link {
  const { url, timings, limits, clock, log } = context;
  const closing = new AbortController();
  let state: RelayState = 'connecting';
  let since = clock.now();
  let lastError: string | undefined;
  let socket: RelaySocket | undefined;
  let failures = 0;
  let badFrames = 0;
  /** Of an open socket: until it counts as proven. Else: until the next attempt. */
  let cancelTimer: Cancel = () => {};

  const enter = (next: RelayState) => {
    if (state !== next) since = clock.now();
    state = next;
  };
  const proven = () => {
    failures = 0;
  };
  const countBadFrame = (what: string) => {
    badFrames += 1;
    if (badFrames === 1) log.debug({ relay: url, what }, 'relay sent what is not of the protocol');
    if (badFrames > limits.maxBadFrames) socket?.terminate('too many malformed frames');
  };
  const onOpen = () => {
    enter('open');
    log.debug({ relay: url }, 'relay connected');
    badFrames = 0;
    cancelTimer = after(timings.stableMs, timerOf(context), proven);
    handlers.onOpen();
  };
  const onEnd = (reason: string) => {
    socket = undefined;
    cancelTimer();
    retry(reason);
    handlers.onDown(reason);
  };
  const connect = async () => {
    enter('connecting');
    try {
      const target = await (admit?.(closing.signal) ?? ownTarget(url));
      if (closing.signal.aborted) return;
      socket = openRelaySocket(target, context, {
        onOpen,
        onEnd,
        onText: handlers.onText,
        onIgnored: countBadFrame,
      });
    } catch (error) {
      if (closing.signal.aborted) return;
      if (error instanceof RelayUrlError) handlers.onForbidden(error.reason);
      retry(relayText(error instanceof Error ? error.message : String(error)));
    }
  };
  const retry = (reason: string) => {
    lastError = reason;
    enter('waiting');
    const delayMs = Math.round(backoffMs(failures++, timings.reconnect, context.random));
    log.debug({ relay: url, reason, delayMs }, 'relay not connected');
    cancelTimer = after(delayMs, timerOf(context), connect);
  };

  void connect();
  return {
    status: () => ({ url, state, lastError, since }),
    send: (frame) => socket?.send(JSON.stringify(frame)) ?? false,
    downReason: () => (state === 'open' ? undefined : lastError),
    note: (problem) => {
      lastError = problem;
    },
    proven,
    countBadFrame,
    terminate: (reason) => socket?.terminate(reason),
    close: () => {
      enter('closed');
      closing.abort();
      cancelTimer();
      socket?.close();
      socket = undefined;
    },
  };
}
