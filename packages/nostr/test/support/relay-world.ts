import { randomInt } from 'node:crypto';
import { until } from '@nostr-dm-agent/kit/testing/until';
import {
  type SandboxRelay,
  type SandboxRelayOptions,
  startSandboxRelay,
} from '@nostr-dm-agent/sandbox/relay';
import type { RelayUrl } from '../../src/nostr-types.ts';
import type { RelayConnection } from '../../src/relay/connect-relay.ts';
import { parseRelayUrl } from '../../src/relay/relay-url.ts';
import { type ConnectOptions, connectTo, type Listener, listenTo } from './relay-client.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** The relays, proxies and connections of one test; all are closed at its end (`await using`). */
export type RelayWorld = AsyncDisposable & {
  readonly relay: (options?: SandboxRelayOptions) => SandboxRelay;
  readonly proxy: (targetPort: number, options?: { readonly mute?: boolean }) => TcpProxy;
  readonly connect: (url: RelayUrl, options?: ConnectOptions) => RelayConnection;
  readonly listen: (url: RelayUrl, options?: ConnectOptions) => Listener;
  /** {@link RelayWorld.listen}, and waits until the stored events are through. */
  readonly listening: (url: RelayUrl, options?: ConnectOptions) => Promise<Listener>;
};

export function relayWorld(): RelayWorld {
  const closers: (() => void | Promise<void>)[] = [];
  const listen = (url: RelayUrl, options?: ConnectOptions) => {
    const listener = listenTo(url, options);
    closers.push(listener.connection.close);
    return listener;
  };
  return {
    relay: (options) => {
      const relay = startSandboxRelay(options);
      closers.push(relay.stop);
      return relay;
    },
    proxy: (targetPort, options) => {
      const proxy = startTcpProxy(targetPort, options);
      closers.push(proxy.stop);
      return proxy;
    },
    connect: (url, options) => {
      const connection = connectTo(url, options);
      closers.push(connection.close);
      return connection;
    },
    listen,
    listening: async (url, options) => {
      const listener = listen(url, options);
      await until(() => listener.eoses() > 0, 'the stored events being through');
      return listener;
    },
    [Symbol.asyncDispose]: async () => {
      // Connections before the relays that they are connected to.
      for (const close of closers.reverse()) await close();
    },
  };
}

export const loopback = (port: number): RelayUrl => parseRelayUrl(`ws://127.0.0.1:${port}`);

/** Nothing ever listens there: a connection is refused at once. */
export const refusingUrl: RelayUrl = loopback(1);

/**
 * A port to be listened on later, or again. Below the range from which the system gives out ports, so that no other
 * test's relay gets it meanwhile.
 */
export async function reservePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + randomInt(10_000);
    try {
      Bun.listen({ hostname: '127.0.0.1', port, socket: { data: () => {} } }).stop(true);
      return port;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
}
