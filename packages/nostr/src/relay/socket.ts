import type { Target } from '@nostr-dm-agent/kit/net';
import { after, type Cancel, every } from '@nostr-dm-agent/kit/timers';
import { relayText } from './frames.ts';
import { type RelayContext, timerOf } from './relay-context.ts';

type RelaySocketHandlers = {
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
 * connection (no answer to pings), for both of which Bun itself has no timeout. A handler that throws is logged: what one
 * frame breaks must cost neither the next one nor the process.
 */
export function openRelaySocket(
  { url, headers, tls, proxy }: Target,
  context: RelayContext,
  handlers: RelaySocketHandlers,
): RelaySocket {
  const { timings, log } = context;
  const timer = timerOf(context);
  // Without compression a frame costs the sender as many bytes as it costs us.
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    headers,
    ...(tls === undefined ? {} : { tls }),
    ...(proxy === undefined ? {} : { proxy }),
  });
  let ended = false;
  let failure: string | undefined;
  const connectTimer = after(timings.connectMs, timer, () => terminate('no answer to the WebSocket upgrade'));

  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      log.error({ relay: context.url, error }, 'what a relay sent could not be handled');
    }
  };
  const stop = () => {
    ended = true;
    connectTimer();
    heartbeat.stop();
  };
  const end = (reason: string) => {
    if (ended) return;
    stop();
    guarded(() => handlers.onEnd(reason));
  };
  const terminate = (reason: string) => {
    // close() would wait for the peer, and on a half-open connection no `close` event ever follows.
    socket.terminate();
    end(reason);
  };
  const heartbeat = createHeartbeat(socket, context, () => terminate('no answer to a ping'));

  socket.addEventListener('open', () => {
    if (ended) return;
    connectTimer();
    heartbeat.start();
    guarded(handlers.onOpen);
  });
  socket.addEventListener('pong', heartbeat.heard);
  socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
    if (ended) return;
    heartbeat.heard();
    if (typeof data !== 'string') handlers.onIgnored('binary frame');
    else if (data.length > context.limits.maxFrameLength) handlers.onIgnored('oversized frame');
    else guarded(() => handlers.onText(data));
  });
  socket.addEventListener('error', (event) => {
    failure = failureText(event);
  });
  socket.addEventListener('close', ({ code, reason }) => {
    end(failure ?? `closed by the relay (${[code, relayText(reason)].join(' ').trim()})`);
  });

  return {
    send: (text) => {
      if (!isOpen(socket)) return false;
      socket.send(text);
      return true;
    },
    terminate,
    close: () => {
      if (ended) return;
      stop();
      if (!isOpen(socket)) {
        socket.terminate();
        return;
      }
      socket.addEventListener(
        'close',
        after(timings.closeMs, timer, () => socket.terminate()),
      );
      socket.close(1000);
    },
  };
}

const isOpen = (socket: WebSocket) => socket.readyState === WebSocket.OPEN;

/** Pings, and notices when neither a pong nor anything else comes for too long. */
function createHeartbeat(socket: WebSocket, context: RelayContext, onSilence: () => void) {
  const { timings } = context;
  const timer = timerOf(context);
  let stopPings: Cancel = () => {};
  let awaited: Cancel | undefined;
  const heard = () => {
    awaited?.();
    awaited = undefined;
  };
  return {
    heard,
    start: () => {
      stopPings = every(timings.pingMs, timer, () => {
        if (!isOpen(socket)) return;
        socket.ping();
        awaited ??= after(timings.pongMs, timer, onSilence);
      });
    },
    stop: () => {
      stopPings();
      heard();
    },
  };
}

/** Bun says "WebSocket connection to '<url>' failed: <why>", and of a proxy its status: the url is known, and long. */
function failureText(event: Event): string {
  const message = event instanceof ErrorEvent ? event.message : '';
  return (
    relayText(
      message.replace(/^WebSocket connection to '.*' failed: (Proxy connection failed: \d+ )?/, ''),
    ) || 'connection failed'
  );
}
