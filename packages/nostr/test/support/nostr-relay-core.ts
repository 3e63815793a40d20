import './noble-hashes-v1.ts';
import type { ClientReadyState, Event, EventRepositoryUpsertResult, Filter } from '@nostr-relay/common';
import type { RelayUrl } from '../../src/nostr-types.ts';
import { parseRelayUrl } from '../../src/relay/relay-url.ts';

// Loaded at run time, because static imports of CommonJS are evaluated before noble-hashes-v1.ts.
const { EventRepository, EventUtils } = await import('@nostr-relay/common');
const { NostrRelay } = await import('@nostr-relay/core');
const { Validator } = await import('@nostr-relay/validator');

/** Keeps every event, gift wraps too. Replaceable events don't replace each other here. */
class MemoryRepository extends EventRepository {
  readonly #events = new Map<string, Event>();

  isSearchSupported(): boolean {
    return false;
  }

  upsert(event: Event): EventRepositoryUpsertResult {
    const isDuplicate = this.#events.has(event.id);
    this.#events.set(event.id, event);
    return { isDuplicate };
  }

  find(filter: Filter): Event[] {
    return [...this.#events.values()]
      .filter((event) => EventUtils.isMatchingFilter(event, filter))
      .sort((a, b) => b.created_at - a.created_at)
      .slice(0, filter.limit ?? 500);
  }

  async destroy(): Promise<void> {
    this.#events.clear();
  }
}

type Connection = {
  client: { readonly readyState: ClientReadyState; readonly send: (data: string) => void } | undefined;
};

/**
 * `@nostr-relay/core` on 127.0.0.1: a relay that we have not written.
 * @param options.auth with NIP-42: DMs only to who is authenticated and meant
 */
export function startNostrRelayCore(options: { readonly auth?: boolean } = {}): {
  readonly url: RelayUrl;
  readonly stop: () => Promise<void>;
} {
  const relay = new NostrRelay(new MemoryRepository(), {
    ...(options.auth === true && { hostname: '127.0.0.1' }),
    filterResultCacheTtl: 0,
    logger: { setLogLevel: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  const validator = new Validator();
  const server = Bun.serve<Connection>({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, self) =>
      self.upgrade(request, { data: { client: undefined } }) ? undefined : new Response('', { status: 426 }),
    websocket: {
      open: (socket) => {
        const client = {
          get readyState() {
            return socket.readyState;
          },
          send: (data: string) => {
            socket.send(data);
          },
        };
        socket.data.client = client;
        relay.handleConnection(client, '127.0.0.1');
      },
      message: async (socket, frame) => {
        const { client } = socket.data;
        if (client === undefined) return;
        try {
          await relay.handleMessage(client, await validator.validateIncomingMessage(frame));
        } catch (error) {
          socket.send(JSON.stringify(['NOTICE', String(error)]));
        }
      },
      close: ({ data: { client } }) => {
        if (client !== undefined) relay.handleDisconnect(client);
      },
    },
  });
  return {
    url: parseRelayUrl(`ws://127.0.0.1:${server.port}`),
    stop: async () => {
      await server.stop(true);
      await relay.destroy();
    },
  };
}
