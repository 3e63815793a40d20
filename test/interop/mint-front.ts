import type { ServerWebSocket } from 'bun';

/** When a request is held: before the mint gets it, or with the mint's answer in hand. */
export type HoldMoment = 'before' | 'after';

/**
 * What stands between one wallet and the mint: an address that stays the same when the mint comes back on another
 * port, and a place where requests and answers can be lost.
 */
export type MintFront = {
  readonly url: string;
  /** Requests to this path are held from now on, and dropped when they are let go. */
  readonly hold: (path: string, when: HoldMoment) => void;
  /** How many are held. */
  readonly holding: () => number;
  /** Ends holding; whoever still waits gets no answer. */
  readonly clear: () => void;
  /** `POST /v1/swap` …, in order of arrival. */
  readonly requests: readonly string[];
  readonly stop: () => Promise<void>;
};

type Socket = { readonly upstream: WebSocket; readonly early: string[] };

/** @param mintPort where the mint listens now */
export function startMintFront(mintPort: () => number): MintFront {
  const requests: string[] = [];
  let held: { path: string; when: HoldMoment } | undefined;
  let holding = 0;
  let letGo = Promise.withResolvers<void>();
  const dropped = async (): Promise<Response> => {
    holding += 1;
    await letGo.promise;
    holding -= 1;
    return Response.json({ detail: 'lost on the way' }, { status: 502 });
  };

  const server = Bun.serve<Socket>({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request, self) {
      const { pathname, search } = new URL(request.url);
      const target = `127.0.0.1:${mintPort()}${pathname}${search}`;
      if (request.headers.get('upgrade')?.toLowerCase() === 'websocket') {
        const data = { upstream: new WebSocket(`ws://${target}`), early: [] };
        return self.upgrade(request, { data }) ? undefined : new Response(null, { status: 400 });
      }
      requests.push(`${request.method} ${pathname}`);
      const hold = held?.path === pathname ? held.when : undefined;
      if (hold === 'before') return dropped();
      const { method } = request;
      const body = method === 'POST' ? await request.text() : undefined;
      try {
        const answer = await fetch(`http://${target}`, {
          method,
          headers: { 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body }),
        });
        const text = await answer.text();
        if (hold === 'after') return await dropped();
        return new Response(text, {
          status: answer.status,
          headers: { 'content-type': answer.headers.get('content-type') ?? 'text/plain' },
        });
      } catch {
        // The mint is down, or was killed with this request in its hands.
        return new Response('no mint', { status: 502 });
      }
    },
    websocket: {
      open(socket: ServerWebSocket<Socket>) {
        const { upstream, early } = socket.data;
        upstream.onopen = () => {
          for (const message of early.splice(0)) upstream.send(message);
        };
        upstream.onmessage = (event) => void socket.send(String(event.data));
        upstream.onclose = () => socket.close();
        upstream.onerror = () => socket.close();
      },
      message({ data: { upstream, early } }, message) {
        if (upstream.readyState === WebSocket.OPEN) upstream.send(String(message));
        else early.push(String(message));
      },
      close({ data }) {
        data.upstream.close();
      },
    },
  });
  const clear = (): void => {
    held = undefined;
    letGo.resolve();
    letGo = Promise.withResolvers<void>();
  };
  return {
    url: `http://127.0.0.1:${server.port}`,
    hold: (path, when) => {
      held = { path, when };
    },
    holding: () => holding,
    clear,
    requests,
    async stop() {
      clear();
      await server.stop(true);
    },
  };
}
