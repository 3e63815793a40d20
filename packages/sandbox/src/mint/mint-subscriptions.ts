import type { ServerWebSocket } from 'bun';
import { type SubscriptionKind, subscribeRequest } from './mint-wire.ts';

type Subscription = { readonly kind: SubscriptionKind; readonly filters: readonly string[] };
/** What hangs on each socket: its subscriptions by id. */
export type SocketData = { readonly subscriptions: Map<string, Subscription> };

export type Subscriptions = {
  readonly websocket: {
    readonly open: (socket: ServerWebSocket<SocketData>) => void;
    readonly close: (socket: ServerWebSocket<SocketData>) => void;
    readonly message: (socket: ServerWebSocket<SocketData>, message: string | Buffer) => void;
  };
  /** Tells everybody who watches `id` what it is now. */
  readonly notify: (kind: SubscriptionKind, id: string) => void;
};

/** NUT-17: JSON-RPC over a WebSocket. `read` gives the present state of what is watched; undefined when unknown. */
export function createSubscriptions(read: (kind: SubscriptionKind, id: string) => unknown): Subscriptions {
  const sockets = new Set<ServerWebSocket<SocketData>>();
  const push = (socket: ServerWebSocket<SocketData>, subId: string, payload: unknown) =>
    socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'subscribe', params: { subId, payload } }));

  return {
    websocket: {
      open: (socket) => {
        sockets.add(socket);
      },
      close: (socket) => {
        sockets.delete(socket);
      },
      message(socket, message) {
        const request = subscribeRequest.safeParse(JSON.parse(String(message)));
        if (!request.success) {
          socket.send(
            JSON.stringify({ jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id: 0 }),
          );
          return;
        }
        const { method, id, params } = request.data;
        socket.send(JSON.stringify({ jsonrpc: '2.0', result: { status: 'OK', subId: params.subId }, id }));
        if (method === 'unsubscribe') {
          socket.data.subscriptions.delete(params.subId);
          return;
        }
        const { kind, filters, subId } = params;
        socket.data.subscriptions.set(subId, { kind, filters });
        for (const filter of filters) {
          const payload = read(kind, filter);
          if (payload !== undefined) push(socket, subId, payload);
        }
      },
    },
    notify(kind, id) {
      for (const socket of sockets) {
        for (const [subId, subscription] of socket.data.subscriptions) {
          if (subscription.kind !== kind || !subscription.filters.includes(id)) continue;
          const payload = read(kind, id);
          if (payload !== undefined) push(socket, subId, payload);
        }
      }
    },
  };
}
