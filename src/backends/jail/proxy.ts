import { lookup } from 'node:dns/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { unbracketed } from '@nostr-dm-agent/kit/net';
import { judge, type Reach } from './destinations.ts';
import type { Endpoint } from './endpoints.ts';
import { type Upstream, upstreamOf } from './upstream.ts';

export type ProxyOptions = {
  /** Destinations that the operator's configuration names. */
  readonly named: readonly Endpoint[];
  /** Whether connections to SSH servers are made. */
  readonly ssh: boolean;
  /** The environment in which this machine's own proxy is named. */
  readonly environment: Readonly<Record<string, string>>;
  /** With it, a request must carry this `Proxy-Authorization`: for a proxy that other users of the machine reach. */
  readonly authorization?: string | undefined;
  readonly resolve?: Reach['resolve'];
};

const longestHead = 16 * 1024;
const headTimeoutMs = 15_000;
const connectTimeoutMs = 20_000;
/** A tunnel in which nothing moves is given up. */
const idleMs = 15 * 60_000;
export const mostConnections = 256;

const systemResolve: Reach['resolve'] = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

type Request = {
  readonly host: string;
  readonly port: number;
  /** Undefined for `CONNECT`. */
  readonly plain:
    | { readonly method: string; readonly url: URL; readonly headers: readonly string[] }
    | undefined;
  readonly authorization: string | undefined;
};

/** Undefined when it is no request that a proxy answers. */
const parseHead = (head: string): Request | undefined => {
  const [line = '', ...headers] = head.split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const authorization = headers
    .find((header) => /^proxy-authorization:/i.test(header))
    ?.replace(/^[^:]*:\s*/, '');
  const url = URL.parse(method === 'CONNECT' ? `http://${target}/` : target);
  if (url === null || url.protocol !== 'http:' || url.username !== '' || url.hostname === '')
    return undefined;
  if (method === 'CONNECT') {
    const port = /:(\d{1,5})$/.exec(target)?.[1];
    // WHATWG URLs leave the default port out, and read what is no host and port in odd ways.
    if (port === undefined || !/^(?:\[[\da-f:.]+\]|[^[\]:/?#@\s]+):\d+$/i.test(target)) return undefined;
    return { host: hostOf(url), port: Number(port), plain: undefined, authorization };
  }
  if (!/^[A-Z]{1,20}$/.test(method)) return undefined;
  return { host: hostOf(url), port: Number(url.port) || 80, plain: { method, url, headers }, authorization };
};

const hostOf = (url: URL): string => unbracketed(url.hostname).replace(/\.$/, '');

const refuse = (client: Socket, status: string): void => {
  client.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
};

const hopByHop = /^(?:proxy-[\w-]+|connection|keep-alive):/i;

const plainHead = (plain: NonNullable<Request['plain']>, upstream: Upstream | undefined): string => {
  const { method, url, headers } = plain;
  const path = `${url.pathname}${url.search}`;
  return [
    `${method} ${upstream === undefined ? path : `http://${url.host}${path}`} HTTP/1.1`,
    ...headers.filter((header) => !hopByHop.test(header)),
    ...(upstream?.authorization === undefined ? [] : [`proxy-authorization: ${upstream.authorization}`]),
    'connection: close',
    '',
    '',
  ].join('\r\n');
};

const tunnelHead = ({ host, port }: Request, { authorization }: Upstream): string => {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return [
    `CONNECT ${target} HTTP/1.1`,
    `host: ${target}`,
    ...(authorization === undefined ? [] : [`proxy-authorization: ${authorization}`]),
    '',
    '',
  ].join('\r\n');
};

/** Both ways, until both have ended or one breaks. */
export const splice = (a: Socket, b: Socket, timeoutMs = idleMs): void => {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.setTimeout(timeoutMs, () => from.destroy());
    from.once('error', () => to.destroy());
    // What it said is still passed on; nobody is there for the answer.
    from.once('close', () => (from.readableEnded ? to.end(() => to.destroy()) : to.destroy()));
  }
};

/** Connects to the first that answers. */
export const dial = async (addresses: readonly string[], port: number): Promise<Socket | undefined> => {
  for (const host of addresses) {
    const socket = await opened(connect({ host, port, allowHalfOpen: true }));
    if (socket !== undefined) return socket;
  }
  return undefined;
};

/** The same for a socket of this machine. */
export const dialSocket = (path: string): Promise<Socket | undefined> =>
  opened(connect({ path, allowHalfOpen: true }));

const opened = async (socket: Socket): Promise<Socket | undefined> => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  socket.setTimeout(connectTimeoutMs, () => resolve(false));
  if (await promise) return socket.setTimeout(0);
  socket.destroy();
  return undefined;
};

/** The addresses to connect to: the destination's own, or its machine's proxy's. Undefined when it may not be reached. */
const route = async (
  { host, port }: Request,
  upstream: Upstream | undefined,
  { named, ssh, resolve = systemResolve }: ProxyOptions,
): Promise<'refused' | 'unknown' | { readonly addresses: readonly string[]; readonly port: number }> => {
  const verdict = await judge(host, port, { named, ssh, resolve });
  if (verdict.state === 'refused') return 'refused';
  if (upstream !== undefined) return { addresses: [upstream.host], port: upstream.port };
  return verdict.state === 'unknown' ? 'unknown' : { addresses: verdict.addresses.slice(0, 4), port };
};

const open = async (client: Socket, request: Request, rest: Buffer, options: ProxyOptions): Promise<void> => {
  const { plain, host } = request;
  const upstream = upstreamOf(options.environment, plain === undefined ? 'https' : 'http', host);
  const way = await route(request, upstream, options);
  if (way === 'refused') return refuse(client, '403 Forbidden');
  const server = way === 'unknown' ? undefined : await dial(way.addresses, way.port);
  if (server === undefined) return refuse(client, '502 Bad Gateway');
  if (client.destroyed) return void server.destroy();
  if (plain !== undefined) server.write(plainHead(plain, upstream));
  else if (upstream !== undefined) server.write(tunnelHead(request, upstream));
  else client.write('HTTP/1.1 200 Connection established\r\n\r\n');
  if (rest.length > 0) server.write(rest);
  splice(client, server);
};

const serve = (client: Socket, options: ProxyOptions): void => {
  let head = Buffer.alloc(0);
  client.on('error', () => client.destroy());
  client.setTimeout(headTimeoutMs, () => client.destroy());
  const onData = (data: Buffer): void => {
    head = Buffer.concat([head, data]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) {
      if (head.length > longestHead) refuse(client, '431 Request Header Fields Too Large');
      return;
    }
    client.off('data', onData);
    client.pause();
    client.setTimeout(0);
    const request = parseHead(head.subarray(0, end).toString('latin1'));
    if (request === undefined) refuse(client, '400 Bad Request');
    else if (options.authorization !== undefined && request.authorization !== options.authorization)
      refuse(client, '407 Proxy Authentication Required');
    else open(client, request, head.subarray(end + 4), options).catch(() => client.destroy());
  };
  client.on('data', onData);
};

/**
 * An HTTP proxy that leads to the public internet and to what the operator's configuration names, and refuses
 * everything else. It is not listening yet.
 */
export const createProxy = (options: ProxyOptions): Server => {
  const server = createServer({ allowHalfOpen: true }, (client) => serve(client, options));
  server.maxConnections = mostConnections;
  return server;
};
