import { closeSync, openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Endpoint } from './endpoints.ts';
import type { InitPlan } from './inside/init.ts';
import { inside } from './places.ts';
import { createProxy, dial, dialSocket, mostConnections, splice } from './proxy.ts';

/** What a jail can reach beside itself. */
type NetworkPlan = {
  readonly mode: 'internet' | 'none';
  readonly endpoints: readonly Endpoint[];
  readonly ssh: boolean;
  /** Names this machine's own proxy. */
  readonly environment: Readonly<Record<string, string>>;
  /** See `JailSettings`. */
  readonly sockets?: ReadonlyMap<number, string> | undefined;
};

export type Network = {
  readonly forward: InitPlan['forward'];
  /** Where programs inside find the proxy. */
  readonly proxy: string | undefined;
  /** TCP ports on this machine that it consists of, where there is no network namespace. */
  readonly ports: readonly number[];
  readonly close: () => Promise<void>;
};

const defaultProxyPort = 3128;
/** Lower ones need a right that no jail has. */
const lowestPort = 1024;

const listen = (
  server: Server,
  at: string | { readonly host: string; readonly port: number },
): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  if (typeof at === 'string') server.listen(at, resolve);
  else server.listen(at, resolve);
  return promise;
};

/** Closes servers together with the connections that they took. */
const createServers = () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const add = (server: Server): Server => {
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    servers.push(server);
    return server;
  };
  const close = async (): Promise<void> => {
    const closed = servers.map((server) => new Promise<void>((done) => server.close(() => done())));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  return { add, close };
};

/** Where a local endpoint really is: every address that its name may stand for. */
const addressesOf = (host: string): readonly string[] => {
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  return [host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host];
};

/** @param unix the socket that the endpoint is, where it is one */
const createForwarder = (endpoint: Endpoint, unix: string | undefined): Server => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy());
    const dialled = unix === undefined ? dial(addressesOf(endpoint.host), endpoint.port) : dialSocket(unix);
    dialled.then(
      (socket) => {
        if (socket === undefined) client.destroy();
        else splice(client, socket);
      },
      () => client.destroy(),
    );
  });
  server.maxConnections = mostConnections;
  return server;
};

/** The endpoints on this machine, one for each port and address; those that cannot be led inside are left out. */
const localEndpoints = (endpoints: readonly Endpoint[]): readonly Endpoint[] => {
  const seen = new Map<string, Endpoint>();
  for (const endpoint of endpoints)
    if (endpoint.local && endpoint.port >= lowestPort)
      seen.set(`${endpoint.host} ${endpoint.port}`, endpoint);
  return [...seen.values()];
};

const freePort = (taken: readonly Endpoint[]): number => {
  let port = defaultProxyPort;
  while (taken.some((endpoint) => endpoint.port === port)) port++;
  return port;
};

/**
 * For a jail with a network of its own: sockets in `folder`, which the jail sees, lead to the proxy and to the local
 * endpoints.
 */
export const openNetwork = async (folder: string, plan: NetworkPlan): Promise<Network> => {
  const servers = createServers();
  // A socket's path may have 107 characters, a folder's more: through the descriptor it is short.
  const fd = openSync(folder, 'r');
  // Open to the end, because a server takes away its socket by that path.
  const close = async (): Promise<void> => {
    await servers.close();
    closeSync(fd);
  };
  const { sockets } = plan;
  const local = localEndpoints(plan.endpoints).filter(({ port }) => sockets?.has(port) ?? true);
  const forward: { host: string; port: number; unix: string }[] = [];
  try {
    for (const [index, endpoint] of local.entries()) {
      const name = `${index}.sock`;
      await listen(
        servers.add(createForwarder(endpoint, sockets?.get(endpoint.port))),
        `/proc/self/fd/${fd}/${name}`,
      );
      for (const host of addressesOf(endpoint.host))
        if (!forward.some((other) => other.host === host && other.port === endpoint.port))
          forward.push({ host, port: endpoint.port, unix: join(inside.sockets, name) });
    }
    const port = freePort(local);
    if (plan.mode === 'internet') {
      const named = plan.endpoints.filter((endpoint) => !endpoint.local);
      const proxy = createProxy({ named, ssh: plan.ssh, environment: plan.environment });
      await listen(servers.add(proxy), `/proc/self/fd/${fd}/proxy.sock`);
      forward.push({ host: '127.0.0.1', port, unix: join(inside.sockets, 'proxy.sock') });
    }
    const proxy = plan.mode === 'internet' ? `http://127.0.0.1:${port}` : undefined;
    return { forward, proxy, ports: [], close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Without a network namespace: a proxy on this machine's loopback, with a password against its other users. */
export const openLoopbackNetwork = async (plan: NetworkPlan): Promise<Network> => {
  const servers = createServers();
  const local = localEndpoints(plan.endpoints).map(({ port }) => port);
  if (plan.mode === 'none') return { forward: [], proxy: undefined, ports: local, close: servers.close };
  const secret = crypto.randomUUID();
  const named = plan.endpoints.filter((endpoint) => !endpoint.local);
  const { ssh, environment } = plan;
  const authorization = `Basic ${Buffer.from(`agent:${secret}`).toString('base64')}`;
  const proxy = servers.add(createProxy({ named, ssh, environment, authorization }));
  await listen(proxy, { host: '127.0.0.1', port: 0 });
  const address = proxy.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    forward: [],
    proxy: `http://agent:${secret}@127.0.0.1:${port}`,
    ports: [...local, port],
    close: servers.close,
  };
};
