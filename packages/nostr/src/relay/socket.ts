import type { Target } from '@nostr-dm-agent/kit/net';
import { relayText } from './frames.ts';
import type { RelayTimings } from './relay-timings.ts';

export type RelaySocketHandlers = {
  readonly onOpen: () => void;
  readonly onText: (text: string) => void;
  /** A frame that was not passed on: NIP-01 has none of these. */
  readonly onIgnored: (what: 'binary frame' | 'oversized frame') => void;
  /** Once, however the connection ended or failed to begin, but not after `close()`. */
  readonly onEnd: (reason: string) => void;
};

/** One WebSocket to a relay, from the attempt to its end. */
export type RelaySocket = {
  /** False when the socket isn't open: nothing was sent. */
  readonly send: (text: string) => boolean;
  /** Cuts the connection now; `onEnd` is called before this returns. */
  readonly terminate: (reason: string) => void;
  /** Ends politely what its owner has no more use for. No handler is called any more. */
  readonly close: () => void;
};

/**
 * Opens a WebSocket, and sees to it that a dead one is noticed: an upgrade that is never answered, and a half-open
 * connection (no answer to pings), for both of which Bun itself has no timeout.
 */
export function openRelaySocket(
  { url, headers, tls }: Target,
  timings: RelayTimings,
  maxFrameLength: number,
  handlers: RelaySocketHandlers,
): RelaySocket {
  // Without compression a frame costs the sender as many bytes as it costs us.
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    headers,
    ...(tls === undefined ? {} : { tls }),
  });
  let ended = false;
  let failure: string | undefined;
  let pingTimer: Timer | undefined;
  let pongTimer: Timer | undefined;
  const connectTimer = setTimeout(() => terminate('no answer to the WebSocket upgrade'), timings.connectMs);

  const stop = () => {
    ended = true;
    clearTimeout(connectTimer);
    clearInterval(pingTimer);
    clearTimeout(pongTimer);
  };
  const end = (reason: string) => {
    if (ended) return;
    stop();
    handlers.onEnd(reason);
  };
  const terminate = (reason: string) => {
    // close() would wait for the peer, and on a half-open connection no `close` event ever follows.
    socket.terminate();
    end(reason);
  };
  const alive = () => {
    clearTimeout(pongTimer);
    pongTimer = undefined;
  };
  const ping = () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.ping();
    pongTimer ??= setTimeout(() => terminate('no answer to a ping'), timings.pongMs);
  };

  socket.addEventListener('open', () => {
    if (ended) return;
    clearTimeout(connectTimer);
    pingTimer = setInterval(ping, timings.pingMs);
    handlers.onOpen();
  });
  socket.addEventListener('pong', alive);
  socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
    if (ended) return;
    alive();
    if (typeof data !== 'string') handlers.onIgnored('binary frame');
    else if (data.length > maxFrameLength) handlers.onIgnored('oversized frame');
    else handlers.onText(data);
  });
  socket.addEventListener('error', (event) => {
    failure = failureText(event);
  });
  socket.addEventListener('close', ({ code, reason }) => {
    end(failure ?? `closed by the relay (${[code, relayText(reason)].join(' ').trim()})`);
  });

  return {
    send: (text) => {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(text);
      return true;
    },
    terminate,
    close: () => {
      if (ended) return;
      stop();
      if (socket.readyState !== WebSocket.OPEN) {
        socket.terminate();
        return;
      }
      const cut = setTimeout(() => socket.terminate(), timings.closeMs);
      socket.addEventListener('close', () => clearTimeout(cut));
      socket.close(1000);
    },
  };
}

/** Bun says "WebSocket connection to '<url>' failed: <why>": the url is known, and long. */
function failureText(event: Event): string {
  const message = event instanceof ErrorEvent ? event.message : '';
  return relayText(message.replace(/^WebSocket connection to '.*' failed: /, '')) || 'connection failed';
}
