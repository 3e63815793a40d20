import type { Socket } from 'bun';

/** A TCP proxy on loopback that can go silent the way a NAT or a dead host does: nothing is ever closed. */
export type TcpProxy = {
  readonly port: number;
  /** Connections it has accepted so far. */
  readonly accepted: () => number;
  /** Connections that clients hold open now. */
  readonly held: () => number;
  /** From now on nothing passes through the connections that exist. */
  readonly silence: () => void;
  /** While true, new connections are accepted and never answered. */
  mute: boolean;
  readonly stop: () => void;
};

type Pair = { silent: boolean; upstream: Socket<undefined> | undefined; readonly early: Buffer[] };

export function startTcpProxy(targetPort: number, options: { readonly mute?: boolean } = {}): TcpProxy {
  const pairs = new Set<Pair>();
  let accepted = 0;

  const connectUpstream = async (client: Socket<Pair>) => {
    const pair = client.data;
    pair.upstream = await Bun.connect({
      hostname: '127.0.0.1',
      port: targetPort,
      socket: {
        data: (_, bytes) => {
          if (!pair.silent) client.write(bytes);
        },
        close: () => {
          if (!pair.silent) client.end();
        },
      },
    });
    for (const bytes of pair.early.splice(0)) pair.upstream.write(bytes);
  };

  const listener = Bun.listen<Pair>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: (client) => {
        accepted += 1;
        client.data = { silent: proxy.mute, upstream: undefined, early: [] };
        pairs.add(client.data);
        if (!proxy.mute) connectUpstream(client).catch(() => client.end());
      },
      data: ({ data: pair }, bytes) => {
        if (pair.silent) return;
        if (pair.upstream === undefined) pair.early.push(Buffer.from(bytes));
        else pair.upstream.write(bytes);
      },
      close: ({ data: pair }) => {
        pair.upstream?.end();
        pairs.delete(pair);
      },
    },
  });

  const proxy: TcpProxy = {
    port: listener.port,
    accepted: () => accepted,
    held: () => pairs.size,
    mute: options.mute ?? false,
    silence: () => {
      for (const pair of pairs) pair.silent = true;
    },
    stop: () => listener.stop(true),
  };
  return proxy;
}
