import { parseRelayUrl } from '@nostr-dm-agent/nostr';
import { z } from 'zod';

const eventShape = z.looseObject({
  id: z.string(),
  kind: z.number(),
  created_at: z.number(),
  tags: z.array(z.array(z.string())),
});
type Event = z.infer<typeof eventShape>;
const filterShape = z.looseObject({
  kinds: z.array(z.number()).optional(),
  since: z.number().optional(),
  until: z.number().optional(),
  limit: z.number().optional(),
  '#p': z.array(z.string()).optional(),
});
type Filter = z.infer<typeof filterShape>;
const frame = z.tuple([z.string(), z.unknown()]).rest(z.unknown());

/** As public relays do. */
const mostInAnswer = 500;

/**
 * A relay that checks nothing, for a flood: checking 100,000 events would take longer than what is measured. It keeps what
 * it gets (`keeps`), answers with the newest 500, and sends on what comes.
 */
export function startBareRelay({ keeps }: { readonly keeps: boolean } = { keeps: true }) {
  /** By their time, the newest last. */
  const stored: Event[] = [];
  const placeOf = (createdAt: number): number => {
    let [low, high] = [0, stored.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((stored[middle]?.created_at ?? 0) <= createdAt) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const known = new Set<string>();
  type Socket = Bun.ServerWebSocket<{ readonly subscriptions: Map<string, readonly Filter[]> }>;
  const sockets = new Set<Socket>();
  const matches = (event: Event, { kinds, since = 0, until = Number.POSITIVE_INFINITY, '#p': p }: Filter) =>
    (kinds === undefined || kinds.includes(event.kind)) &&
    event.created_at >= since &&
    event.created_at <= until &&
    (p === undefined || event.tags.some(([name, key = '']) => name === 'p' && p.includes(key)));
  /** @returns how many bytes wait in the fullest socket that it went to */
  const take = (event: Event): number => {
    if (known.has(event.id)) return 0;
    if (keeps) {
      known.add(event.id);
      stored.splice(placeOf(event.created_at), 0, event);
    }
    let waiting = 0;
    for (const socket of sockets) {
      for (const [name, filters] of socket.data.subscriptions) {
        if (!filters.some((filter) => matches(event, filter))) continue;
        socket.send(JSON.stringify(['EVENT', name, event]));
        waiting = Math.max(waiting, socket.getBufferedAmount());
      }
    }
    return waiting;
  };
  const answer = (socket: Socket, name: string, filters: readonly Filter[]): void => {
    socket.data.subscriptions.set(name, filters);
    for (const filter of filters) {
      let left = Math.min(filter.limit ?? mostInAnswer, mostInAnswer);
      for (let at = placeOf(filter.until ?? Number.MAX_SAFE_INTEGER) - 1; at >= 0 && left > 0; at -= 1) {
        const event = stored[at];
        if (event === undefined || event.created_at < (filter.since ?? 0)) break;
        if (!matches(event, filter)) continue;
        socket.send(JSON.stringify(['EVENT', name, event]));
        left -= 1;
      }
    }
    socket.send(JSON.stringify(['EOSE', name]));
  };
  const server = Bun.serve<{ readonly subscriptions: Map<string, readonly Filter[]> }, never>({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, self) =>
      self.upgrade(request, { data: { subscriptions: new Map() } })
        ? undefined
        : new Response('', { status: 426 }),
    websocket: {
      backpressureLimit: 256 * 1024 * 1024,
      open: (socket) => void sockets.add(socket),
      close: (socket) => void sockets.delete(socket),
      message: (socket, text) => {
        const [type, first, ...rest] = frame.parse(JSON.parse(String(text)));
        if (type === 'REQ')
          answer(
            socket,
            String(first),
            rest.map((one) => filterShape.parse(one)),
          );
        if (type === 'CLOSE') socket.data.subscriptions.delete(String(first));
        if (type !== 'EVENT') return;
        const event = eventShape.parse(first);
        take(event);
        socket.send(JSON.stringify(['OK', event.id, true, '']));
      },
    },
  });
  return {
    url: parseRelayUrl(`ws://127.0.0.1:${server.port}`),
    take: (event: unknown): number => take(eventShape.parse(event)),
    stop: () => server.stop(true),
  };
}
export type BareRelay = ReturnType<typeof startBareRelay>;
