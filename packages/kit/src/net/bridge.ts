import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** What the bridge answers when there is no way: a status line, whose text Bun passes on. */
export type NoWay = { readonly reason: string };

/** A loopback HTTP proxy that only this process may use. */
export type Bridge = {
  /** For `proxy` of Bun's fetch and WebSocket. Secret. */
  readonly url: string;
  /** A header that only the bridge's own refusals have, and its value. */
  readonly mark: { readonly name: string; readonly value: string };
  readonly close: () => void;
};

/** Connects to where a client of the bridge wants to go. Rejects with a NoWay. */
export type Dial = (host: string, port: number, signal: AbortSignal) => Promise<Socket>;

const largestHead = 64 * 1024;
const headTimeoutMs = 10_000;
const endOfHead = Buffer.from('\r\n\r\n');

/**
 * Bun knows HTTP proxies and no others: this one, on a port of 127.0.0.1, hands each connection to `dial`. Who does not
 * show its random password is refused, so that no other program of the machine gets out through it. TLS goes through it
 * unopened. Its server does not keep the process alive.
 */
export async function openBridge(dial: Dial): Promise<Bridge> {
  const password = randomBytes(24).toString('hex');
  const expected = Buffer.from(`Basic ${Buffer.from(`bot:${password}`).toString('base64')}`);
  const mark = { name: 'x-no-way-out', value: randomBytes(24).toString('hex') };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    // Whoever is on the other side goes with it.
    client.on('error', () => client.destroy());
    void serve(client, dial, expected, mark);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the bridge has no port');
  return {
    url: `http://bot:${password}@127.0.0.1:${address.port}`,
    mark,
    close: () => {
      server.close();
      for (const client of open) client.destroy();
    },
  };
}

async function serve(client: Socket, dial: Dial, expected: Buffer, mark: Bridge['mark']): Promise<void> {
  const left = new AbortController();
  client.once('close', () => left.abort());
  const refuse = (status: string) =>
    client.end(
      `HTTP/1.1 ${status}\r\n${mark.name}: ${mark.value}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
    );
  const read = await readHead(client);
  if (read === undefined) return void client.destroy();
  const head = parseHead(read.head);
  if (head === undefined) return void refuse('400 Bad Request');
  const shown = Buffer.from(head.password ?? '');
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) {
    return void refuse('407 Proxy Authentication Required');
  }
  try {
    const target = await dial(head.host, head.port, left.signal);
    target.on('error', () => target.destroy());
    target.once('close', () => client.destroySoon());
    client.once('close', () => target.destroy());
    if (client.destroyed) return void target.destroy();
    if (head.forwarded === undefined) client.write('HTTP/1.1 200 OK\r\n\r\n');
    else target.write(head.forwarded);
    if (read.rest.length > 0) target.write(read.rest);
    client.pipe(target);
    target.pipe(client);
  } catch (error) {
    if (!left.signal.aborted) refuse(`502 ${error instanceof Error ? error.message : 'no way'}`);
  }
}

type Head = {
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
  /** Of a request that is not for a tunnel: its head as the server is to see it. */
  readonly forwarded: string | undefined;
};

function parseHead(text: string): Head | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const [method, address = '', version] = first.split(' ');
  const named = (line: string) => line.slice(0, line.indexOf(':')).toLowerCase();
  const login = lines.find((line) => named(line) === 'proxy-authorization');
  const password = login?.slice(login.indexOf(':') + 1).trim();
  const tunnel = method === 'CONNECT';
  const url = URL.parse(tunnel ? `https://${address}` : address);
  if (url === null || (!tunnel && url.protocol !== 'http:')) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || (tunnel ? 443 : 80));
  if (tunnel) return { host, port, password, forwarded: undefined };
  // One request for each connection: what would follow could be for another server.
  const kept = lines.filter((line) => !/^(proxy-.*|connection|keep-alive)$/.test(named(line)));
  const request = `${method} ${url.pathname}${url.search} ${version}`;
  return { host, port, password, forwarded: [request, ...kept, 'Connection: close', '', ''].join('\r\n') };
}

/** Up to the empty line, and what came behind it; undefined: the client left, was too slow, or never ends. */
async function readHead(
  client: Socket,
): Promise<{ readonly head: string; readonly rest: Buffer } | undefined> {
  let held = Buffer.alloc(0);
  return new Promise((resolve) => {
    const done = (value: { head: string; rest: Buffer } | undefined) => {
      clearTimeout(timer);
      client.pause();
      client.off('data', onData).off('close', onClose);
      resolve(value);
    };
    const onClose = () => done(undefined);
    const onData = (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      const end = held.indexOf(endOfHead);
      if (end >= 0) {
        done({ head: held.subarray(0, end).toString('latin1'), rest: held.subarray(end + endOfHead.length) });
      } else if (held.length > largestHead) done(undefined);
    };
    const timer = setTimeout(onClose, headTimeoutMs);
    client.on('data', onData).once('close', onClose);
  });
}
