import { afterEach, describe, expect, test } from 'bun:test';
import { neverSent } from '../src/http.ts';
import {
  createGuardedFetch,
  leaveThrough,
  mayBePlain,
  NoWayOutError,
  outwardFetch,
  PrivateAddressError,
  type ProxyAddressError,
  type ProxyReport,
  parseProxy,
  proxyReport,
  type Resolver,
  targetsOf,
  tryProxy,
  watchProxy,
  wayOut,
} from '../src/net/index.ts';
import { onionCertificate } from './support/onion-certificate.ts';
import { type SocksProxyOptions, startSocksProxy } from './support/socks-proxy.ts';
import { until } from './support/until.ts';

/** Closed after each test, in the opposite order. */
const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  leaveThrough(undefined);
  for (const end of ends.splice(0).reverse()) await end();
});

/** A web server that answers with what it was asked, and echoes over WebSockets. */
function startWeb(tls?: { readonly cert: string; readonly key: string }) {
  let release: () => void = () => {};
  let left = false;
  let pings = 0;
  const requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: Headers;
    readonly body: string;
  }[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    ...(tls === undefined ? {} : { tls }),
    fetch: async (request, server) => {
      const { pathname, search } = new URL(request.url);
      if (server.upgrade(request)) return undefined;
      requests.push({
        method: request.method,
        path: `${pathname}${search}`,
        headers: request.headers,
        body: await request.text(),
      });
      if (pathname !== '/stream') return new Response(`host ${request.headers.get('host')}`);
      request.signal.addEventListener('abort', () => {
        left = true;
      });
      return new Response(
        new ReadableStream({
          start: (stream) => {
            stream.enqueue(new TextEncoder().encode('first'));
            release = () => {
              stream.enqueue(new TextEncoder().encode(' last'));
              stream.close();
            };
          },
        }),
      );
    },
    websocket: {
      message: (socket, message) => void socket.send(`echo ${String(message)}`),
      ping: () => {
        pings += 1;
      },
    },
  });
  ends.push(() => server.stop(true));
  return {
    port: server.port ?? 0,
    requests,
    release: () => release(),
    left: () => left,
    pings: () => pings,
  };
}

async function startProxy(options: SocksProxyOptions) {
  const proxy = await startSocksProxy(options);
  ends.push(proxy.stop);
  return proxy;
}

const through = ({ url }: { readonly url: string }) => leaveThrough(parseProxy(url));
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it went through',
    (error) => error,
  );

describe('BOT_PROXY', () => {
  test.each([
    ['socks5h://127.0.0.1:9050', { host: '127.0.0.1', port: 9050, login: undefined }],
    ['socks5h://tor:9050/', { host: 'tor', port: 9050, login: undefined }],
    ['SOCKS5H://[::1]:9150', { host: '::1', port: 9150, login: undefined }],
    ['socks5h://me:p%40ss@h:1', { host: 'h', port: 1, login: { user: 'me', password: 'p@ss' } }],
  ])('%s is read', (text, proxy) => {
    expect(parseProxy(text)).toEqual(proxy);
  });

  test.each([
    ['', 'not_a_url'],
    ['127.0.0.1:9050', 'not_a_url'],
    ['socks5h://', 'not_a_url'],
    ['socks5://127.0.0.1:9050', 'resolves_here'],
    ['socks4a://127.0.0.1:9050', 'resolves_here'],
    ['http://127.0.0.1:8118', 'not_socks'],
    ['socks5h://127.0.0.1', 'no_port'],
    ['socks5h://127.0.0.1:0', 'no_port'],
    ['socks5h://h:99999', 'not_a_url'],
    ['socks5h://only@h:1', 'login'],
    ['socks5h://a%ff:b@h:1', 'login'],
    [`socks5h://${'a'.repeat(256)}:b@h:1`, 'login'],
    ['socks5h://h:1/path', 'more'],
    ['socks5h://h:1?x=1', 'more'],
  ])('%p is refused', (text, problem) => {
    let refused: unknown;
    try {
      parseProxy(text);
    } catch (error) {
      refused = error;
    }
    expect((refused as ProxyAddressError).problem).toBe(problem as ProxyAddressError['problem']);
    expect(String(refused)).not.toContain('127.0.0.1');
  });
});

describe('through a SOCKS proxy', () => {
  test('names go to it as they are, by http, https and WebSocket; the certificate is checked here', async () => {
    const plain = startWeb();
    const encrypted = startWeb(onionCertificate);
    const proxy = await startProxy({
      names: { 'node.onion': plain.port, 'mint.onion': encrypted.port, 'thief.onion': encrypted.port },
      login: { user: 'me', password: 'p' },
    });
    through(proxy);

    expect(await (await outwardFetch('http://node.onion/a?b=c')).text()).toBe('host node.onion');
    const posted = await outwardFetch('http://node.onion:8080/p', {
      method: 'POST',
      body: 'x'.repeat(300_000),
    });
    expect(await posted.text()).toBe('host node.onion:8080');
    expect(plain.requests.map(({ method, path, body }) => [method, path, body.length])).toEqual([
      ['GET', '/a?b=c', 0],
      ['POST', '/p', 300_000],
    ]);
    // Nothing of the way there is told to who is reached.
    for (const { headers } of plain.requests) expect(headers.get('proxy-authorization')).toBeNull();

    const tls = { ca: onionCertificate.cert };
    const fetchTls = (url: string, init: BunFetchRequestInit) => outwardFetch(url, init);
    expect(await (await fetchTls('https://mint.onion/', { tls })).text()).toBe('host mint.onion');
    expect(await rejection(outwardFetch('https://mint.onion/'))).toBeInstanceOf(Error);
    const stolen = await rejection(fetchTls('https://thief.onion/', { tls }));
    expect(stolen).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(encrypted.requests).toHaveLength(1);

    const socket = new WebSocket('ws://node.onion/', { proxy: (await wayOut()) ?? '' });
    const heard: string[] = [];
    let pongs = 0;
    socket.addEventListener('open', () => {
      socket.send('hello');
      socket.ping();
    });
    socket.addEventListener(
      'message',
      ({ data }: { readonly data: unknown }) => void heard.push(String(data)),
    );
    socket.addEventListener('pong', () => {
      pongs += 1;
    });
    await until(() => heard.length > 0 && pongs > 0, 'an echo and a pong came back');
    expect([heard, plain.pings()]).toEqual([['echo hello'], 1]);
    socket.close();

    expect(proxy.hosts()).toEqual(['mint.onion', 'node.onion', 'thief.onion']);
    expect(proxy.asked().every(({ byName }) => byName)).toBe(true);
  });

  test('what is streamed comes as it is sent; who leaves ends the connection at the proxy', async () => {
    const web = startWeb();
    const proxy = await startProxy({ names: { 'node.onion': web.port } });
    through(proxy);
    const leaving = new AbortController();
    for (const end of ['whole', 'left'] as const) {
      const response = await outwardFetch('http://node.onion/stream', { signal: leaving.signal });
      const reader = response.body?.getReader();
      expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('first');
      if (end === 'whole') {
        web.release();
        expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(' last');
        expect((await reader?.read())?.done).toBe(true);
      } else {
        leaving.abort();
        expect(await rejection(Promise.resolve(reader?.read()))).toMatchObject({ name: 'AbortError' });
      }
      await until(() => proxy.open() === 0, 'nothing is open at the proxy');
    }
    await until(web.left, 'the server saw it leave');
  });

  test('a request whose connection breaks later may have been done', async () => {
    const half = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: (socket) => void socket.end() },
    });
    ends.push(() => half.stop(true));
    const proxy = await startProxy({ names: { 'mint.onion': half.port } });
    through(proxy);
    const broken = await rejection(outwardFetch('http://mint.onion/v1/swap', { method: 'POST', body: '{}' }));
    expect(broken).toBeInstanceOf(Error);
    expect(neverSent(broken)).toBe(false);
  });

  test('a proxy that is away, or refuses, is told from who is behind it, and was sent nothing', async () => {
    const web = startWeb();
    const first = await startProxy({ names: { 'node.onion': web.port } });
    const { port } = first;
    await first.stop();
    through({ url: `socks5h://127.0.0.1:${port}` });
    const heard: (ProxyReport['problem'] | 'fine')[] = [];
    ends.push(watchProxy(({ problem }) => void heard.push(problem ?? 'fine')));
    const soon = AbortSignal.timeout(10_000);

    for (const url of ['http://node.onion/', 'https://node.onion/']) {
      const away = await rejection(outwardFetch(url, { method: 'POST', body: 'x' }));
      expect(away).toBeInstanceOf(NoWayOutError);
      expect([String(away), neverSent(away)]).toEqual([
        'NoWayOutError: the proxy (BOT_PROXY) does not answer',
        true,
      ]);
    }
    expect(proxyReport()).toEqual({ address: `127.0.0.1:${port}`, problem: 'unreachable' });
    expect(await tryProxy(parseProxy(`socks5h://127.0.0.1:${port}`), soon)).toBe('unreachable');

    const login = { user: 'me', password: 'right' };
    const second = await startProxy({ port, names: { 'node.onion': web.port }, login });
    // Asked again by whoever asked, it lets nobody in without the login.
    expect(String(await rejection(outwardFetch('http://node.onion/')))).toContain(
      'refuses its user or password',
    );
    expect(await tryProxy(parseProxy(`socks5h://me:wrong@127.0.0.1:${port}`), soon)).toBe('login');
    expect(await tryProxy(parseProxy(second.url), soon)).toBeUndefined();
    await second.stop();

    const third = await startProxy({ port, names: { 'node.onion': web.port } });
    expect((await outwardFetch('http://node.onion/')).status).toBe(200);
    const nobody = await rejection(outwardFetch('http://nobody.onion/'));
    expect(String(nobody)).toBe('NoWayOutError: the proxy says: host unreachable');
    expect(heard).toEqual(['unreachable', 'login', 'fine']);
    await third.stop();

    expect(await tryProxy(parseProxy(`socks5h://127.0.0.1:${web.port}`), soon)).toBe('not_socks');
  });

  test('nothing goes past it: not for NO_PROXY, not for this machine; and nobody else gets out through us', async () => {
    const web = startWeb();
    const proxy = await startProxy({ names: {} });
    process.env.NO_PROXY = '*';
    through(proxy);
    for (const url of [
      `http://127.0.0.1:${web.port}/`,
      `http://localhost:${web.port}/`,
      `http://[::1]:${web.port}/`,
    ]) {
      expect(await rejection(outwardFetch(url))).toBeInstanceOf(NoWayOutError);
    }
    const socket = new WebSocket(`ws://127.0.0.1:${web.port}/`, { proxy: (await wayOut()) ?? '' });
    let end = '';
    socket.addEventListener('open', () => {
      end = 'open';
    });
    socket.addEventListener('close', () => {
      end ||= 'refused';
    });
    await until(() => end !== '', 'the socket opened or not');
    expect(end).toBe('refused');
    expect(proxy.asked().map(({ host, byName }) => [host, byName])).toEqual([
      ['127.0.0.1', false],
      ['localhost', true],
      ['0:0:0:0:0:0:0:1', false],
      ['127.0.0.1', false],
    ]);
    expect(web.requests).toEqual([]);

    const [, port = ''] = /:(\d+)$/.exec((await wayOut()) ?? '') ?? [];
    for (const login of ['', 'bot:guess@']) {
      const stranger = await fetch('http://node.onion/', { proxy: `http://${login}127.0.0.1:${port}` });
      expect(stranger.status).toBe(407);
    }
    expect(proxy.asked()).toHaveLength(4);
  });

  test('the guard asks no resolver, refuses what is inside all the same, and lets onion services pass', async () => {
    const web = startWeb();
    const proxy = await startProxy({ names: { 'node.onion': web.port, 'shop.example': web.port } });
    const signal = AbortSignal.timeout(10_000);
    const resolve: Resolver = () => Promise.reject(new Error('somebody was asked for a name'));
    const guarded = createGuardedFetch({ resolve });
    const refusedNow = async (url: string) =>
      (await rejection(targetsOf(new URL(url), signal, { resolve }))) instanceof PrivateAddressError;
    expect(await rejection(guarded('http://node.onion/'))).toBeInstanceOf(PrivateAddressError);
    expect([mayBePlain('node.onion'), mayBePlain('127.0.0.1'), mayBePlain('shop.example')]).toEqual([
      false,
      true,
      false,
    ]);

    through(proxy);
    for (const url of [
      'https://127.0.0.1/',
      'https://localhost/',
      'https://10.1.2.3/',
      'https://[::1]/',
      'https://printer.local/',
      'https://router/',
      'https://onion/',
      'https://169.254.169.254/',
    ]) {
      expect([url, await refusedNow(url)]).toEqual([url, true]);
    }
    expect(await rejection(guarded('http://shop.example/'))).toBeInstanceOf(PrivateAddressError);
    expect(await rejection(guarded(`http://127.0.0.1:${web.port}/`))).toBeInstanceOf(PrivateAddressError);
    expect(proxy.asked()).toEqual([]);
    expect(await targetsOf(new URL('wss://shop.example/'), signal, { resolve })).toMatchObject([
      { url: 'wss://shop.example/', headers: {}, tls: undefined, proxy: await wayOut() },
    ]);
    expect(await (await guarded('http://node.onion/x')).text()).toBe('host node.onion');
    expect([mayBePlain('node.onion'), mayBePlain('onion'), mayBePlain('shop.example')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
